//! The stream that adds targets.

use std::time::Duration;

use tonic::{Request, Response, Status, Streaming};

use super::{OutboundTaskApi, convert_target, convert_write, outbound_tasks::caller};
use crate::{error::Error, pb};

/// How long a client that streams may send nothing.
const MAX_SILENCE: Duration = Duration::from_secs(60);

pub(super) async fn upload(
    api: &OutboundTaskApi,
    mut request: Request<Streaming<pb::AddTaskTargetsRequest>>,
) -> Result<Response<pb::AddTaskTargetsResponse>, Status> {
    let caller = caller(&mut request)?;
    let mut messages = request.into_inner();
    let first = next(&mut messages).await?.unwrap_or_default();
    let (task_id, key) = (first.task_id, first.idempotency_key);
    let mut upload = api
        .0
        .target_upload(&caller, task_id, key, &first.customer_ids)
        .await?;
    while let Some(message) = next(&mut messages).await? {
        let faults = convert_target::part_faults(&message, upload.task_id());
        upload.add(&message.customer_ids, faults).await?;
    }
    let added = upload.finish().await?;
    Ok(convert_write::written(added, convert_target::added))
}

/// The next message of a client that streams, which must not keep what its call holds for as long as it likes.
async fn next<M>(messages: &mut Streaming<M>) -> Result<Option<M>, Status> {
    match tokio::time::timeout(MAX_SILENCE, messages.message()).await {
        Ok(message) => message,
        Err(_) => {
            Err(Error::unavailable("the client sent nothing for a minute", Duration::ZERO).into())
        }
    }
}
