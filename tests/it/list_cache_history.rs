//! A history of the cached lists and tasks: eight writers and 32 readers by way of two services with caches so small that they evict.
//!
//! Each task has one writer, which counts its changes in the task's name. So an answer tells which changes it shows, and
//! these are compared with what the writer had confirmed before the list was asked for, with what it had begun when the
//! answer came, and with the answer's `as_of`. `LIST_CACHE_SECONDS` makes the history longer than ten seconds.

use std::{
    env,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta};
use fastrand::Rng;
use outbound_tasks::{
    app::Retention,
    embedded::{Durability, Embedded},
    pb::{
        OutboundTask, UpdateOutboundTaskRequest,
        outbound_task_service_client::OutboundTaskServiceClient,
    },
};
use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, transport::Endpoint};

use crate::support::{
    TempDir,
    cache_history::{Asked, History, TASKS, WRITERS, ask, get, ids},
    client::{Client, new_task},
    database::Database,
    http::Http,
    process::kill,
    server::{Server, options},
    tasks::{Json, task},
    wire::{STREAM_WIRES, Wire},
};

const READERS: usize = 32;
/// The answers of all lists together are larger.
const CACHE: usize = 40 << 10;
/// How long a burst of changes is, and how often there is one; in milliseconds.
const BURST: u128 = 400;
const CYCLE: u128 = 3_000;

async fn read(seed: u64, addresses: [SocketAddr; 2], key: String, history: Arc<History>) {
    let mut random = Rng::with_seed(seed);
    let mut last = DateTime::UNIX_EPOCH;
    let clients = addresses.map(|address| [Http::new(address, &key), Http::http2(address, &key)]);
    while !history.is_over.load(Relaxed) {
        let wire = STREAM_WIRES[random.usize(..STREAM_WIRES.len())];
        let number = usize::from(matches!(wire, Wire::Grpc | Wire::Web2 | Wire::Json2));
        let http = &clients[random.usize(..2)][number];
        if random.u32(..4) == 0 {
            let id = &ids(random.usize(..WRITERS))[random.usize(..=TASKS)];
            let confirmed = history.confirmed();
            match get(&clients[random.usize(..2)][1], wire, id).await {
                Some(name) => {
                    history.check_one(id, name.as_deref(), history.allowed(confirmed)[id])
                }
                None => sleep(Duration::from_millis(20)).await,
            }
            continue;
        }
        // The same few lists again and again.
        let asked = Asked::random(&mut Rng::with_seed(random.u64(..12)));
        let imported = history.imported.load(Relaxed);
        let confirmed = history.confirmed();
        let Some(seen) = ask(http, wire, &asked).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let imported = [imported, history.begun.load(Relaxed)];
        let allowed = history.allowed(confirmed);
        history.check(&asked, &seen, &allowed, imported);
        assert!(seen.as_of >= last, "{asked:?}: {} after {last}", seen.as_of);
        last = seen.as_of;
    }
}

/// Changes the tasks of one writer, in turn or at random, by way of either service.
async fn write(writer: usize, clients: [Client; 2], history: Arc<History>) {
    let mut random = Rng::with_seed(writer as u64);
    let ids = ids(writer);
    let mut exists = true;
    let began = Instant::now();
    while !history.is_over.load(Relaxed) {
        let place = random.usize(..ids.len());
        let (id, client) = (&ids[place], &clients[random.usize(..2)]);
        let done = if place == TASKS {
            exists = !exists;
            let number = history.begin(id, exists);
            let done = match exists {
                true => {
                    let mut task = new_task(id, &["c1"]);
                    task.name = number.to_string();
                    let message = outbound_tasks::pb::CreateOutboundTaskRequest {
                        task: Some(task),
                        idempotency_key: String::new(),
                        ..Default::default()
                    };
                    client.create_outbound_task(message).await.map(drop)
                }
                false => client.try_delete(id).await,
            };
            (number, done)
        } else {
            let number = history.begin(id, true);
            let message = UpdateOutboundTaskRequest {
                task: Some(OutboundTask {
                    task_id: id.clone(),
                    name: number.to_string(),
                    ..Default::default()
                }),
                ..Default::default()
            };
            (number, client.update_outbound_task(message).await.map(drop))
        };
        match done {
            (number, Ok(())) => history.confirm(id, number),
            (number, Err(status)) => match status.code() {
                // Whether it was done before is unknown. If it was done, an earlier attempt did it.
                Code::AlreadyExists if place == TASKS => {
                    panic!("{id} {number}: {status:?}")
                }
                Code::NotFound if place == TASKS && !exists => history.confirm(id, number),
                Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled => {
                    sleep(Duration::from_millis(50)).await;
                    // A task that comes and goes is deleted until that is confirmed: its name tells which change made it.
                    exists &= place != TASKS;
                    while place == TASKS && !history.is_over.load(Relaxed) {
                        let number = history.begin(id, false);
                        match client.try_delete(id).await {
                            Ok(()) => {}
                            Err(status) if status.code() == Code::NotFound => {}
                            Err(_) => {
                                sleep(Duration::from_millis(50)).await;
                                continue;
                            }
                        }
                        history.confirm(id, number);
                        break;
                    }
                }
                _ => panic!("{id} {number}: {status:?}"),
            },
        }
        // Bursts of changes, and between them the changes of one writer alone, and answers that are used again.
        while began.elapsed().as_millis() % CYCLE > BURST {
            sleep(Duration::from_millis(random.u64(300..900))).await;
            if writer == 0 {
                break;
            }
        }
    }
}

/// How long the history is.
fn length() -> Duration {
    let seconds = env::var("LIST_CACHE_SECONDS").map(|text| text.parse().unwrap());
    Duration::from_secs(seconds.unwrap_or(10))
}

/// Runs the history; `disturb` is called again and again meanwhile.
async fn run(server: &Server, mut disturb: impl AsyncFnMut(&Arc<History>, &Server)) {
    let beside = server.beside_with_cache(CACHE).await;
    let small = server.beside_with_cache(CACHE).await;
    let addresses = [small.address, beside.address];
    let clients = async || {
        let mut clients = Vec::new();
        for address in addresses {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let grpc = OutboundTaskServiceClient::new(endpoint.connect().await.unwrap());
            clients.push(Client::on(grpc, &server.key));
        }
        <[Client; 2]>::try_from(clients).unwrap_or_else(|_| panic!("two services"))
    };
    let history = Arc::new(History::default());
    let [client, _] = clients().await;
    for id in (0..WRITERS).flat_map(ids) {
        let number = history.begin(&id, true);
        let mut task = new_task(&id, &["c1"]);
        task.name = number.to_string();
        client.create(task).await;
        history.confirm(&id, number);
    }
    let mut all = JoinSet::new();
    for writer in 0..WRITERS {
        all.spawn(write(writer, clients().await, Arc::clone(&history)));
    }
    for seed in 0..READERS as u64 {
        all.spawn(read(
            seed,
            addresses,
            server.key.clone(),
            Arc::clone(&history),
        ));
    }
    let (began, length) = (Instant::now(), length());
    let figures = || [small.app.list_cache(), beside.app.list_cache()];
    // A busy machine may need longer until the history says anything.
    let is_enough = || {
        let [one, other] = figures();
        let answers = history.answers.load(Relaxed);
        answers > 200 && one.hits + other.hits > 10 && one.misses.min(other.misses) > 20
    };
    while began.elapsed() < length || !is_enough() {
        assert!(began.elapsed() < 10 * length, "{:?}", figures());
        let pause = sleep(Duration::from_millis(1_500));
        tokio::select! {
            () = pause => disturb(&history, &small).await,
            // Only a failed check ends early.
            Some(ended) = all.join_next() => ended.unwrap(),
        }
    }
    history.is_over.store(true, Relaxed);
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    let answers = history.answers.load(Relaxed);
    println!(
        "{answers} answers in {:?}, {:?}",
        began.elapsed(),
        figures()
    );
}

/// With imports and a log that is trimmed all the time.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_the_state_at_its_time() {
    let server = Server::start().await;
    let mut imports = 0;
    run(&server, async |history, small| {
        let none = Retention {
            audit: TimeDelta::days(1),
            watch: TimeDelta::zero(),
        };
        small.app.clean(none).await.unwrap();
        // More than are logged one by one, and then few.
        let count = [1_001, 3][imports % 2];
        let time = "2099-01-01T00:00:00Z";
        let tasks: Vec<Json> = (0..count)
            .map(|n| task(&format!("i{imports}-{n}"), time, time, "pending"))
            .collect();
        imports += 1;
        history.begun.fetch_add(count, Relaxed);
        small.import(&tasks).await;
        history.imported.fetch_add(count, Relaxed);
    })
    .await;
}

/// PostgreSQL is stopped as by a power failure.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_right_across_crashes() {
    let dir = TempDir::new();
    let start = async || Embedded::start(&dir.0, Durability::Durable).await.unwrap();
    let mut postgres = Some(start().await);
    let server = Server::start_on(Database::on(postgres.as_ref().unwrap()).await, options()).await;
    let mut rounds = 0;
    run(&server, async |_, _| {
        rounds += 1;
        if rounds % 2 == 0 {
            let running = postgres.take().unwrap();
            kill(running.pid(), "QUIT");
            let _ = running.stop().await;
            postgres = Some(start().await);
        }
    })
    .await;
    drop(server);
    postgres.unwrap().stop().await.unwrap();
}
