//! The counts stay exact while services, PostgreSQL and imports are killed, also in the middle of their work.

use std::{
    cell::Cell,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use outbound_tasks::embedded::{Durability, Embedded};
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::Client;
use tonic::Code;

use crate::support::{
    PATIENCE, TempDir,
    counts::{Comparison, Pace, write},
    database::Database,
    eventually,
    keys::create,
    process::{Process, kill, kill_import},
    tasks::{Json, task, to_ndjson},
    wire::{Caller, Wire},
};

const SECOND: Duration = Duration::from_secs(1);
/// Enough for buckets on more than one level.
const TASKS: u32 = 10_000;
/// An import of this size is added to the counts. After one of more than 10,000 tasks they are rebuilt.
const FEW: u32 = 2_000;
const MANY: u32 = 10_500;

/// The program as a service, and a caller that lists the tasks, so that the service compacts their counts.
struct Service {
    database: Database,
    process: Process,
    caller: JoinHandle<()>,
}

impl Service {
    async fn start(database: &Database, number: usize, key: &str) -> Self {
        let database = database.named(&format!("{}-{number}", database.application));
        let process = Process::serve(&database, &["--pool-size=5"]).await;
        Self {
            database,
            caller: tokio::spawn(call(process.address, key.to_owned())),
            process,
        }
    }
}

/// Lists until the service is killed.
async fn call(address: SocketAddr, key: String) {
    let caller = Caller::new(address);
    while let Ok(answer) = caller
        .try_list(Wire::Grpc, "", &[("x-api-key", &key)])
        .await
    {
        let known = [Code::Ok, Code::Unavailable, Code::DeadlineExceeded].contains(&answer.code);
        assert!(known, "{answer:?}");
        tokio::time::sleep(SECOND / 50).await;
    }
}

/// Two services on one database, and writers that reconnect when they are disconnected.
struct Load {
    database: Arc<Database>,
    key: String,
    services: Vec<Service>,
    started: usize,
    writers: JoinSet<()>,
    random: Rng,
}

impl Load {
    async fn start(database: Database) -> Self {
        database.succeed(&["tenants", "create", "demo"], b"").await;
        let fill = format!(
            "INSERT INTO tasks SELECT 'demo', 'r' || n, 'n', start, start, n % 6 + 1, 0, start, start, 0, '{{}}'
            FROM (SELECT n, timestamptz '2020-01-01Z' + interval '1 hour' * (n % 300) AS start
                FROM generate_series(1, {TASKS}) n) AS new"
        );
        database.execute(&fill).await;
        let key = create(&database, "read", &[]).await;
        let mut load = Self {
            database: Arc::new(database),
            key,
            services: Vec::new(),
            started: 0,
            writers: JoinSet::new(),
            random: Rng::with_seed(7),
        };
        for _ in 0..2 {
            load.start_service().await;
        }
        for seed in 0..4 {
            let database = Arc::clone(&load.database);
            load.writers.spawn(async move {
                let mut random = Rng::with_seed(seed);
                loop {
                    if let Ok(client) = database.try_client().await {
                        write(&client, &mut random, &Pace::ByTime).await;
                    }
                    tokio::time::sleep(SECOND / 50).await;
                }
            });
        }
        load.wait_for_compactions().await;
        load
    }

    async fn start_service(&mut self) {
        self.started += 1;
        let service = Service::start(&self.database, self.started, &self.key).await;
        self.services.push(service);
    }

    /// Compares the counts with the tasks, while the writers change them.
    async fn assert_exact(&mut self) {
        let client = self.database.client().await;
        let mut comparison = Comparison::new(client, self.random.u64(..)).await;
        for _ in 0..8 {
            comparison.make().await;
        }
    }

    /// Waits until each service compacts, and the changes so far are added to the counts.
    async fn wait_for_compactions(&self) {
        let client = self.database.client().await;
        for service in &self.services {
            let compacting = "query LIKE '%task_counts_fold%'";
            let is_compacting =
                async || service.database.count_backends(&client, compacting).await > 0;
            eventually("each service compacts the counts", PATIENCE, is_compacting).await;
        }
        let last = "SELECT coalesce(max(change_id), 0) FROM task_changes";
        let last: i64 = client.query_one(last, &[]).await.unwrap().get(0);
        let none_left = "SELECT NOT EXISTS (SELECT FROM task_changes WHERE change_id <= $1)";
        let added = async || client.query_one(none_left, &[&last]).await.unwrap().get(0);
        eventually("the changes are added", PATIENCE, added).await;
    }

    /// The service with a compaction that waits for a lock.
    async fn held_up(&self, asking: &Client) -> Option<usize> {
        let waits = "wait_event_type = 'Lock' AND query LIKE '%task_counts_fold%'";
        for (n, service) in self.services.iter().enumerate() {
            if service.database.count_backends(asking, waits).await > 0 {
                return Some(n);
            }
        }
        None
    }

    /// Blocks the next compaction after it has taken the changes and before it has added all of them, until the client
    /// is dropped. Returns the client and the service with that compaction.
    async fn hold_compaction(&self) -> (Client, usize) {
        let (holder, asking) = (self.database.client().await, self.database.client().await);
        holder.batch_execute("BEGIN").await.unwrap();
        let top = "SELECT FROM task_segments WHERE tenant_id = 'demo' AND level = 3 FOR UPDATE";
        // A rebuild replaces the rows.
        let held = async || !holder.query(top, &[]).await.unwrap().is_empty();
        eventually("the counts are held", PATIENCE, held).await;
        let whose = Cell::new(None);
        let waits = async || {
            whose.set(self.held_up(&asking).await);
            whose.get().is_some()
        };
        eventually("a compaction waits", PATIENCE, waits).await;
        (holder, whose.get().unwrap())
    }

    /// Waits for the moment of the next failure: in the middle of a compaction, or a random one.
    async fn moment(&mut self, halfway: bool) -> Option<(Client, usize)> {
        if halfway {
            return Some(self.hold_compaction().await);
        }
        tokio::time::sleep(SECOND.mul_f64(self.random.f64())).await;
        None
    }

    /// Kills a service and starts another one.
    async fn kill_service(&mut self, halfway: bool) {
        let held = self.moment(halfway).await;
        let n = held
            .as_ref()
            .map_or(self.random.usize(0..self.services.len()), |(_, n)| *n);
        let mut killed = self.services.remove(n);
        killed.process.signal("KILL");
        killed.process.ended(SECOND).await;
        killed.caller.await.unwrap();
        let client = self.database.client().await;
        let gone = async || killed.database.count_backends(&client, "true").await == 0;
        eventually("what it began is undone", PATIENCE, gone).await;
        drop(held);
        self.assert_exact().await;
        self.start_service().await;
    }

    /// Imports tasks, some of which exist. A conflict with a writer rolls it back, and it is tried again.
    async fn import(&mut self, count: u32) {
        let client = self.database.client().await;
        // The tasks that the writers change come last: from there on, the writers wait for the import.
        let shared = "SELECT task_id FROM tasks WHERE task_id LIKE 't%' LIMIT 40";
        let shared = client.query(shared, &[]).await.unwrap();
        let ids = (1..count).map(|n| format!("r{n}"));
        let ids = ids.chain(shared.iter().map(|row| row.get(0)));
        let lines = records(&mut self.random, ids);
        let arguments = ["import", "-", "--tenant=demo", "--on-conflict=replace"];
        let began = Instant::now();
        while began.elapsed() < 10 * PATIENCE {
            let output = self.database.run(&arguments, lines.as_bytes()).await;
            self.assert_exact().await;
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            let in_the_way = ["another writer created", "deadlock detected"];
            assert!(in_the_way.iter().any(|w| said.contains(w)), "{said}");
        }
        panic!("no import came through");
    }

    /// Ends the writers. After that, all counts equal those of the tasks, and so do the totals of the lists.
    async fn end(mut self) {
        assert!(self.writers.try_join_next().is_none(), "a writer is gone");
        self.writers.shutdown().await;
        let client = self.database.client().await;
        let ended = async || self.database.count_backends(&client, "true").await == 0;
        eventually("what was begun is done", PATIENCE, ended).await;
        let verify = self.database.succeed(&["counts", "verify"], b"").await;
        assert_eq!(verify, "demo\t0 counts differ\n");
        let count = client.query_one("SELECT count(*) FROM tasks", &[]).await;
        let total = Some(count.unwrap().get(0));
        for service in &self.services {
            assert!(!service.caller.is_finished(), "its caller is gone");
            let caller = Caller::new(service.process.address);
            let answer = caller.list(Wire::Grpc, &[("x-api-key", &self.key)]).await;
            assert_eq!((answer.code, answer.total), (Code::Ok, total), "{answer:?}");
        }
    }
}

/// Tasks with these ids, random times and random statuses.
fn records(random: &mut Rng, ids: impl Iterator<Item = String>) -> String {
    let tasks: Vec<Json> = ids
        .map(|id| {
            let (day, hour) = (random.u32(1..13), random.u32(0..24));
            let start = format!("2020-01-{day:02}T{hour:02}:00:00Z");
            let status = random.choice(["pending", "running", "paused", "failed"]);
            task(&id, &start, &start, status.unwrap())
        })
        .collect();
    to_ndjson(&tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_are_exact_after_services_and_postgresql_were_killed() {
    let dir = TempDir::new();
    let mut postgres = start_postgres(&dir).await;
    let mut load = Load::start(Database::on(&postgres).await).await;
    for halfway in [true, false, false] {
        load.kill_service(halfway).await;
        load.wait_for_compactions().await;
        for signal in ["KILL", "QUIT"] {
            let _held = load.moment(halfway).await;
            kill(postgres.pid(), signal);
            // A connection to a killed server may end without an orderly shutdown.
            let _ = postgres.stop().await;
            postgres = start_postgres(&dir).await;
            load.assert_exact().await;
            load.wait_for_compactions().await;
            load.assert_exact().await;
        }
    }
    load.end().await;
    postgres.stop().await.unwrap();
}

async fn start_postgres(dir: &TempDir) -> Embedded {
    Embedded::start(&dir.0, Durability::Durable).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_are_exact_beside_imports_and_after_killed_ones() {
    let mut load = Load::start(Database::new().await).await;
    for count in [FEW, MANY] {
        load.import(count).await;
        load.wait_for_compactions().await;
        let ids = (1..MANY).map(|n| format!("r{}", 2 * n));
        let lines = records(&mut load.random, ids);
        let replace = ["--on-conflict=replace"];
        let status = kill_import(&load.database, &replace, lines, "KILL").await;
        assert_eq!(status.code(), None);
        load.assert_exact().await;
        load.wait_for_compactions().await;
        load.assert_exact().await;
    }
    load.end().await;
}
