//! Imports over the network.

use outbound_tasks::pb::{
    self, ImportFormat, ImportOutboundTasksRequest, ImportReport, ImportTargetOptions,
    ImportTaskOptions, ImportTaskTargetsRequest,
};
use tokio::sync::mpsc;
use tokio_stream::{iter, wrappers::UnboundedReceiverStream};
use tonic::Status;

use super::client::{Answer, Client};

pub fn options(format: ImportFormat) -> ImportTaskOptions {
    ImportTaskOptions {
        format: format.into(),
        ..Default::default()
    }
}

fn first(options: ImportTaskOptions) -> ImportOutboundTasksRequest {
    use pb::import_outbound_tasks_request::Part;
    ImportOutboundTasksRequest {
        part: Some(Part::Options(options)),
    }
}

fn next(bytes: &[u8]) -> ImportOutboundTasksRequest {
    use pb::import_outbound_tasks_request::Part;
    ImportOutboundTasksRequest {
        part: Some(Part::Chunk(bytes.to_vec())),
    }
}

/// Imports a file of tasks in chunks of this many bytes.
pub async fn import(
    client: &Client,
    options: ImportTaskOptions,
    file: &[u8],
    chunk: usize,
) -> Result<ImportReport, Status> {
    let mut messages = vec![first(options)];
    messages.extend(file.chunks(chunk).map(next));
    let answer = client.import_stream(iter(messages)).await?;
    Ok(answer.into_inner().report.unwrap())
}

/// Imports a lead list.
pub async fn import_leads(
    client: &Client,
    options: ImportTargetOptions,
    file: &[u8],
) -> Result<ImportReport, Status> {
    use pb::import_task_targets_request::Part;
    let message = |part| ImportTaskTargetsRequest { part: Some(part) };
    let mut messages = vec![message(Part::Options(options))];
    messages.extend(
        file.chunks(3)
            .map(|bytes| message(Part::Chunk(bytes.to_vec()))),
    );
    let answer = client.import_targets_stream(iter(messages)).await?;
    Ok(answer.into_inner().report.unwrap())
}

/// An import that sends its messages when the test asks for it.
pub struct Import {
    sender: mpsc::UnboundedSender<ImportOutboundTasksRequest>,
    pub answer: tokio::task::JoinHandle<Answer<pb::ImportOutboundTasksResponse>>,
}

impl Import {
    pub fn begin(client: &Client, options: ImportTaskOptions) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        sender.send(first(options)).unwrap();
        let client = client.clone();
        let answer = tokio::spawn(async move {
            client
                .import_stream(UnboundedReceiverStream::new(receiver))
                .await
        });
        Self { sender, answer }
    }

    pub fn send(&self, bytes: &[u8]) {
        self.sender.send(next(bytes)).unwrap();
    }

    pub fn send_options(&self, options: ImportTaskOptions) {
        self.sender.send(first(options)).unwrap();
    }
}
