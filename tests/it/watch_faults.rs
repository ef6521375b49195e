//! The watch during failures: services are stopped and killed, PostgreSQL is stopped as by a power failure, and 20
//! writers continue. In the end every watcher has the list.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    embedded::{Durability, Embedded},
    pb::{
        CreateOutboundTaskRequest, ExportOutboundTasksRequest, OutboundTask, TaskAction,
        TaskFilter, TaskStatus, UpdateOutboundTaskRequest,
        outbound_task_service_client::OutboundTaskServiceClient,
    },
};
use strum::VariantArray;
use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, transport::Endpoint};
use tonic_types::StatusExt;

use crate::support::{
    TempDir,
    client::{ACTIONS, Act, Client, new_task},
    database::Database,
    process::{Process, kill},
    server::request_with,
    watch::Picture,
};

const CHANGES: u32 = 10_000;
const WRITERS: u64 = 20;
/// A number so small that writers meet on the same tasks.
const TASKS: u32 = 300;
/// The task that the watchers wait for in the end.
const LAST: &str = "the last one";

/// The present addresses of the services.
type Addresses = Arc<Mutex<[SocketAddr; 2]>>;

/// Changes random tasks until the required number of changes is reached. A refused change counts, and so does one with
/// an unknown outcome.
async fn write(seed: u64, addresses: Addresses, key: String, made: Arc<AtomicU32>) {
    let mut random = Rng::with_seed(seed);
    while made.load(Relaxed) < CHANGES {
        let address = addresses.lock().unwrap()[random.usize(..2)];
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let Ok(channel) = endpoint.connect().await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let client = Client::on(OutboundTaskServiceClient::new(channel), &key);
        while made.load(Relaxed) < CHANGES {
            let id = format!("t{}", random.u32(..TASKS));
            let done = match random.u32(..10) {
                0 | 1 => {
                    let create = CreateOutboundTaskRequest {
                        task: Some(new_task(&id, &["c1"])),
                        idempotency_key: String::new(),
                        ..Default::default()
                    };
                    client.create_outbound_task(create).await.map(drop)
                }
                2 => client.try_delete(&id).await,
                3..=5 => {
                    let act = Act {
                        task_id: &id,
                        ..Act::default()
                    };
                    let action = ACTIONS[random.usize(..ACTIONS.len())];
                    client.act(action, act).await.map(drop)
                }
                _ => {
                    let name = ["gold", "silver"][random.usize(..2)];
                    let update = UpdateOutboundTaskRequest {
                        task: Some(OutboundTask {
                            task_id: id,
                            name: format!("{name} {}", random.u32(..)),
                            ..Default::default()
                        }),
                        ..Default::default()
                    };
                    client.update_outbound_task(update).await.map(drop)
                }
            };
            let Err(error) = done else {
                made.fetch_add(1, Relaxed);
                continue;
            };
            // Errors of the service have details. An error without them is the client's, for a broken connection.
            if error.get_error_details().error_info().is_none() {
                sleep(Duration::from_millis(20)).await;
                break;
            }
            match error.code() {
                Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition => {}
                Code::Unavailable | Code::DeadlineExceeded => {
                    sleep(Duration::from_millis(20)).await;
                    break;
                }
                _ => panic!("{error:?}"),
            }
        }
    }
}

async fn serve(database: &Database) -> Process {
    Process::serve(database, &["--shutdown-delay=0s"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_lost_when_services_and_postgresql_are_killed() {
    let dir = TempDir::new();
    let start = async || Embedded::start(&dir.0, Durability::Durable).await.unwrap();
    let mut postgres = start().await;
    let database = Database::on(&postgres).await;
    let operator = database.operator();
    let tenant = TenantId::parse("demo").unwrap();
    operator.tenant_create(&tenant).await.unwrap();
    let key = operator
        .key_create(&tenant, "test", Scope::VARIANTS, None)
        .await
        .unwrap()
        .secret;
    let mut services = [serve(&database).await, serve(&database).await];
    let addresses: Addresses = Arc::new(Mutex::new(services.each_ref().map(|s| s.address)));

    let made = Arc::new(AtomicU32::new(0));
    let mut writers = JoinSet::new();
    for seed in 0..WRITERS {
        writers.spawn(write(
            seed,
            Arc::clone(&addresses),
            key.clone(),
            Arc::clone(&made),
        ));
    }
    let filters = [
        TaskFilter::default(),
        TaskFilter {
            status: vec![TaskStatus::Running as i32],
            ..Default::default()
        },
        TaskFilter {
            name: "GOLD".into(),
            ..Default::default()
        },
        TaskFilter {
            task_ids: (0..TASKS / 2)
                .map(|n| format!("t{n}"))
                .chain([LAST.into()])
                .collect(),
            ..Default::default()
        },
    ];
    let mut watchers = JoinSet::new();
    for index in 0..8 {
        let mut picture = Picture::of(filters[index % filters.len()].clone());
        let (addresses, key) = (Arc::clone(&addresses), key.clone());
        watchers.spawn(async move {
            let address = || addresses.lock().unwrap()[index % 2];
            // The last task matches every filter.
            picture
                .follow_on(address, &key, |p| p.tasks.contains_key(LAST))
                .await;
            picture
        });
    }

    let mut random = Rng::with_seed(1);
    let began = Instant::now();
    let mut falls = [0; 3];
    while made.load(Relaxed) < CHANGES {
        assert!(
            began.elapsed() < Duration::from_secs(900),
            "too slow: {made:?}"
        );
        sleep(Duration::from_millis(random.u64(2000..4000))).await;
        let fall = random.usize(..3);
        falls[fall] += 1;
        if fall == 2 {
            // The signal that `pg_ctl stop -m immediate` sends.
            kill(postgres.pid(), "QUIT");
            // A server that was stopped like that does not exit cleanly.
            let _ = postgres.stop().await;
            sleep(Duration::from_millis(random.u64(..500))).await;
            postgres = start().await;
        } else {
            services[fall].signal(["TERM", "KILL"][random.usize(..2)]);
            services[fall].ended(Duration::from_secs(40)).await;
            services[fall] = serve(&database).await;
            addresses.lock().unwrap()[fall] = services[fall].address;
        }
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    assert!(falls.iter().all(|times| *times > 0), "{falls:?}");
    let endpoint = Endpoint::from_shared(format!("http://{}", services[0].address)).unwrap();
    let mut grpc = OutboundTaskServiceClient::new(endpoint.connect().await.unwrap());
    let client = Client::on(grpc.clone(), &key);
    let mut last = new_task(LAST, &[]);
    last.name = "golden".into();
    client.create(last).await;
    client.acted(TaskAction::Start, LAST).await;
    while let Some(picture) = watchers.join_next().await {
        let mut picture = picture.unwrap();
        let export = ExportOutboundTasksRequest {
            filter: Some(picture.filter.clone()),
            ..Default::default()
        };
        let export = grpc.export_outbound_tasks(request_with(&key, export)).await;
        let mut batches = export.unwrap().into_inner();
        let mut tasks = Vec::new();
        while let Some(batch) = batches.message().await.unwrap() {
            tasks.extend(batch.tasks);
        }
        // It may have left the filter between its creation and its start.
        tasks.retain(|task| task.task_id != LAST);
        tasks.sort_by(|a, b| a.task_id.cmp(&b.task_id));
        picture.tasks.remove(LAST);
        let pictured: Vec<OutboundTask> = picture.tasks.into_values().collect();
        assert_eq!(pictured, tasks);
        assert_eq!(picture.anew, 0, "a change was not known any more");
    }
    for service in &mut services {
        service.signal("TERM");
    }
    postgres.stop().await.unwrap();
}
