//! The client stream that adds targets.

use std::{future::pending, time::Duration};

use tokio::time::sleep;
use tonic::{Request, Response, Status, Streaming};

use super::{
    api::{OutboundTaskApi, caller},
    convert_target, convert_write,
};
use crate::{
    error::{Error, ErrorReason, Violations},
    pb,
};

/// How long a client may send nothing.
const MAX_SILENCE: Duration = Duration::from_secs(10);
/// How long a client may send nothing while a tenant without an upload waits for a permit.
const MAX_SILENCE_WANTED: Duration = Duration::from_secs(3);

/// Handles one upload.
pub(super) async fn upload(
    api: &OutboundTaskApi,
    mut request: Request<Streaming<pb::AddTaskTargetsRequest>>,
) -> Result<Response<pb::AddTaskTargetsResponse>, Status> {
    let caller = caller(&mut request)?;
    let mut messages = request.into_inner();
    let first = next(&mut messages, pending()).await?.unwrap_or_default();
    let mut violations = Violations::new();
    let (first, view) = convert_target::first_part(first, &mut violations);
    let upload = api.app.target_upload(&caller, first, violations);
    let mut upload = upload.await?;
    while let Some(message) = next(&mut messages, upload.wanted()).await? {
        upload.add(convert_target::part(message)).await?;
    }
    let added = upload.finish().await?;
    Ok(convert_write::written(added, |added| {
        convert_target::added(added, view)
    }))
}

/// The next message of the stream. UNAVAILABLE if the client pauses too long, because its call holds a permit and a
/// connection.
pub(super) async fn next<M>(
    messages: &mut Streaming<M>,
    wanted: impl Future<Output = ()>,
) -> Result<Option<M>, Status> {
    let is_wanted = async {
        sleep(MAX_SILENCE_WANTED).await;
        wanted.await;
    };
    let why = tokio::select! {
        message = messages.message() => return message,
        () = sleep(MAX_SILENCE) => format!("the client sent nothing for {MAX_SILENCE:?}; nothing was added"),
        () = is_wanted => format!(
            "the client sent nothing for {MAX_SILENCE_WANTED:?} while another tenant waits for a permit; nothing was added"
        ),
    };
    Err(Error::unavailable(why, Duration::ZERO)
        .because(ErrorReason::ClientIdle)
        .into())
}
