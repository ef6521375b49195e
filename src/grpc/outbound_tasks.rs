//! `outboundtasks.v1.OutboundTaskService`.

use std::sync::Arc;

use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::convert;
use crate::{
    app::{Access, App, Caller},
    error::Result,
    pb::{
        ListOutboundTasksRequest, ListOutboundTasksResponse,
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
}
