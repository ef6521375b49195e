//! The stream of a watch.

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use prost::Message;
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    api::{OutboundTaskApi, caller},
    convert, convert_value,
};
use crate::{
    app::{WatchEnd, WatchForm, WatchFormat, WatchMessage, WatchShape},
    domain::{
        fields::TaskFields,
        task::Task,
        watch::{ChangeKind, WatchRequest},
    },
    error::{Error, Violations},
    pb,
    request::stream::Deadline,
};

/// The stream of messages.
pub(super) type Messages = BoxStream<'static, Result<EncodedWatchResponse, Status>>;

/// A `WatchOutboundTasksResponse` with changes that are already encoded. In protobuf, an embedded message and bytes
/// have the same encoding. `build.rs` uses this type instead of the generated one in the server.
#[derive(Clone, PartialEq, Message)]
pub struct EncodedWatchResponse {
    /// Encoded `TaskChange` messages.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub changes: Vec<Bytes>,
    /// As in the proto file.
    #[prost(string, tag = "2")]
    pub resume_token: String,
    /// As in the proto file.
    #[prost(message, optional, tag = "3")]
    pub as_of: Option<Timestamp>,
    /// As in the proto file.
    #[prost(bool, tag = "4")]
    pub list_again: bool,
    /// As in the proto file.
    #[prost(bool, tag = "5")]
    pub fresh: bool,
}

/// Encodes changes as `TaskChange` messages.
struct Encoded(TaskFields);

impl WatchForm for Encoded {
    fn shape(&self) -> WatchShape {
        WatchShape {
            format: WatchFormat::Protobuf,
            fields: self.0,
        }
    }

    fn write(&self, kind: ChangeKind, task_id: &str, task: Option<Task>) -> Bytes {
        let change = pb::TaskChange {
            kind: kind as i32,
            task_id: task_id.to_owned(),
            task: task.map(|task| convert::task(task, self.0)),
        };
        change.encode_to_vec().into()
    }

    fn has_tokens(&self) -> bool {
        false // a client receives a message completely or not at all
    }
}

/// Handles one watch.
pub(super) async fn watch(
    api: &OutboundTaskApi,
    mut request: Request<pb::WatchOutboundTasksRequest>,
) -> Result<Response<Messages>, Status> {
    let caller = caller(&mut request)?;
    // `request::handle` adds it to every request for a stream.
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
    let mut violations = Violations::new();
    let shown = convert_value::read_shown(target_limit, read_mask, &mut violations);
    let request = WatchRequest {
        filter: convert::task_filter(filter, &mut violations),
        skip_initial,
        resume_token,
        shown,
    };
    let form = Box::new(Encoded(shown.fields));
    let messages = api.app.task_watch(caller, request, violations, form, end);
    let messages = messages.await?.map(|message| Ok(response(message?)));
    Ok(Response::new(messages.boxed()))
}

fn response(message: WatchMessage) -> EncodedWatchResponse {
    let WatchMessage {
        changes,
        resume_token,
        as_of,
        list_again,
        fresh,
    } = message;
    EncodedWatchResponse {
        changes: changes.into_iter().map(|change| change.written).collect(),
        resume_token,
        as_of: as_of.map(convert_value::timestamp),
        list_again,
        fresh,
    }
}
