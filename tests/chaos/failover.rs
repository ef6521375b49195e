//! The service while Patroni moves the primary between two nodes: by request, because PostgreSQL was killed, and because
//! the whole node was lost. PostgreSQL replicates synchronously, so nothing that was acknowledged may be missing.
//!
//! `FAILOVER_ROUNDS` is the number of failovers, 10 by default.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use outbound_tasks::pb::{
    ExportOutboundTasksRequest, OutboundTask, TaskFilter, TaskStatus,
    outbound_task_service_client::OutboundTaskServiceClient,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tonic::{Code, Status, transport::Endpoint};
use tonic_types::StatusExt;

use crate::{
    load::{Load, assert_passing, client, list, write, writer_name},
    patroni::Cluster,
    setting,
    support::{
        PATIENCE,
        client::Client,
        database::Database,
        eventually, keys,
        process::Process,
        server::request_with,
        watch::{Picture, Watch},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const WRITERS: usize = 16;
const READERS: usize = 4;
const WATCHES: usize = 20;
/// The watches of all tasks; the others watch one writer's.
const WATCHES_OF_ALL: usize = WATCHES - WRITERS;
/// How long after a promotion reads and writes may be refused.
const READS: Duration = Duration::from_secs(3);
const WRITES: Duration = Duration::from_secs(5);
/// How long a watch may be silent: a service without a database sends no heartbeats, and one that is well sends one every
/// 10 s.
const SILENCE: Duration = Duration::from_secs(15);
/// The task that the watches wait for in the end.
const LAST: &str = "last";

/// Two services that go to the primary, and one for each node that goes to this node alone.
struct Services {
    on_primary: [Process; 2],
    on_node: [Process; 2],
}

impl Services {
    async fn start(cluster: &Cluster) -> Self {
        let arguments = ["--scheduler", "--shutdown-delay=0s"];
        let serve = async |url: String| {
            let application = "failover".to_owned();
            let database = Database {
                url,
                application,
                role: None,
            };
            Process::serve(&database, &arguments).await
        };
        let both = cluster.url(&[0, 1], "target_session_attrs=read-write");
        Self {
            on_primary: [serve(both.clone()).await, serve(both).await],
            on_node: [
                serve(cluster.url(&[0], "")).await,
                serve(cluster.url(&[1], "")).await,
            ],
        }
    }
}

/// Repeats a call until it succeeds; returns the time from `began` to then.
async fn first_success<T, F: Future<Output = Result<T, Status>>>(
    began: Instant,
    call: impl Fn() -> F,
) -> Duration {
    loop {
        if let Ok(Ok(_)) = timeout(SECOND, call()).await {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < PATIENCE * 2,
            "no call succeeds after the promotion"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

/// A service on a standby answers lists, and refuses writes with a reason.
async fn assert_standby(service: &Process, key: &str) {
    let client = client(service.address, key);
    let lists = async || list(&client).await.is_ok();
    eventually("the standby's service answers lists", PATIENCE, lists).await;
    let refused = write(&client, "never").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let reason = refused
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone();
    assert_eq!(reason, "DATABASE_READ_ONLY");
}

/// Moves the primary away from `from`, and measures how long the services need after the promotion.
async fn fail_over(
    cluster: &mut Cluster,
    services: &Services,
    key: &str,
    round: usize,
    from: usize,
) {
    let how = ["switchover", "kill -9 of PostgreSQL", "kill -9 of the node"][round % 3];
    let began = Instant::now();
    match round % 3 {
        0 => cluster.switch_over(from).await,
        kind => cluster.kill(from, kind == 2),
    }
    let to = 1 - from;
    let promoted = cluster.promoted(to).await;
    let asked = [
        &services.on_primary[0],
        &services.on_primary[1],
        &services.on_node[to],
    ];
    let mut calls = JoinSet::new();
    for (index, service) in asked.into_iter().enumerate() {
        let client = client(service.address, key);
        let id = format!("probe-{round}-{index}");
        calls.spawn(async move {
            tokio::join!(
                first_success(promoted, || list(&client)),
                first_success(promoted, || write(&client, &id)),
            )
        });
    }
    let (mut reads, mut writes) = (Duration::ZERO, Duration::ZERO);
    while let Some(times) = calls.join_next().await {
        let (read, written) = times.unwrap();
        (reads, writes) = (reads.max(read), writes.max(written));
    }
    eprintln!(
        "round {round}, {how}: promoted after {:.1} s, then reads after {:.2} s, writes after {:.2} s",
        (promoted - began).as_secs_f64(),
        reads.as_secs_f64(),
        writes.as_secs_f64()
    );
    assert!(reads <= READS, "{reads:?}");
    assert!(writes <= WRITES, "{writes:?}");
    cluster.revive(from);
}

/// Follows a watch until the last task is in it.
async fn watch(services: [std::net::SocketAddr; 2], index: usize, key: String) -> Picture {
    let filter = match index.checked_sub(WATCHES_OF_ALL) {
        None => TaskFilter::default(),
        Some(writer) => TaskFilter {
            name: writer_name(writer),
            ..Default::default()
        },
    };
    let mut picture = Picture::of(filter);
    let mut turn = index;
    loop {
        if picture.resume_token.is_empty() {
            picture.begin_anew();
        }
        // A watch that ends, or that is silent, goes on at the other service.
        turn += 1;
        let begun = Watch::begin(services[turn % 2], &key, picture.request());
        match timeout(SILENCE, begun).await {
            Ok(Ok(mut watch)) => {
                while let Ok(next) = timeout(SILENCE, watch.next()).await {
                    match next {
                        Ok(Some(message)) => picture.apply(message),
                        Ok(None) => break,
                        Err(error) => {
                            assert_passing(&error);
                            break;
                        }
                    }
                    if picture.tasks.contains_key(LAST) {
                        return picture;
                    }
                }
            }
            Ok(Err(error)) => assert_passing(&error),
            Err(_) => {}
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn export(service: &Process, key: &str, filter: TaskFilter) -> Vec<OutboundTask> {
    let endpoint = Endpoint::from_shared(format!("http://{}", service.address)).unwrap();
    let mut grpc = OutboundTaskServiceClient::new(endpoint.connect().await.unwrap());
    let message = ExportOutboundTasksRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let export = grpc.export_outbound_tasks(request_with(key, message)).await;
    let mut batches = export.unwrap().into_inner();
    let mut tasks = Vec::new();
    while let Some(batch) = batches.message().await.unwrap() {
        tasks.extend(batch.tasks);
    }
    tasks.sort_by(|a, b| a.task_id.cmp(&b.task_id));
    tasks
}

/// The kinds of the events of each task, in order.
async fn events(database: &Database) -> BTreeMap<String, String> {
    let sql =
        "SELECT task_id, string_agg(kind, ' ' ORDER BY event_id) FROM task_events GROUP BY task_id";
    let rows = database.client().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let rounds = setting("FAILOVER_ROUNDS", 10) as usize;
    let mut cluster = Cluster::start().await;
    let database = Database {
        url: cluster.url(&[0, 1], "target_session_attrs=read-write"),
        application: "failover".to_owned(),
        role: None,
    };
    database.succeed(&["migrate"], b"").await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    let key = keys::create(&database, "read,write", &[]).await;
    let services = Services::start(&cluster).await;
    let addresses = services
        .on_primary
        .each_ref()
        .map(|service| service.address);
    let load = Load::new(addresses, &key);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let load = load.clone();
        writers.spawn(async move { (writer, load.write(writer).await) });
    }
    let planner = tokio::spawn(load.clone().plan());
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        readers.spawn(load.clone().read());
    }
    let mut watches = JoinSet::new();
    let on_node = services.on_node.each_ref().map(|service| service.address);
    for index in 0..WATCHES {
        // Some watch a service that is on a standby half of the time.
        let at = if index % 5 == 4 { on_node } else { addresses };
        watches.spawn(watch(at, index, key.clone()));
    }

    for round in 0..rounds {
        let primary = cluster.healed().await;
        assert_standby(&services.on_node[1 - primary], &key).await;
        sleep(2 * SECOND).await;
        let before = load.acknowledged.load(SeqCst);
        fail_over(&mut cluster, &services, &key, round, primary).await;
        let goes_on = async || load.acknowledged.load(SeqCst) > before + WRITERS;
        eventually("the writers go on", PATIENCE, goes_on).await;
    }
    cluster.healed().await;
    load.stop.store(true, SeqCst);
    while let Some(ended) = readers.join_next().await {
        ended.unwrap();
    }
    let mut written = BTreeMap::new();
    while let Some(ended) = writers.join_next().await {
        let (writer, tasks) = ended.unwrap();
        written.insert(writer, tasks);
    }
    let planned = planner.await.unwrap();
    let service = client(addresses[0], &key);
    let is_over = async || all_planned_are_over(&service).await;
    eventually("the planned tasks are over", PATIENCE, is_over).await;
    load.last(LAST, WRITERS).await;

    // Every acknowledged write happened once.
    let events = events(&database).await;
    for (writer, tasks) in &written {
        for task in 0..*tasks {
            let id = format!("w{writer}-{task}");
            assert_eq!(
                events.get(&id).map(String::as_str),
                Some("created updated started"),
                "{id}"
            );
        }
    }
    let mut missed = 0;
    for task in 0..planned {
        let id = format!("s{task}");
        match events.get(&id).map(String::as_str) {
            Some("created started completed") => {}
            // No service was there between its start and its end.
            Some("created stopped") => missed += 1,
            other => panic!("{id}: {other:?}"),
        }
    }
    let all = export(&services.on_primary[0], &key, TaskFilter::default()).await;
    let all: BTreeMap<&str, &OutboundTask> = all.iter().map(|t| (t.task_id.as_str(), t)).collect();
    for (writer, tasks) in &written {
        for task in 0..*tasks {
            let found = all[format!("w{writer}-{task}").as_str()];
            assert_eq!(found.name, format!("{} renamed", writer_name(*writer)));
            assert_eq!(found.status(), TaskStatus::Running, "{}", found.task_id);
        }
    }
    let verified = database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(verified, "demo\t0 counts differ\n");

    // Every watch has the list.
    let mut anew = 0;
    while let Some(picture) = watches.join_next().await {
        let picture = picture.unwrap();
        anew += picture.anew;
        let tasks = export(&services.on_primary[0], &key, picture.filter.clone()).await;
        let pictured: Vec<OutboundTask> = picture.tasks.into_values().collect();
        assert_eq!(pictured, tasks);
    }
    eprintln!(
        "{rounds} failovers: {} writes and {} lists answered; {planned} planned tasks, {missed} of them missed; {WATCHES} \
        watches began anew {anew} times",
        load.acknowledged.load(SeqCst),
        load.lists.load(SeqCst),
    );
}

async fn all_planned_are_over(client: &Client) -> bool {
    let message = outbound_tasks::pb::ListOutboundTasksRequest {
        name: "planned".to_owned(),
        status: vec![TaskStatus::Pending as i32, TaskStatus::Running as i32],
        limit: 1,
        ..Default::default()
    };
    let answer = client.list_outbound_tasks(message).await;
    answer.is_ok_and(|answer| answer.into_inner().total == 0)
}
