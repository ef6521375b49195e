//! Many diallers at the same time, compared with a model of their reports.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use fastrand::Rng;
use futures_util::future::join_all;
use outbound_tasks::pb::{TargetCounts, TargetResult, TargetState, TaskTarget};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::support::{
    client::{Client, new_task, part, remove, report},
    server::Server,
};

use TargetState::{Answered, Busy, Failed, NoAnswer, Pending, Skipped};

/// Makes a call again until the service has a permit for it. Returns the answer.
async fn patient<T>(call: impl AsyncFn() -> Result<T, Status>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
    }
}

const TASKS: usize = 3;
const CUSTOMERS: u32 = 4_000;
const RESULTS: usize = 1_000_000;
const DIALLERS: u64 = 8;

/// The order of results: the greater one counts.
fn rank(result: &TargetResult) -> (i32, i64, i32, i32) {
    let Timestamp { seconds, nanos } = result.time.unwrap();
    (result.attempt, seconds, nanos, result.state)
}

/// The last accepted result of each customer, by task.
type Model = [HashMap<String, TargetResult>; TASKS];

fn random_result(random: &mut Rng) -> TargetResult {
    let state = [Answered, NoAnswer, Busy, Failed, Skipped][random.usize(0..5)];
    let attempt = random.i32(i32::from(state != Skipped)..4);
    // A small range of times, so that some are equal.
    let time = Timestamp {
        seconds: random.i64(0..5),
        nanos: random.i32(0..2) * 1000,
    };
    TargetResult {
        // Some ids are removed during the test, some are added, and some are unknown throughout.
        customer_id: format!("c{}", random.u32(0..CUSTOMERS + 100)),
        state: state as i32,
        attempt,
        time: Some(time),
    }
}

/// Reports until all diallers together have reported enough: new results, and repeated batches.
async fn dial(client: &Client, seed: u64, reported: &AtomicUsize, model: &Mutex<Model>) {
    let mut random = Rng::with_seed(seed);
    let mut sent: Vec<(usize, Vec<TargetResult>)> = Vec::new();
    while reported.load(Ordering::Relaxed) < RESULTS {
        let (task, results) = match random.u32(0..4) {
            0 if !sent.is_empty() => sent[random.usize(0..sent.len())].clone(),
            _ => {
                let count = random.usize(1..=1000);
                (
                    random.usize(0..TASKS),
                    (0..count).map(|_| random_result(&mut random)).collect(),
                )
            }
        };
        let id = format!("t{task}");
        let answer = patient(async || report(client, &id, &results).await).await;
        let missing: HashSet<&String> = answer.missing_customer_ids.iter().collect();
        let taken: Vec<_> = results
            .iter()
            .filter(|r| !missing.contains(&r.customer_id))
            .collect();
        assert_eq!(
            (answer.applied_count + answer.ignored_count) as usize,
            taken.len()
        );
        assert_consistent(&answer.task.unwrap());
        let mut model = model.lock().unwrap();
        for result in taken {
            let last = model[task]
                .entry(result.customer_id.clone())
                .or_insert_with(|| result.clone());
            if rank(last) < rank(result) {
                *last = result.clone();
            }
        }
        reported.fetch_add(results.len(), Ordering::Relaxed);
        sent.push((task, results));
    }
}

/// The counts are those of all targets, and the progress agrees with them.
fn assert_consistent(task: &outbound_tasks::pb::OutboundTask) {
    let c = task.target_counts.unwrap();
    let all = [
        c.pending,
        c.answered,
        c.no_answer,
        c.busy,
        c.failed,
        c.skipped,
    ];
    assert!(all.iter().all(|n| *n >= 0), "{c:?}");
    assert_eq!(all.iter().sum::<i32>(), task.target_count);
    assert_eq!(
        task.progress,
        100 * (c.answered + c.failed + c.skipped) / task.target_count
    );
}

/// Removes a tenth of the customers of each task for good, and adds another tenth, in small steps.
async fn come_and_go(client: &Client, reported: &AtomicUsize) {
    let tenth = (CUSTOMERS / 10) as usize;
    for step in 0..20 {
        // Spread over the time that the reports take.
        while reported.load(Ordering::Relaxed) < RESULTS * step / 20 {
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let some = step * tenth / 20..(step + 1) * tenth / 20;
        let gone: Vec<_> = some.clone().map(|n| format!("c{n}")).collect();
        let new: Vec<_> = some
            .map(|n| format!("c{}", CUSTOMERS as usize - 1 - n))
            .collect();
        for task in 0..TASKS {
            let id = format!("t{task}");
            let removed = patient(async || remove(client, &id, &gone).await).await;
            assert_eq!(removed.removed_count as usize, gone.len());
            assert_consistent(&removed.task.unwrap());
            let new: Vec<&str> = new.iter().map(String::as_str).collect();
            let added = patient(async || client.add_task_targets(vec![part(&id, &new)]).await);
            let added = added.await.into_inner();
            assert_eq!(added.added_count as usize, new.len());
            assert_consistent(&added.task.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_diallers_end_in_the_state_of_the_model() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let tenth = CUSTOMERS / 10;
    for task in 0..TASKS {
        let mut new = new_task(&format!("t{task}"), &[]);
        new.target = (0..CUSTOMERS - tenth).map(|n| format!("c{n}")).collect();
        client.create(new).await;
    }
    let (reported, model) = (AtomicUsize::new(0), Mutex::new(Model::default()));
    let began = std::time::Instant::now();
    let diallers = join_all((0..DIALLERS).map(|seed| dial(&client, seed, &reported, &model)));
    tokio::join!(diallers, come_and_go(&client, &reported));
    eprintln!(
        "{} results in {:?}",
        reported.load(Ordering::Relaxed),
        began.elapsed()
    );
    for (index, model) in model.into_inner().unwrap().into_iter().enumerate() {
        let id = format!("t{index}");
        let there: HashMap<_, _> = client
            .targets(&id)
            .await
            .into_iter()
            .map(|t| (t.customer_id.clone(), t))
            .collect();
        assert_eq!(there.len(), (CUSTOMERS - tenth) as usize);
        let mut counts = TargetCounts::default();
        for number in tenth..CUSTOMERS {
            let customer_id = format!("c{number}");
            let wanted = match model.get(&customer_id) {
                None => TaskTarget {
                    customer_id: customer_id.clone(),
                    state: Pending as i32,
                    attempt: 0,
                    time: None,
                },
                Some(last) => TaskTarget {
                    customer_id: customer_id.clone(),
                    state: last.state,
                    attempt: last.attempt,
                    time: last.time,
                },
            };
            *match wanted.state() {
                Pending => &mut counts.pending,
                Answered => &mut counts.answered,
                NoAnswer => &mut counts.no_answer,
                Busy => &mut counts.busy,
                Failed => &mut counts.failed,
                _ => &mut counts.skipped,
            } += 1;
            assert_eq!(there[&customer_id], wanted, "{id}");
        }
        let task = client.get(&id).await.unwrap();
        assert_eq!(task.target_counts, Some(counts), "{id}");
        assert_consistent(&task);
    }
}
