//! The client streams that import files.

use std::{convert::Infallible, future::pending};

use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::{
    api::{OutboundTaskApi, caller},
    convert_import,
    upload::next,
};
use crate::{
    app::{
        UploadPermit,
        import::{Chunk, Chunks, Uploaded},
    },
    error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation},
    pb,
};

/// Handles one import of tasks.
pub(super) async fn import_tasks(
    api: &OutboundTaskApi,
    mut request: Request<Streaming<pb::ImportOutboundTasksRequest>>,
) -> Result<Response<pb::ImportOutboundTasksResponse>, Status> {
    use pb::import_outbound_tasks_request::Part;
    let caller = caller(&mut request)?;
    let mut messages = request.into_inner();
    let options = match first(&mut messages).await?.and_then(|first| first.part) {
        Some(Part::Options(options)) => options,
        Some(Part::Chunk(_)) | None => return Err(no_options().into()),
    };
    let upload = convert_import::task_upload(options)?;
    let permit = api.app.upload_permit(&caller).await?;
    let (sender, file) = Chunks::channel();
    let receiving = receive(&mut messages, &permit, sender, api.max_import_bytes, |m| {
        m.part.map(|part| match part {
            Part::Chunk(bytes) => Some(bytes),
            Part::Options(_) => None,
        })
    });
    let importing = api.app.task_upload(&caller, upload, file);
    let imported = both(receiving, importing).await?;
    Ok(Response::new(pb::ImportOutboundTasksResponse {
        report: Some(convert_import::report(imported)),
    }))
}

/// Handles one import of a lead list.
pub(super) async fn import_targets(
    api: &OutboundTaskApi,
    mut request: Request<Streaming<pb::ImportTaskTargetsRequest>>,
) -> Result<Response<pb::ImportTaskTargetsResponse>, Status> {
    use pb::import_task_targets_request::Part;
    let caller = caller(&mut request)?;
    let mut messages = request.into_inner();
    let options = match first(&mut messages).await?.and_then(|first| first.part) {
        Some(Part::Options(options)) => options,
        Some(Part::Chunk(_)) | None => return Err(no_options().into()),
    };
    let upload = convert_import::lead_upload(options)?;
    let permit = api.app.upload_permit(&caller).await?;
    let (sender, file) = Chunks::channel();
    let receiving = receive(&mut messages, &permit, sender, api.max_import_bytes, |m| {
        m.part.map(|part| match part {
            Part::Chunk(bytes) => Some(bytes),
            Part::Options(_) => None,
        })
    });
    let importing = api.app.lead_upload(&caller, upload, file);
    let imported = both(receiving, importing).await?;
    Ok(Response::new(pb::ImportTaskTargetsResponse {
        report: Some(convert_import::report(imported)),
    }))
}

async fn first<M>(messages: &mut Streaming<M>) -> Result<Option<M>, Status> {
    next(messages, pending()).await
}

/// Receives the chunks of a file while it is imported. An error of either ends the other; dropping the import rolls it
/// back.
async fn both(
    receiving: impl Future<Output = Result<Infallible, Status>>,
    importing: impl Future<Output = Result<Uploaded>>,
) -> Result<Uploaded, Status> {
    tokio::select! {
        imported = importing => Ok(imported?),
        received = receiving => match received {
            Err(error) => Err(error),
        },
    }
}

/// Sends the chunks of a file to the reader, and waits while that is behind. Ends only with an error: the import ends by
/// itself once it has the end of the file. `part` returns the bytes of a message, or `Some(None)` for options.
async fn receive<M>(
    messages: &mut Streaming<M>,
    permit: &UploadPermit,
    sender: mpsc::Sender<Chunk>,
    most: usize,
    part: impl Fn(M) -> Option<Option<Vec<u8>>>,
) -> Result<Infallible, Status> {
    let mut size = 0_usize;
    while let Some(message) = next(messages, permit.wanted()).await? {
        let bytes = match part(message) {
            Some(Some(bytes)) => bytes,
            Some(None) => {
                let violation = Violation::new("options", Reason::FirstMessageOnly);
                return Err(Error::invalid(vec![violation]).into());
            }
            None => {
                let violation = Violation::new("part", Reason::Required);
                return Err(Error::invalid(vec![violation]).into());
            }
        };
        size = size.saturating_add(bytes.len());
        if size > most {
            return Err(too_large(most).into());
        }
        // The reader ends early only if it fails; the import says why.
        if !bytes.is_empty() && sender.send(Chunk::Bytes(bytes)).await.is_err() {
            return pending().await;
        }
    }
    // As above.
    let _ = sender.send(Chunk::End).await;
    pending().await
}

fn no_options() -> Error {
    Error::invalid(vec![Violation::new("options", Reason::Required)])
}

/// RESOURCE_EXHAUSTED: the file is larger than the server allows.
fn too_large(most: usize) -> Error {
    let what =
        format!("the file is larger than {most} bytes (--max-import-bytes); nothing was added");
    Error::new(ErrorKind::ResourceExhausted, what).because(ErrorReason::ImportTooLarge)
}
