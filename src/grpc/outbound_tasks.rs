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
        let page = self.0.task_list(&caller, request, faults).await?;
        Ok(Response::new(convert::list_response(page)))
    }

    async fn get_outbound_task(
        &self,
        request: Request<GetOutboundTaskRequest>,
    ) -> Result<Response<GetOutboundTaskResponse>, Status> {
        let caller = self.caller(request.metadata(), Access::Read).await?;
        let GetOutboundTaskRequest {
            task_id,
            target_limit,
        } = request.into_inner();
        let query = GetQuery::one(task_id, target_limit.map(i64::from), Vec::new())?;
        let task = self.0.task_get(&caller, query).await?;
        Ok(Response::new(GetOutboundTaskResponse {
            task: Some(convert::task(task)),
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
        } = request.into_inner();
        let query = GetQuery::many(task_ids, target_limit.map(i64::from))?;
        let batch = self.0.task_batch_get(&caller, query).await?;
        Ok(Response::new(convert::batch_get_response(batch)))
    }
}
