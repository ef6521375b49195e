//! Random tasks and random lists, each held against a filter and a sort in plain Rust.

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use outbound_tasks::pb::{
    DateRange, ListOutboundTasksRequest, outbound_task_service_client::OutboundTaskServiceClient,
};
use prost_types::Timestamp;
use tonic::transport::Channel;

use crate::support::{
    server::{Server, request_with},
    tasks::Json,
};

#[derive(Clone)]
struct Model {
    id: String,
    name: String,
    times: [DateTime<Utc>; 4], // start, end, created, updated
    status: i32,
    progress: i32,
}

const WORDS: [&str; 6] = [
    "pending",
    "running",
    "paused",
    "completed",
    "stopped",
    "failed",
];

/// Few different values, so that ties are common and bounds are hit.
fn random_task(random: &mut Rng, n: usize) -> Model {
    let base = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let mut at = |spread: i64| base + TimeDelta::hours(random.i64(0..spread));
    let (start, created, updated) = (at(60), at(20), at(20));
    let lengths = [0, 0, 1, 3, 5, 20, 24 * 5, 24 * 400, 24 * 365 * 20];
    let end = start + TimeDelta::hours(lengths[random.usize(0..lengths.len())]);
    let names = ["a", "B", "ä", "中", "a b", "Z", "𐍈"];
    Model {
        id: format!("{}{n}", ["t", "T", "任务", "~"][random.usize(0..4)]),
        name: names[random.usize(0..names.len())].to_owned(),
        times: [start, end, created, updated],
        status: random.i32(1..=6),
        progress: random.i32(0..=4) * 25,
    }
}

impl Model {
    fn record(&self) -> Json {
        let [start, end, created, updated] = self.times.map(|t| t.to_rfc3339());
        serde_json::json!({
            "task_id": self.id, "name": self.name, "start_time": start, "end_time": end, "progress": self.progress,
            "status": WORDS[self.status as usize - 1], "created_at": created, "updated_at": updated, "target": ["c"],
        })
    }
}

fn random_request(random: &mut Rng) -> ListOutboundTasksRequest {
    let base = 1_700_000_000;
    let mut bound = |low: i64| {
        let seconds = base + random.i64(low..70) * 3600 + random.i64(0..2) * 1800;
        random.bool().then_some(Timestamp { seconds, nanos: 0 })
    };
    let (start, mut end) = (bound(-5), bound(-5));
    if let (Some(s), Some(e)) = (&start, &mut end)
        && e.seconds < s.seconds
    {
        e.seconds = s.seconds + 3600;
    }
    let limit = [0, 1, 2, 7, 50, 1000][random.usize(0..6)];
    // With limit 0, which is 20, past the end more often than not.
    let deep = if random.bool() {
        4
    } else {
        900 / limit.max(1) + 3
    };
    ListOutboundTasksRequest {
        page: random.i32(0..deep),
        limit,
        status: (0..random.usize(0..5)).map(|_| random.i32(1..=6)).collect(),
        date_range: random.bool().then_some(DateRange { start, end }),
        order_by: random.i32(0..=7),
        order: random.i32(0..=2),
        date_field: random.i32(0..=5),
        target_limit: [None, Some(0), Some(1)][random.usize(0..3)],
        page_token: String::new(),
        status_counts: random.bool(),
    }
}

/// What the list must hold, in order.
fn expected(tasks: &[Model], request: &ListOutboundTasksRequest) -> Vec<Model> {
    let range = request.date_range.unwrap_or_default();
    let instant = |t: Option<Timestamp>| t.map(|t| DateTime::from_timestamp(t.seconds, 0).unwrap());
    let (from, until) = (instant(range.start), instant(range.end));
    let in_range = |task: &Model| {
        let (low, high) = match request.date_field {
            0 | 1 => (task.times[0], task.times[0]),
            5 => {
                return from.is_none_or(|f| task.times[1] > f)
                    && until.is_none_or(|u| task.times[0] < u);
            }
            n => (task.times[n as usize - 1], task.times[n as usize - 1]),
        };
        from.is_none_or(|f| low >= f) && until.is_none_or(|u| high < u)
    };
    let mut list: Vec<Model> = tasks
        .iter()
        .filter(|t| request.status.is_empty() || request.status.contains(&t.status))
        .filter(|t| in_range(t))
        .cloned()
        .collect();
    list.sort_by(|a, b| {
        let by = match request.order_by {
            0 | 1 => a.times[0].cmp(&b.times[0]),
            2 => std::cmp::Ordering::Equal,
            3..=5 => {
                a.times[request.order_by as usize - 2].cmp(&b.times[request.order_by as usize - 2])
            }
            6 => a.name.as_bytes().cmp(b.name.as_bytes()),
            _ => a.progress.cmp(&b.progress),
        };
        by.then_with(|| a.id.as_bytes().cmp(b.id.as_bytes()))
    });
    if request.order == 2 {
        list.reverse();
    }
    list
}

/// The tasks of each status, whatever statuses the request names.
fn expected_counts(tasks: &[Model], request: &ListOutboundTasksRequest) -> Vec<(i32, i32)> {
    if !request.status_counts {
        return Vec::new();
    }
    let request = ListOutboundTasksRequest {
        status: Vec::new(),
        ..request.clone()
    };
    let list = expected(tasks, &request);
    let count = |status| list.iter().filter(|t| t.status == status).count() as i32;
    (1..=6).map(|status| (status, count(status))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_what_the_model_says() {
    const CASES: usize = 10_000;
    let seed = 20_261_123;
    let mut random = Rng::with_seed(seed);
    let server = Server::start().await;
    let tasks: Vec<Model> = (0..900).map(|n| random_task(&mut random, n)).collect();
    server
        .import(&tasks.iter().map(Model::record).collect::<Vec<_>>())
        .await;
    // Another tenant's tasks, by the same ids, must be in no list and no total.
    server.tenant("other").await;
    let others: Vec<_> = (0..100)
        .map(|n| random_task(&mut random, n).record())
        .collect();
    server.import_as("other", &others).await;
    let requests: Vec<_> = (0..CASES).map(|_| random_request(&mut random)).collect();
    let mut workers = tokio::task::JoinSet::new();
    for chunk in requests.chunks(CASES / 4) {
        let client = (server.grpc().await, server.key.clone());
        workers.spawn(compare(client, tasks.clone(), chunk.to_vec()));
    }
    workers.join_all().await;
}

/// Each page by number, and the one after it by token, against the model.
async fn compare(
    (mut grpc, key): (OutboundTaskServiceClient<Channel>, String),
    tasks: Vec<Model>,
    requests: Vec<ListOutboundTasksRequest>,
) {
    for request in requests {
        let list = expected(&tasks, &request);
        let counts = expected_counts(&tasks, &request);
        let limit = if request.limit == 0 {
            20
        } else {
            request.limit as usize
        };
        let mut from = (request.page.max(1) as usize - 1) * limit;
        let mut message = request.clone();
        for _ in 0..2 {
            let answer = grpc
                .list_outbound_tasks(request_with(&key, message.clone()))
                .await;
            let page = answer.unwrap().into_inner();
            assert_eq!(page.total as usize, list.len(), "{request:?}");
            let told: Vec<_> = page
                .status_counts
                .iter()
                .map(|c| (c.status, c.count))
                .collect();
            assert_eq!(told, counts, "{request:?}");
            let ids: Vec<_> = page.tasks.iter().map(|t| &t.task_id).collect();
            let wanted: Vec<_> = list.iter().skip(from).take(limit).map(|t| &t.id).collect();
            assert_eq!(ids, wanted, "{request:?}");
            let targets = request.target_limit.unwrap_or(100).min(1) as usize;
            assert!(
                page.tasks
                    .iter()
                    .all(|t| t.target.len() == targets && t.target_count == 1)
            );
            from += limit;
            assert_eq!(
                page.next_page_token.is_empty(),
                from >= list.len(),
                "{request:?}"
            );
            if page.next_page_token.is_empty() {
                break;
            }
            message = ListOutboundTasksRequest {
                page: 0,
                page_token: page.next_page_token,
                ..message
            };
        }
    }
}
