//! How often a write waits for PostgreSQL: at most twice besides the commit, by any rpc, with and
//! without an idempotency key. Without a key, a change of tasks alone commits with the change.
//!
//! A proxy delays every answer of PostgreSQL. What the service sends until it has the next answer
//! is one round trip.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use outbound_tasks::pb::{
    BatchCreateOutboundTasksRequest, BulkChangeOutboundTasksRequest, CreateOutboundTaskRequest,
    DeleteOutboundTaskRequest, OutboundTask, RemoveTaskTargetsRequest, ReportTargetResultsRequest,
    TargetState, TaskAction, TaskFilter, UpdateOutboundTaskRequest,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinHandle,
};
use tokio_postgres::config::Host;

use crate::support::{
    client::{Act, Client, START, at, new_task, result},
    database::Database,
    server::{Server, options},
};

/// Longer than the service needs to send several statements.
const DELAY: Duration = Duration::from_millis(60);

/// The number of round trips of each transaction, in the order of their ends.
type Transactions = Arc<Mutex<Vec<usize>>>;

/// A slow way to the database.
struct SlowProxy {
    address: std::net::SocketAddr,
    transactions: Transactions,
    task: JoinHandle<()>,
}

impl SlowProxy {
    async fn to(database: &Database) -> Self {
        let config: tokio_postgres::Config = database.url.parse().unwrap();
        let [Host::Unix(directory)] = config.get_hosts() else {
            panic!("the database has one socket");
        };
        let socket: PathBuf = directory.join(format!(".s.PGSQL.{}", config.get_ports()[0]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let transactions = Transactions::default();
        let seen = Arc::clone(&transactions);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&seen)));
            }
        });
        Self {
            address,
            transactions,
            task,
        }
    }

    /// The number of round trips of the transaction that `write` did, besides the last one, which
    /// commits. `None` if a worker of the service had a transaction meanwhile.
    async fn count(&self, write: impl Future<Output = ()>) -> Option<usize> {
        self.transactions.lock().unwrap().clear();
        write.await;
        match &self.transactions.lock().unwrap()[..] {
            [round_trips] => Some(round_trips - 1),
            [] => panic!("the write is a transaction"),
            _ => None,
        }
    }
}

impl Drop for SlowProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is under way on a connection.
#[derive(Default)]
struct State {
    /// The service waits for the answer to what it sent.
    is_waiting: bool,
    /// The round trips of the open transaction; `None` without one.
    round_trips: Option<usize>,
}

/// Forwards a connection, and notes its transactions.
async fn forward(client: TcpStream, server: UnixStream, seen: Transactions) {
    client.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let state = Arc::new(Mutex::new(State::default()));
    let answered = Arc::clone(&state);
    let back = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            let answer = &buffer[..length];
            tokio::time::sleep(DELAY).await;
            {
                let mut state = answered.lock().unwrap();
                state.is_waiting = false;
                // ReadyForQuery of an idle session ends the transaction.
                if has(answer, b"Z\0\0\0\x05I")
                    && let Some(round_trips) = state.round_trips.take()
                {
                    seen.lock().unwrap().push(round_trips);
                }
            }
            if to_client.write_all(answer).await.is_err() {
                break;
            }
        }
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let sent = &buffer[..length];
        {
            let mut state = state.lock().unwrap();
            let is_new = !std::mem::replace(&mut state.is_waiting, true);
            if has(sent, b"BEGIN\0") {
                state.round_trips = Some(1);
            } else if let Some(round_trips) = &mut state.round_trips
                && is_new
            {
                *round_trips += 1;
            }
        }
        if to_server.write_all(sent).await.is_err() {
            break;
        }
    }
    back.abort();
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Does one write of each kind, to the task `id` among others.
async fn writes(
    proxy: &SlowProxy,
    client: &Client,
    id: &str,
    key: &str,
) -> Vec<(&'static str, Option<usize>)> {
    let key = |call: &str| match key.is_empty() {
        true => String::new(),
        false => format!("{key}-{call}"),
    };
    let mut counts = Vec::new();
    let other = format!("{id}-2");

    let request = CreateOutboundTaskRequest {
        task: Some(new_task(id, &["c1", "c2"])),
        idempotency_key: key("create"),
        ..Default::default()
    };
    let create = async { drop(client.create_outbound_task(request).await.unwrap()) };
    counts.push(("create", proxy.count(create).await));

    let request = BatchCreateOutboundTasksRequest {
        tasks: vec![new_task(&other, &["c1"]), new_task(&format!("{id}-3"), &[])],
        idempotency_key: key("batch"),
        ..Default::default()
    };
    let create = async { drop(client.batch_create_outbound_tasks(request).await.unwrap()) };
    counts.push(("batch create", proxy.count(create).await));

    let request = UpdateOutboundTaskRequest {
        task: Some(OutboundTask {
            task_id: id.to_owned(),
            name: "another".to_owned(),
            start_time: at(START),
            end_time: at(START + 60),
            ..Default::default()
        }),
        idempotency_key: key("update"),
        ..Default::default()
    };
    let update = async { drop(client.update_outbound_task(request).await.unwrap()) };
    counts.push(("update", proxy.count(update).await));

    let act = Act {
        task_id: id,
        idempotency_key: &key("start"),
        ..Act::default()
    };
    let start = async { drop(client.act(TaskAction::Start, act).await.unwrap()) };
    counts.push(("start", proxy.count(start).await));

    let request = ReportTargetResultsRequest {
        task_id: id.to_owned(),
        results: vec![result("c1", TargetState::Busy, 1, START)],
        idempotency_key: key("report"),
        ..Default::default()
    };
    let report = async { drop(client.report_target_results(request).await.unwrap()) };
    counts.push(("report", proxy.count(report).await));

    let request = RemoveTaskTargetsRequest {
        task_id: id.to_owned(),
        customer_ids: vec!["c2".to_owned()],
        idempotency_key: key("remove"),
        ..Default::default()
    };
    let remove = async { drop(client.remove_task_targets(request).await.unwrap()) };
    counts.push(("remove", proxy.count(remove).await));

    let request = BulkChangeOutboundTasksRequest {
        filter: Some(TaskFilter {
            task_ids: vec![other.clone()],
            ..Default::default()
        }),
        action: TaskAction::Start as i32,
        expected_count: Some(1),
        idempotency_key: key("bulk"),
        ..Default::default()
    };
    let bulk = async { drop(client.bulk_change_outbound_tasks(request).await.unwrap()) };
    counts.push(("bulk change", proxy.count(bulk).await));

    let request = DeleteOutboundTaskRequest {
        task_id: id.to_owned(),
        idempotency_key: key("delete"),
        ..Default::default()
    };
    let delete = async { drop(client.delete_outbound_task(request).await.unwrap()) };
    counts.push(("delete", proxy.count(delete).await));
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_two_round_trips_and_a_commit_or_commits_with_the_second_one() {
    let database = Database::new().await;
    let proxy = SlowProxy::to(&database).await;
    let server = Server::start_on(database.at(&[proxy.address], ""), options()).await;
    let client = Client::new(&server).await;
    let most = |call: &str, key: &str| match call {
        "update" | "start" | "bulk change" | "delete" if key.is_empty() => 1,
        _ => 2,
    };
    for key in ["", "key"] {
        // A connection prepares each statement once, a key is checked again after a second, and a
        // busy machine cuts answers in two. So the least counts, of as many rounds as it takes.
        let mut least: BTreeMap<&str, usize> = BTreeMap::new();
        for round in 0..20 {
            let is_least = |(call, count): (&&str, &usize)| *count <= most(call, key);
            if least.len() == 8 && least.iter().all(is_least) {
                break;
            }
            let id = format!("{key}task-{round}");
            let key = match key {
                "" => String::new(),
                key => format!("{key}-{round}"),
            };
            for (call, count) in writes(&proxy, &client, &id, &key).await {
                if let Some(count) = count {
                    let least = least.entry(call).or_insert(count);
                    *least = count.min(*least);
                }
            }
        }
        assert_eq!(least.len(), 8, "{least:?}");
        for (call, least) in least {
            let most = most(call, key);
            assert!(least <= most, "{call}, key {key:?}: {least} round trips");
        }
    }
}
