//! The stream of an export.

use futures_util::{StreamExt, stream::BoxStream};
use tonic::{Request, Response, Status};

use super::{
    api::{OutboundTaskApi, caller},
    convert,
};
use crate::{error::Violations, pb, request::stream::Deadline};

/// The stream of batches.
pub(super) type Batches = BoxStream<'static, Result<pb::ExportOutboundTasksResponse, Status>>;

/// Handles one export.
pub(super) async fn export(
    api: &OutboundTaskApi,
    mut request: Request<pb::ExportOutboundTasksRequest>,
) -> Result<Response<Batches>, Status> {
    let caller = caller(&mut request)?;
    let deadline = request.extensions().get().map(|d: &Deadline| d.at);
    let mut violations = Violations::new();
    let request = convert::export_request(request.into_inner(), &mut violations);
    let export = api.app.task_export(&caller, request, violations, deadline);
    let batches = export.await?;
    let batches = batches.map(|batch| Ok(convert::export_response(batch?)));
    Ok(Response::new(batches.boxed()))
}
