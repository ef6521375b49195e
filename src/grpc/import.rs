//! The client streams that import files.

use std::{convert::Infallible, future::pending, sync::Arc};

use tokio::sync::mpsc;
use tonic::{Request, Status, Streaming};

use super::{
    api::{OutboundTaskApi, caller},
    convert_import,
    upload::next,
};
use crate::{
    app::{
        App, Caller, UploadPermit,
        import::{Chunk, Chunks, LeadUpload, TaskUpload, Uploaded},
    },
    error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation},
    pb,
};

/// A message of an import.
pub(super) enum Part<O> {
    /// The first one.
    Options(O),
    /// All others: a chunk of the file.
    Chunk(Vec<u8>),
}

/// An import, made of the options that its first message has.
pub(super) trait Import: Sized {
    /// A message of its stream.
    type Message: Send;
    /// Its options.
    type Options;

    /// What a message holds; `None` if it is empty.
    fn part(message: Self::Message) -> Option<Part<Self::Options>>;

    /// Reads the options.
    fn parse(options: Self::Options) -> Result<Self>;

    /// Imports the file.
    fn import(
        self,
        app: &App,
        caller: &Caller,
        file: Chunks,
        permit: Arc<UploadPermit>,
    ) -> impl Future<Output = Result<Uploaded>> + Send;
}

impl Import for TaskUpload {
    type Message = pb::ImportOutboundTasksRequest;
    type Options = pb::ImportTaskOptions;

    fn part(message: Self::Message) -> Option<Part<Self::Options>> {
        use pb::import_outbound_tasks_request::Part as Of;
        message.part.map(|part| match part {
            Of::Options(options) => Part::Options(options),
            Of::Chunk(bytes) => Part::Chunk(bytes),
        })
    }

    fn parse(options: Self::Options) -> Result<Self> {
        convert_import::task_upload(options)
    }

    async fn import(
        self,
        app: &App,
        caller: &Caller,
        file: Chunks,
        permit: Arc<UploadPermit>,
    ) -> Result<Uploaded> {
        app.task_upload(caller, self, file, permit).await
    }
}

impl Import for LeadUpload {
    type Message = pb::ImportTaskTargetsRequest;
    type Options = pb::ImportTargetOptions;

    fn part(message: Self::Message) -> Option<Part<Self::Options>> {
        use pb::import_task_targets_request::Part as Of;
        message.part.map(|part| match part {
            Of::Options(options) => Part::Options(options),
            Of::Chunk(bytes) => Part::Chunk(bytes),
        })
    }

    fn parse(options: Self::Options) -> Result<Self> {
        convert_import::lead_upload(options)
    }

    async fn import(
        self,
        app: &App,
        caller: &Caller,
        file: Chunks,
        permit: Arc<UploadPermit>,
    ) -> Result<Uploaded> {
        app.lead_upload(caller, self, file, permit).await
    }
}

/// Handles one import.
pub(super) async fn import<I: Import>(
    api: &OutboundTaskApi,
    mut request: Request<Streaming<I::Message>>,
) -> Result<pb::ImportReport, Status> {
    let caller = caller(&mut request)?;
    let mut messages = request.into_inner();
    let first = next(&mut messages, pending()).await?;
    let options = match first.and_then(I::part) {
        Some(Part::Options(options)) => options,
        Some(Part::Chunk(_)) | None => {
            let violation = Violation::new("options", Reason::Required);
            return Err(Error::invalid(vec![violation]).into());
        }
    };
    let upload = I::parse(options)?;
    let permit = Arc::new(api.app.upload_permit(&caller).await?);
    let (sender, file) = Chunks::channel();
    let receiving = receive::<I>(&mut messages, &permit, sender, api.max_import_bytes);
    let importing = upload.import(&api.app, &caller, file, Arc::clone(&permit));
    let imported = both(receiving, importing).await?;
    Ok(convert_import::report(imported))
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
/// itself once it has the end of the file.
async fn receive<I: Import>(
    messages: &mut Streaming<I::Message>,
    permit: &UploadPermit,
    sender: mpsc::Sender<Chunk>,
    most: usize,
) -> Result<Infallible, Status> {
    let mut size = 0_usize;
    while let Some(message) = next(messages, permit.wanted()).await? {
        let bytes = match I::part(message) {
            Some(Part::Chunk(bytes)) => bytes,
            Some(Part::Options(_)) => {
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

/// RESOURCE_EXHAUSTED: the file is larger than the server allows.
fn too_large(most: usize) -> Error {
    let what = format!(
        "the file is larger than {most} bytes, the limit of the server (--max-import-bytes); nothing was added"
    );
    Error::new(ErrorKind::ResourceExhausted, what).because(ErrorReason::ImportTooLarge)
}
