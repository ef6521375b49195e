//! Uploads of targets, message by message.

use outbound_tasks::pb::{AddTaskTargetsRequest, AddTaskTargetsResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{
    PATIENCE,
    client::{Answer, Client, part},
    eventually,
    server::Server,
};

/// An upload that sends its messages when the test asks for it.
pub struct Upload {
    sender: mpsc::UnboundedSender<AddTaskTargetsRequest>,
    pub answer: tokio::task::JoinHandle<Answer<AddTaskTargetsResponse>>,
}

impl Upload {
    pub fn begin(client: &Client, first: AddTaskTargetsRequest) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        sender.send(first).unwrap();
        let client = client.clone();
        let answer = tokio::spawn(async move {
            client
                .add_stream(UnboundedReceiverStream::new(receiver))
                .await
        });
        Self { sender, answer }
    }

    pub fn send(&self, customers: &[&str]) {
        self.sender.send(part("", customers)).unwrap();
    }

    /// The same for a call that may have ended.
    pub fn try_send(&self, customers: &[&str]) {
        let _ = self.sender.send(part("", customers));
    }

    pub async fn end(self) -> Answer<AddTaskTargetsResponse> {
        drop(self.sender);
        self.answer.await.unwrap()
    }
}

/// Waits until this number of uploads have a transaction with added targets, or wait for their turn.
pub async fn eventually_under_way(server: &Server, count: i64) {
    let asking = server.database.client().await;
    let under_way = async || {
        let holding = "xact_start IS NOT NULL AND (state = 'idle in transaction' AND query LIKE '%INSERT INTO task_targets%' \
            OR wait_event = 'advisory')";
        server.database.count_backends(&asking, holding).await == count
    };
    eventually("the uploads are under way", PATIENCE, under_way).await;
}
