//! `outboundtasks.v1.OutboundTaskService`.

use std::sync::Arc;

use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::convert;
use crate::{
    app::{Access, App, Caller},
    domain::get::GetQuery,
    error::Result,
    pb::{
        BatchGetOutboundTasksRequest, BatchGetOutboundTasksResponse, GetOutboundTaskRequest,
        GetOutboundTaskResponse, ListOutboundTasksRequest, ListOutboundTasksResponse,
        outbound_task_service_server::OutboundTaskService,
    },
    request::key_from_headers,
};

/// The service: reads a request, calls the application, writes its answer.
#[derive(Debug, Clone)]
pub struct OutboundTaskApi(pub Arc<App>);

impl OutboundTaskApi {
    async fn caller(&self, metadata: &MetadataMap, access: Access) -> Result<Caller> {
        self.0
            .authenticate(key_from_headers(metadata.as_ref()), access)
            .await
    }
}

#[tonic::async_trait]
impl OutboundTaskService for OutboundTaskApi {
    async fn list_outbound_tasks(
        &self,
        request: Request<ListOutboundTasksRequest>,
    ) -> Result<Response<ListOutboundTasksResponse>, Status> {
        let caller = self.caller(request.metadata(), Access::Read).await?;
        let mut faults = Vec::new();
        let request = convert::list_request(request.into_inner(), &mut faults);
        let fields = request.shown.fields;
        let page = self.0.task_list(&caller, request, faults).await?;
        Ok(Response::new(convert::list_response(page, fields)))
    }

    async fn get_outbound_task(
        &self,
        request: Request<GetOutboundTaskRequest>,
    ) -> Result<Response<GetOutboundTaskResponse>, Status> {
        let caller = self.caller(request.metadata(), Access::Read).await?;
        let GetOutboundTaskRequest {
            task_id,
            target_limit,
            read_mask,
        } = request.into_inner();
        let mut faults = Vec::new();
        let shown = convert::shown(target_limit, read_mask, &mut faults);
        let query = GetQuery::one(task_id, shown, faults)?;
        let task = self.0.task_get(&caller, query).await?;
        Ok(Response::new(GetOutboundTaskResponse {
            task: Some(convert::task(task, shown.fields)),
        }))
    }

    async fn batch_get_outbound_tasks(
        &self,
        request: Request<BatchGetOutboundTasksRequest>,
    ) -> Result<Response<BatchGetOutboundTasksResponse>, Status> {
        let caller = self.caller(request.metadata(), Access::Read).await?;
        let BatchGetOutboundTasksRequest {
            task_ids,
            target_limit,
            read_mask,
        } = request.into_inner();
        let mut faults = Vec::new();
        let shown = convert::shown(target_limit, read_mask, &mut faults);
        let query = GetQuery::many(task_ids, shown, faults)?;
        let batch = self.0.task_batch_get(&caller, query).await?;
        let answer = convert::batch_get_response(batch, shown.fields);
        Ok(Response::new(answer))
    }
}
