//! Callers that go on whatever happens: a write is repeated with its idempotency key until it is acknowledged.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use outbound_tasks::pb::{
    CreateOutboundTaskRequest, ListOutboundTasksRequest, NewOutboundTask, OutboundTask,
    StartOutboundTaskRequest, UpdateOutboundTaskRequest,
    outbound_task_service_client::OutboundTaskServiceClient,
};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, transport::Endpoint};
use tonic_types::StatusExt;

use crate::support::client::{Client, at, new_task};

/// How long a caller waits for an answer before it tries the next service.
const ANSWER: Duration = Duration::from_secs(8);

/// What all callers share.
#[derive(Clone)]
pub struct Load {
    pub addresses: [SocketAddr; 2],
    pub key: String,
    /// Set when the callers shall end.
    pub stop: Arc<AtomicBool>,
    /// The number of acknowledged creates.
    pub created: Arc<AtomicI64>,
    /// The number of acknowledged writes of any kind.
    pub acknowledged: Arc<AtomicUsize>,
    /// The number of answered lists.
    pub lists: Arc<AtomicUsize>,
}

/// A client of the service at `address`, which connects at its first call, and anew after a failure.
pub fn client(address: SocketAddr, key: &str) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    Client::on(OutboundTaskServiceClient::new(endpoint.connect_lazy()), key)
}

/// Checks that a caller may repeat the call after this error.
pub fn assert_passing(error: &Status) {
    // An error without details is the client's own, for a broken connection.
    let is_of_service = error.get_error_details().error_info().is_some();
    let passes = matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded);
    assert!(!is_of_service || passes, "{error:?}");
}

impl Load {
    pub fn new(addresses: [SocketAddr; 2], key: &str) -> Self {
        Self {
            addresses,
            key: key.to_owned(),
            stop: Arc::default(),
            created: Arc::default(),
            acknowledged: Arc::default(),
            lists: Arc::default(),
        }
    }

    fn clients(&self) -> [Client; 2] {
        self.addresses.map(|address| client(address, &self.key))
    }

    /// Repeats a write on both services in turn until one acknowledges it.
    async fn acknowledged<T, F: Future<Output = Result<T, Status>>>(
        &self,
        clients: &[Client; 2],
        write: impl Fn(Client) -> F,
    ) -> T {
        for turn in 0.. {
            match timeout(ANSWER, write(clients[turn % 2].clone())).await {
                Ok(Ok(answer)) => {
                    self.acknowledged.fetch_add(1, SeqCst);
                    return answer;
                }
                Ok(Err(error)) => assert_passing(&error),
                Err(_) => {}
            }
            sleep(Duration::from_millis(50)).await;
        }
        unreachable!("the turns are endless")
    }

    async fn create(&self, clients: &[Client; 2], task: NewOutboundTask) {
        let message = CreateOutboundTaskRequest {
            idempotency_key: format!("create-{}", task.task_id),
            task: Some(task),
            ..Default::default()
        };
        self.acknowledged(clients, |client| {
            let message = message.clone();
            async move { client.create_outbound_task(message).await }
        })
        .await;
        self.created.fetch_add(1, SeqCst);
    }

    /// Creates a task, renames it and starts it, again and again; returns the number of tasks.
    pub async fn write(self, writer: usize) -> usize {
        let clients = self.clients();
        let mut tasks = 0;
        while !self.stop.load(SeqCst) {
            let id = format!("w{writer}-{tasks}");
            let mut task = new_task(&id, &["c1"]);
            task.name = writer_name(writer);
            self.create(&clients, task).await;
            let rename = UpdateOutboundTaskRequest {
                task: Some(OutboundTask {
                    task_id: id.clone(),
                    name: format!("{} renamed", writer_name(writer)),
                    ..Default::default()
                }),
                idempotency_key: format!("rename-{id}"),
                ..Default::default()
            };
            self.acknowledged(&clients, |client| {
                let message = rename.clone();
                async move { client.update_outbound_task(message).await }
            })
            .await;
            let start = StartOutboundTaskRequest {
                task_id: id.clone(),
                idempotency_key: format!("start-{id}"),
                ..Default::default()
            };
            self.acknowledged(&clients, |client| {
                let message = start.clone();
                async move { client.start_outbound_task(message).await }
            })
            .await;
            tasks += 1;
            sleep(Duration::from_millis(250)).await;
        }
        tasks
    }

    /// Plans tasks that start and end within seconds; returns their number.
    pub async fn plan(self) -> usize {
        let clients = self.clients();
        let mut tasks = 0;
        while !self.stop.load(SeqCst) {
            let now = chrono::Utc::now().timestamp();
            let task = NewOutboundTask {
                task_id: format!("s{tasks}"),
                name: "planned".to_owned(),
                start_time: at(now + 2),
                end_time: at(now + 4),
                ..Default::default()
            };
            self.create(&clients, task).await;
            tasks += 1;
            sleep(Duration::from_millis(100)).await;
        }
        tasks
    }

    /// Lists again and again: a list counts every task that was acknowledged before.
    pub async fn read(self) {
        let clients = self.clients();
        let mut random = fastrand::Rng::new();
        while !self.stop.load(SeqCst) {
            let least = self.created.load(SeqCst);
            match timeout(ANSWER, list(&clients[random.usize(..2)])).await {
                Ok(Ok(total)) => {
                    assert!(
                        total >= least,
                        "{total} tasks, and {least} were acknowledged"
                    );
                    self.lists.fetch_add(1, SeqCst);
                }
                Ok(Err(error)) => assert_passing(&error),
                Err(_) => {}
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// A last task, whose name matches the filter of every watch.
    pub async fn last(&self, id: &str, writers: usize) {
        let names: Vec<String> = (0..writers).map(writer_name).collect();
        let mut task = new_task(id, &[]);
        task.name = names.concat();
        self.create(&self.clients(), task).await;
    }
}

/// A part of the name of all tasks of a writer, and of no other's.
pub fn writer_name(writer: usize) -> String {
    format!("writer {writer}.")
}

/// Asks for a list; returns its total.
pub async fn list(client: &Client) -> Result<i64, Status> {
    let message = ListOutboundTasksRequest {
        limit: 1,
        ..Default::default()
    };
    let answer = client.list_outbound_tasks(message).await?;
    Ok(answer.into_inner().total.into())
}

/// Creates a task; an attempt before this one may have created it.
pub async fn write(client: &Client, id: &str) -> Result<(), Status> {
    let mut task = new_task(id, &[]);
    task.name = "probe".to_owned();
    let message = CreateOutboundTaskRequest {
        task: Some(task),
        idempotency_key: format!("create-{id}"),
        ..Default::default()
    };
    client.create_outbound_task(message).await.map(drop)
}
