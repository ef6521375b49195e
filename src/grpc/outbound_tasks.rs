//! `outboundtasks.v1.OutboundTaskService`.

use tonic::{Request, Response, Status, Streaming};

use super::{
    api::{OutboundTaskApi, caller},
    convert, convert_target,
    convert_write::{self, idempotency as write_name},
    export::{Batches, export},
    upload::upload,
    watch::{Messages, watch},
};
use crate::{
    domain::{
        action::TaskAction,
        get::GetQuery,
        limits::{DEFAULT_PARTS, MAX_ID_CHARS, check_text},
        write::{NewTasks, Transition, valid},
    },
    error::Violations,
    grpc::server::OutboundTaskService,
    pb,
};

/// The six calls that change a task's status. Their messages have the same fields, but no common type.
macro_rules! transition {
    ($api:ident, $request:ident, $action:expr, $message:ident, $response:ident) => {{
        let caller = caller(&mut $request)?;
        let message = $request.into_inner();
        let mut faults = Violations::new();
        let call = $action.word();
        let name = write_name(&message.idempotency_key, call, &message, &mut faults);
        let pb::$message {
            task_id,
            reason,
            etag,
            idempotency_key: _,
        } = message;
        let transition = Transition {
            task_id,
            action: $action,
            reason,
            etag,
        };
        transition.check(&mut faults);
        valid(faults)?;
        let changed = $api.0.task_transition(&caller, transition, name).await?;
        Ok(convert_write::written(changed, |task| pb::$response {
            task: Some(convert::whole(task)),
        }))
    }};
}

#[tonic::async_trait]
impl OutboundTaskService for OutboundTaskApi {
    async fn list_outbound_tasks(
        &self,
        mut request: Request<pb::ListOutboundTasksRequest>,
    ) -> Result<Response<pb::ListOutboundTasksResponse>, Status> {
        let caller = caller(&mut request)?;
        let mut faults = Violations::new();
        let request = convert::list_request(request.into_inner(), &mut faults);
        let fields = request.shown.fields;
        let page = self.0.task_list(&caller, request, faults).await?;
        Ok(Response::new(convert::list_response(page, fields)))
    }

    async fn get_outbound_task(
        &self,
        mut request: Request<pb::GetOutboundTaskRequest>,
    ) -> Result<Response<pb::GetOutboundTaskResponse>, Status> {
        let caller = caller(&mut request)?;
        let pb::GetOutboundTaskRequest {
            task_id,
            target_limit,
            read_mask,
        } = request.into_inner();
        let mut faults = Violations::new();
        let shown = convert::read_shown(target_limit, read_mask, &mut faults);
        let query = GetQuery::one(task_id, shown, faults)?;
        let task = self.0.task_get(&caller, query).await?;
        Ok(Response::new(pb::GetOutboundTaskResponse {
            task: Some(convert::task(task, shown.fields)),
        }))
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
        let mut faults = Violations::new();
        let shown = convert::read_shown(target_limit, read_mask, &mut faults);
        let query = GetQuery::many(task_ids, shown, faults)?;
        let batch = self.0.task_batch_get(&caller, query).await?;
        let answer = convert::batch_get_response(batch, shown.fields);
        Ok(Response::new(answer))
    }

    async fn create_outbound_task(
        &self,
        mut request: Request<pb::CreateOutboundTaskRequest>,
    ) -> Result<Response<pb::CreateOutboundTaskResponse>, Status> {
        let caller = caller(&mut request)?;
        let message = request.into_inner();
        let mut faults = Violations::new();
        let name = write_name(&message.idempotency_key, "create", &message, &mut faults);
        let draft = message.task.unwrap_or_default();
        let draft = convert_write::draft(draft, "task.", &mut faults);
        let new = NewTasks::one(draft, faults)?;
        let made = self.0.task_create(&caller, new, name).await?;
        Ok(convert_write::written(made, convert_write::create_response))
    }

    async fn batch_create_outbound_tasks(
        &self,
        mut request: Request<pb::BatchCreateOutboundTasksRequest>,
    ) -> Result<Response<pb::BatchCreateOutboundTasksResponse>, Status> {
        let caller = caller(&mut request)?;
        let message = request.into_inner();
        let mut faults = Violations::new();
        let name = write_name(
            &message.idempotency_key,
            "batch_create",
            &message,
            &mut faults,
        );
        let drafts = message.tasks.into_iter().enumerate();
        let drafts = drafts
            .map(|(place, task)| {
                convert_write::draft(task, &format!("tasks[{place}]."), &mut faults)
            })
            .collect();
        let new = NewTasks::many(drafts, faults)?;
        let made = self.0.task_create(&caller, new, name).await?;
        Ok(convert_write::written(
            made,
            convert_write::batch_create_response,
        ))
    }

    async fn update_outbound_task(
        &self,
        mut request: Request<pb::UpdateOutboundTaskRequest>,
    ) -> Result<Response<pb::UpdateOutboundTaskResponse>, Status> {
        let caller = caller(&mut request)?;
        let message = request.into_inner();
        let mut faults = Violations::new();
        let name = write_name(&message.idempotency_key, "update", &message, &mut faults);
        let update = convert_write::update(message, &mut faults);
        update.check(&mut faults);
        valid(faults)?;
        let updated = self.0.task_update(&caller, update, name).await?;
        Ok(convert_write::written(updated, |task| {
            pb::UpdateOutboundTaskResponse {
                task: Some(convert::whole(task)),
            }
        }))
    }

    async fn delete_outbound_task(
        &self,
        mut request: Request<pb::DeleteOutboundTaskRequest>,
    ) -> Result<Response<pb::DeleteOutboundTaskResponse>, Status> {
        let caller = caller(&mut request)?;
        let message = request.into_inner();
        let mut faults = Violations::new();
        let name = write_name(&message.idempotency_key, "delete", &message, &mut faults);
        let pb::DeleteOutboundTaskRequest { task_id, etag, .. } = message;
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut faults);
        valid(faults)?;
        let gone = self.0.task_delete(&caller, &task_id, &etag, name).await?;
        Ok(convert_write::written(gone, |()| {
            pb::DeleteOutboundTaskResponse {}
        }))
    }

    async fn start_outbound_task(
        &self,
        mut request: Request<pb::StartOutboundTaskRequest>,
    ) -> Result<Response<pb::StartOutboundTaskResponse>, Status> {
        transition!(
            self,
            request,
            TaskAction::Start,
            StartOutboundTaskRequest,
            StartOutboundTaskResponse
        )
    }

    async fn pause_outbound_task(
        &self,
        mut request: Request<pb::PauseOutboundTaskRequest>,
    ) -> Result<Response<pb::PauseOutboundTaskResponse>, Status> {
        transition!(
            self,
            request,
            TaskAction::Pause,
            PauseOutboundTaskRequest,
            PauseOutboundTaskResponse
        )
    }

    async fn resume_outbound_task(
        &self,
        mut request: Request<pb::ResumeOutboundTaskRequest>,
    ) -> Result<Response<pb::ResumeOutboundTaskResponse>, Status> {
        transition!(
            self,
            request,
            TaskAction::Resume,
            ResumeOutboundTaskRequest,
            ResumeOutboundTaskResponse
        )
    }

    async fn stop_outbound_task(
        &self,
        mut request: Request<pb::StopOutboundTaskRequest>,
    ) -> Result<Response<pb::StopOutboundTaskResponse>, Status> {
        transition!(
            self,
            request,
            TaskAction::Stop,
            StopOutboundTaskRequest,
            StopOutboundTaskResponse
        )
    }

    async fn complete_outbound_task(
        &self,
        mut request: Request<pb::CompleteOutboundTaskRequest>,
    ) -> Result<Response<pb::CompleteOutboundTaskResponse>, Status> {
        transition!(
            self,
            request,
            TaskAction::Complete,
            CompleteOutboundTaskRequest,
            CompleteOutboundTaskResponse
        )
    }

    async fn fail_outbound_task(
        &self,
        mut request: Request<pb::FailOutboundTaskRequest>,
    ) -> Result<Response<pb::FailOutboundTaskResponse>, Status> {
        transition!(
            self,
            request,
            TaskAction::Fail,
            FailOutboundTaskRequest,
            FailOutboundTaskResponse
        )
    }

    async fn bulk_change_outbound_tasks(
        &self,
        mut request: Request<pb::BulkChangeOutboundTasksRequest>,
    ) -> Result<Response<pb::BulkChangeOutboundTasksResponse>, Status> {
        let caller = caller(&mut request)?;
        let message = request.into_inner();
        let mut faults = Violations::new();
        let name = write_name(
            &message.idempotency_key,
            "bulk_change",
            &message,
            &mut faults,
        );
        let bulk = convert_write::bulk(message, faults)?;
        let changed = self.0.task_bulk(&caller, bulk, name).await?;
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
        let mut faults = Violations::new();
        let request = convert_target::list_request(request.into_inner(), &mut faults);
        let page = self.0.target_list(&caller, request, faults).await?;
        Ok(Response::new(convert_target::list_response(page)))
    }

    async fn add_task_targets(
        &self,
        request: Request<Streaming<pb::AddTaskTargetsRequest>>,
    ) -> Result<Response<pb::AddTaskTargetsResponse>, Status> {
        upload(self, request).await
    }

    async fn remove_task_targets(
        &self,
        mut request: Request<pb::RemoveTaskTargetsRequest>,
    ) -> Result<Response<pb::RemoveTaskTargetsResponse>, Status> {
        let caller = caller(&mut request)?;
        let message = request.into_inner();
        let mut faults = Violations::new();
        let name = write_name(
            &message.idempotency_key,
            "remove_targets",
            &message,
            &mut faults,
        );
        let pb::RemoveTaskTargetsRequest {
            task_id,
            customer_ids,
            etag,
            idempotency_key: _,
        } = message;
        let removed = self
            .0
            .target_remove(&caller, &task_id, customer_ids, &etag, name, faults)
            .await?;
        Ok(convert_write::written(removed, convert_target::removed))
    }

    async fn report_target_results(
        &self,
        mut request: Request<pb::ReportTargetResultsRequest>,
    ) -> Result<Response<pb::ReportTargetResultsResponse>, Status> {
        let caller = caller(&mut request)?;
        let message = request.into_inner();
        let mut faults = Violations::new();
        let name = write_name(
            &message.idempotency_key,
            "report_results",
            &message,
            &mut faults,
        );
        let pb::ReportTargetResultsRequest {
            task_id, results, ..
        } = message;
        let results = convert_target::results(results, &mut faults);
        let reported = self
            .0
            .target_report(&caller, &task_id, results, name, faults)
            .await?;
        Ok(convert_write::written(reported, convert_target::reported))
    }

    async fn list_task_events(
        &self,
        mut request: Request<pb::ListTaskEventsRequest>,
    ) -> Result<Response<pb::ListTaskEventsResponse>, Status> {
        let caller = caller(&mut request)?;
        let pb::ListTaskEventsRequest {
            task_id,
            limit,
            page_token,
            order,
        } = request.into_inner();
        let mut faults = Violations::new();
        let direction = convert_write::direction(order, &mut faults);
        let limit = if limit == 0 {
            DEFAULT_PARTS
        } else {
            limit.into()
        };
        let page = self
            .0
            .event_list(&caller, task_id, direction, limit, &page_token, faults)
            .await?;
        Ok(Response::new(convert_write::event_page(page)))
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
}
