//! `outboundtasks.v1.OutboundTaskService`.

use tonic::{Request, Response, Status, Streaming};

use super::{
    answer::{self, EncodedAnswer},
    api::{OutboundTaskApi, caller},
    convert, convert_copy, convert_event, convert_progress, convert_target, convert_value,
    convert_write::{self, Viewed},
    export::{Batches, export},
    import::import,
    upload::upload,
    watch::{Messages, watch},
};
use crate::{
    app::import::{LeadUpload, TaskUpload},
    error::Violations,
    grpc::server::OutboundTaskService,
    pb,
};

/// The six calls that change a task's status. Their messages have the same fields, but no common type.
macro_rules! transition {
    ($api:ident, $request:ident, $response:ident) => {{
        let caller = caller(&mut $request)?;
        let Viewed { request, view } = $request.into_inner().into();
        let changed = $api.app.task_transition(&caller, request).await?;
        Ok(convert_write::written(changed, |task| pb::$response {
            task: Some(convert::viewed(task, view)),
        }))
    }};
}

#[tonic::async_trait]
impl OutboundTaskService for OutboundTaskApi {
    // Each handler converts the message, calls `app`, and converts the answer. It notes what it
    // cannot convert as violations, which `app` reports together with those of the values.
    async fn list_outbound_tasks(
        &self,
        mut request: Request<pb::ListOutboundTasksRequest>,
    ) -> Result<Response<EncodedAnswer>, Status> {
        let caller = caller(&mut request)?;
        let mut violations = Violations::new();
        let request = convert::list_request(request.into_inner(), &mut violations);
        let form = answer::form(request.shown.fields);
        let answer = self
            .app
            .task_list(&caller, request, violations, form)
            .await?;
        Ok(Response::new(EncodedAnswer(answer)))
    }

    async fn get_outbound_task(
        &self,
        mut request: Request<pb::GetOutboundTaskRequest>,
    ) -> Result<Response<EncodedAnswer>, Status> {
        let caller = caller(&mut request)?;
        let pb::GetOutboundTaskRequest {
            task_id,
            target_limit,
            read_mask,
        } = request.into_inner();
        let mut violations = Violations::new();
        let shown = convert_value::read_shown(target_limit, read_mask, &mut violations);
        let form = answer::form(shown.fields);
        let task = self.app.task_get(&caller, task_id, shown, violations, form);
        Ok(Response::new(EncodedAnswer(task.await?)))
    }

    async fn batch_get_outbound_tasks(
        &self,
        mut request: Request<pb::BatchGetOutboundTasksRequest>,
    ) -> Result<Response<pb::BatchGetOutboundTasksResponse>, Status> {
        let caller = caller(&mut request)?;
        let pb::BatchGetOutboundTasksRequest {
            task_ids,
            target_limit,
            read_mask,
        } = request.into_inner();
        let mut violations = Violations::new();
        let shown = convert_value::read_shown(target_limit, read_mask, &mut violations);
        let batch = self
            .app
            .task_batch_get(&caller, task_ids, shown, violations)
            .await?;
        let answer = convert::batch_get_response(batch, shown.fields);
        Ok(Response::new(answer))
    }

    async fn create_outbound_task(
        &self,
        mut request: Request<pb::CreateOutboundTaskRequest>,
    ) -> Result<Response<pb::CreateOutboundTaskResponse>, Status> {
        let caller = caller(&mut request)?;
        let Viewed { request, view } = convert_write::create(request.into_inner());
        let created = self.app.task_create(&caller, request).await?;
        Ok(convert_write::written(created, |created| {
            convert_write::create_response(created, view)
        }))
    }

    async fn batch_create_outbound_tasks(
        &self,
        mut request: Request<pb::BatchCreateOutboundTasksRequest>,
    ) -> Result<Response<pb::BatchCreateOutboundTasksResponse>, Status> {
        let caller = caller(&mut request)?;
        let Viewed { request, view } = convert_write::batch_create(request.into_inner());
        let created = self.app.task_create(&caller, request).await?;
        Ok(convert_write::written(created, |created| {
            convert_write::batch_create_response(created, view)
        }))
    }

    async fn copy_outbound_task(
        &self,
        mut request: Request<pb::CopyOutboundTaskRequest>,
    ) -> Result<Response<pb::CopyOutboundTaskResponse>, Status> {
        let caller = caller(&mut request)?;
        let Viewed { request, view } = convert_copy::copy(request.into_inner());
        let copied = self.app.task_copy(&caller, request).await?;
        Ok(convert_write::written(copied, |task| {
            pb::CopyOutboundTaskResponse {
                task: Some(convert::viewed(task, view)),
            }
        }))
    }

    async fn update_outbound_task(
        &self,
        mut request: Request<pb::UpdateOutboundTaskRequest>,
    ) -> Result<Response<pb::UpdateOutboundTaskResponse>, Status> {
        let caller = caller(&mut request)?;
        let Viewed { request, view } = convert_write::update(request.into_inner());
        let updated = self.app.task_update(&caller, request).await?;
        Ok(convert_write::written(updated, |task| {
            pb::UpdateOutboundTaskResponse {
                task: Some(convert::viewed(task, view)),
            }
        }))
    }

    async fn delete_outbound_task(
        &self,
        mut request: Request<pb::DeleteOutboundTaskRequest>,
    ) -> Result<Response<pb::DeleteOutboundTaskResponse>, Status> {
        let caller = caller(&mut request)?;
        let request = convert_write::delete(request.into_inner());
        let deleted = self.app.task_delete(&caller, request).await?;
        Ok(convert_write::written(deleted, |()| {
            pb::DeleteOutboundTaskResponse {}
        }))
    }

    async fn start_outbound_task(
        &self,
        mut request: Request<pb::StartOutboundTaskRequest>,
    ) -> Result<Response<pb::StartOutboundTaskResponse>, Status> {
        transition!(self, request, StartOutboundTaskResponse)
    }

    async fn pause_outbound_task(
        &self,
        mut request: Request<pb::PauseOutboundTaskRequest>,
    ) -> Result<Response<pb::PauseOutboundTaskResponse>, Status> {
        transition!(self, request, PauseOutboundTaskResponse)
    }

    async fn resume_outbound_task(
        &self,
        mut request: Request<pb::ResumeOutboundTaskRequest>,
    ) -> Result<Response<pb::ResumeOutboundTaskResponse>, Status> {
        transition!(self, request, ResumeOutboundTaskResponse)
    }

    async fn stop_outbound_task(
        &self,
        mut request: Request<pb::StopOutboundTaskRequest>,
    ) -> Result<Response<pb::StopOutboundTaskResponse>, Status> {
        transition!(self, request, StopOutboundTaskResponse)
    }

    async fn complete_outbound_task(
        &self,
        mut request: Request<pb::CompleteOutboundTaskRequest>,
    ) -> Result<Response<pb::CompleteOutboundTaskResponse>, Status> {
        transition!(self, request, CompleteOutboundTaskResponse)
    }

    async fn fail_outbound_task(
        &self,
        mut request: Request<pb::FailOutboundTaskRequest>,
    ) -> Result<Response<pb::FailOutboundTaskResponse>, Status> {
        transition!(self, request, FailOutboundTaskResponse)
    }

    async fn bulk_change_outbound_tasks(
        &self,
        mut request: Request<pb::BulkChangeOutboundTasksRequest>,
    ) -> Result<Response<pb::BulkChangeOutboundTasksResponse>, Status> {
        let caller = caller(&mut request)?;
        let request = convert_write::bulk(request.into_inner());
        let changed = self.app.task_bulk(&caller, request).await?;
        Ok(convert_write::written(
            changed,
            convert_write::bulk_response,
        ))
    }

    async fn list_task_targets(
        &self,
        mut request: Request<pb::ListTaskTargetsRequest>,
    ) -> Result<Response<pb::ListTaskTargetsResponse>, Status> {
        let caller = caller(&mut request)?;
        let mut violations = Violations::new();
        let request = convert_target::list_request(request.into_inner(), &mut violations);
        let page = self.app.target_list(&caller, request, violations).await?;
        Ok(Response::new(convert_target::list_response(page)))
    }

    // The streams are in files of their own, since they outlive the call that begins them.
    async fn add_task_targets(
        &self,
        request: Request<Streaming<pb::AddTaskTargetsRequest>>,
    ) -> Result<Response<pb::AddTaskTargetsResponse>, Status> {
        upload(self, request).await
    }

    async fn import_outbound_tasks(
        &self,
        request: Request<Streaming<pb::ImportOutboundTasksRequest>>,
    ) -> Result<Response<pb::ImportOutboundTasksResponse>, Status> {
        let report = import::<TaskUpload>(self, request).await?;
        Ok(Response::new(pb::ImportOutboundTasksResponse {
            report: Some(report),
        }))
    }

    async fn import_task_targets(
        &self,
        request: Request<Streaming<pb::ImportTaskTargetsRequest>>,
    ) -> Result<Response<pb::ImportTaskTargetsResponse>, Status> {
        let report = import::<LeadUpload>(self, request).await?;
        Ok(Response::new(pb::ImportTaskTargetsResponse {
            report: Some(report),
        }))
    }

    async fn remove_task_targets(
        &self,
        mut request: Request<pb::RemoveTaskTargetsRequest>,
    ) -> Result<Response<pb::RemoveTaskTargetsResponse>, Status> {
        let caller = caller(&mut request)?;
        let Viewed { request, view } = convert_target::remove(request.into_inner());
        let removed = self.app.target_remove(&caller, request).await?;
        Ok(convert_write::written(removed, |removed| {
            convert_target::removed(removed, view)
        }))
    }

    async fn report_target_results(
        &self,
        mut request: Request<pb::ReportTargetResultsRequest>,
    ) -> Result<Response<pb::ReportTargetResultsResponse>, Status> {
        let caller = caller(&mut request)?;
        let Viewed { request, view } = convert_target::report(request.into_inner());
        let reported = self.app.target_report(&caller, request).await?;
        Ok(convert_write::written(reported, |reported| {
            convert_target::reported(reported, view)
        }))
    }

    async fn list_task_events(
        &self,
        mut request: Request<pb::ListTaskEventsRequest>,
    ) -> Result<Response<pb::ListTaskEventsResponse>, Status> {
        let caller = caller(&mut request)?;
        let mut violations = Violations::new();
        let request = convert_event::list_request(request.into_inner(), &mut violations);
        let page = self.app.event_list(&caller, request, violations).await?;
        Ok(Response::new(convert_event::event_page(page)))
    }

    async fn get_task_progress(
        &self,
        mut request: Request<pb::GetTaskProgressRequest>,
    ) -> Result<Response<pb::GetTaskProgressResponse>, Status> {
        let caller = caller(&mut request)?;
        let pb::GetTaskProgressRequest { task_id } = request.into_inner();
        let progress = self.app.progress_get(&caller, &task_id).await?;
        Ok(Response::new(convert_progress::response(progress)))
    }

    type ExportOutboundTasksStream = Batches;

    async fn export_outbound_tasks(
        &self,
        request: Request<pb::ExportOutboundTasksRequest>,
    ) -> Result<Response<Batches>, Status> {
        export(self, request).await
    }

    type WatchOutboundTasksStream = Messages;

    async fn watch_outbound_tasks(
        &self,
        request: Request<pb::WatchOutboundTasksRequest>,
    ) -> Result<Response<Messages>, Status> {
        watch(self, request).await
    }

    async fn get_quota(
        &self,
        mut request: Request<pb::GetQuotaRequest>,
    ) -> Result<Response<pb::GetQuotaResponse>, Status> {
        let caller = caller(&mut request)?;
        let quotas = self.app.quota_list(&caller).into_iter();
        Ok(Response::new(pb::GetQuotaResponse {
            quotas: quotas.map(convert::quota).collect(),
            key_name: self.app.key_name(&caller).await?,
        }))
    }
}
