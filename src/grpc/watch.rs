//! The watch's stream.

use futures_util::{StreamExt, stream::BoxStream};
use tonic::{Request, Response, Status};

use super::{OutboundTaskApi, convert, outbound_tasks::caller};
use crate::{
    app::{WatchEnd, WatchMessage},
    domain::{fields::TaskFields, watch::WatchRequest},
    error::Error,
    pb,
    request::stream::Deadline,
};

/// The messages of a watch.
pub(super) type Messages = BoxStream<'static, Result<pb::WatchOutboundTasksResponse, Status>>;

pub(super) async fn watch(
    api: &OutboundTaskApi,
    mut request: Request<pb::WatchOutboundTasksRequest>,
) -> Result<Response<Messages>, Status> {
    let caller = caller(&mut request)?;
    let deadline = request.extensions().get::<Deadline>();
    let deadline = deadline.ok_or_else(|| Error::internal("a stream without a deadline"))?;
    let end = WatchEnd {
        at: deadline.at,
        is_callers: deadline.is_callers,
    };
    let pb::WatchOutboundTasksRequest {
        filter,
        skip_initial,
        resume_token,
        target_limit,
        read_mask,
    } = request.into_inner();
    let mut faults = Vec::new();
    let shown = convert::shown(target_limit, read_mask, &mut faults);
    let request = WatchRequest {
        filter: convert::task_filter(filter, &mut faults),
        skip_initial,
        resume_token,
        shown,
    };
    let messages = api.0.task_watch(caller, request, faults, end).await?;
    let messages = messages.map(move |message| Ok(response(message?, shown.fields)));
    Ok(Response::new(messages.boxed()))
}

fn response(message: WatchMessage, fields: TaskFields) -> pb::WatchOutboundTasksResponse {
    let WatchMessage {
        changes,
        resume_token,
        as_of,
        list_again,
    } = message;
    let changes = changes.into_iter().map(|change| pb::TaskChange {
        kind: change.kind as i32,
        task_id: change.task_id,
        task: change.task.map(|task| convert::task(task, fields)),
    });
    pb::WatchOutboundTasksResponse {
        changes: changes.collect(),
        resume_token,
        as_of: as_of.map(convert::timestamp),
        list_again,
    }
}
