//! Tasks that need attention: each kind against its definition in plain Rust, with every other filter, wherever there is a
//! filter.

use outbound_tasks::pb::{
    self, BulkChangeOutboundTasksRequest, CountMode, ExportOutboundTasksRequest,
    ListOutboundTasksRequest, ListOutboundTasksResponse, OutboundTask, TaskAction, TaskAttention,
    TaskFilter, TaskStatus,
};
use prost_types::{Duration as Span, Timestamp};

use crate::support::{
    client::{Client, at, fields, new_task},
    http::Http,
    server::{Server, request_with},
    tasks::Json,
};

pub const KINDS: [TaskAttention; 5] = [
    TaskAttention::Overdue,
    TaskAttention::Stalled,
    TaskAttention::FinishedUnended,
    TaskAttention::Unstarted,
    TaskAttention::Empty,
];
const WORDS: [&str; 5] = [
    "overdue",
    "stalled",
    "finished_unended",
    "unstarted",
    "empty",
];

/// Tasks of all statuses whose times lie around the present.
const FILL: &str = "
    INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count,
        target, last_result_at, status_changed_at, targets_answered)
    SELECT 'demo', 't' || n, CASE n % 3 WHEN 0 THEN 'north ' ELSE 'south ' END || n, start, start + n % 48 * interval '1 hour',
        1 + n % 6, CASE n % 5 WHEN 0 THEN 100 ELSE n % 100 END, now() - interval '3 hours', now(), n % 3, '{}',
        CASE WHEN n % 5 > 0 THEN now() - n % 90 * interval '1 minute' END,
        CASE WHEN n % 2 = 0 THEN now() - n % 50 * interval '1 minute' END, n % 3 / 2
    FROM (SELECT n, now() + (n * 7919 % 200 - 100) * interval '1 hour' AS start FROM generate_series(1, 600) n) AS seed;
    INSERT INTO task_targets (tenant_id, task_id, position, customer_id) SELECT 'demo', 't' || n, 0, 'c1'
    FROM generate_series(1, 600) n WHERE n % 3 > 0";

pub fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.seconds * 1_000_000 + i64::from(at.nanos / 1000))
}

/// Whether a task is of a kind at an instant.
fn is(task: &OutboundTask, kind: TaskAttention, now: i64, stalled_after: i64) -> bool {
    let time = |at| micros(at).unwrap();
    let has_not_ended = matches!(
        task.status(),
        TaskStatus::Pending | TaskStatus::Running | TaskStatus::Paused
    );
    match kind {
        TaskAttention::Unspecified => panic!("no kind"),
        TaskAttention::Overdue => has_not_ended && time(task.end_time) <= now,
        TaskAttention::Stalled => {
            let since = [task.last_result_at, task.status_changed_at, task.created_at];
            let since = since.into_iter().filter_map(micros).max().unwrap();
            task.status() == TaskStatus::Running && since <= now - stalled_after * 1_000_000
        }
        TaskAttention::FinishedUnended => {
            task.status() == TaskStatus::Running && task.progress == 100
        }
        TaskAttention::Unstarted => {
            task.status() == TaskStatus::Pending && time(task.start_time) <= now
        }
        TaskAttention::Empty => has_not_ended && task.target_count == 0,
    }
}

fn some(kinds: u32) -> Vec<TaskAttention> {
    let kinds = KINDS
        .into_iter()
        .enumerate()
        .filter(|(n, _)| kinds & (1 << n) != 0);
    kinds.map(|(_, kind)| kind).collect()
}

pub async fn list(
    client: &Client,
    request: &ListOutboundTasksRequest,
) -> ListOutboundTasksResponse {
    let answer = client.list_outbound_tasks(request.clone()).await;
    answer.unwrap().into_inner()
}

/// Other filters, and which tasks they match.
type Other = (ListOutboundTasksRequest, fn(&OutboundTask) -> bool);

fn others() -> [Other; 6] {
    let all = ListOutboundTasksRequest::default;
    [
        (all(), |_| true),
        (
            ListOutboundTasksRequest {
                status: vec![2, 4],
                ..all()
            },
            |task| matches!(task.status, 2 | 4),
        ),
        (
            ListOutboundTasksRequest {
                name: "NORTH".into(),
                ..all()
            },
            |task| task.name.starts_with("north"),
        ),
        (
            ListOutboundTasksRequest {
                customer_id: "c1".into(),
                order_by: pb::TaskOrderBy::Progress as i32,
                ..all()
            },
            |task| task.target_count > 0,
        ),
        (
            ListOutboundTasksRequest {
                task_ids: (1..300).map(|n| format!("t{n}")).collect(),
                name: "south".into(),
                ..all()
            },
            |task| {
                let number: i32 = task.task_id[1..].parse().unwrap();
                number < 300 && task.name.starts_with("south")
            },
        ),
        (
            ListOutboundTasksRequest {
                date_range: Some(pb::DateRange {
                    start: at(0),
                    end: None,
                }),
                date_field: pb::TaskDateField::EndTime as i32,
                order_by: pb::TaskOrderBy::TaskId as i32,
                ..all()
            },
            |_| true,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_what_its_definition_says() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    server.database.execute(FILL).await;
    // Another tenant's are in no list.
    let other = server.tenant("other").await;
    let other = Client::with_key(&server, &other).await;
    other.create(new_task("t1", &[])).await;
    let all = ListOutboundTasksRequest {
        limit: 1000,
        ..Default::default()
    };
    let tasks = list(&client, &all).await.tasks;
    assert_eq!(tasks.len(), 600);
    let mut seen = [0; 5];
    for kinds in 0..32 {
        let kinds = some(kinds);
        for (other, matches) in others() {
            for seconds in [None, Some(3600)] {
                let request = ListOutboundTasksRequest {
                    limit: 1000,
                    attention: kinds.iter().map(|kind| *kind as i32).collect(),
                    stalled_after: seconds.map(|seconds| Span { seconds, nanos: 0 }),
                    attention_counts: true,
                    status_counts: kinds.len().is_multiple_of(2),
                    target_sums: !kinds.len().is_multiple_of(2),
                    ..other.clone()
                };
                let answer = list(&client, &request).await;
                let now = micros(answer.as_of).unwrap();
                let is = |task: &OutboundTask, kind| is(task, kind, now, seconds.unwrap_or(900));
                let others: Vec<_> = tasks.iter().filter(|task| matches(task)).collect();
                let mut wanted = others.clone();
                wanted.retain(|task| kinds.is_empty() || kinds.iter().any(|kind| is(task, *kind)));
                let mut ids: Vec<_> = wanted.iter().map(|t| t.task_id.as_str()).collect();
                let mut found: Vec<_> = answer.tasks.iter().map(|t| t.task_id.as_str()).collect();
                assert_eq!(answer.total as usize, ids.len(), "{request:?}");
                ids.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, ids, "{request:?}");
                let counts = KINDS.map(|kind| {
                    let of_kind = others.iter().filter(|task| is(task, kind));
                    (kind as i32, of_kind.count() as i32)
                });
                let reported: Vec<_> = answer
                    .attention_counts
                    .iter()
                    .map(|c| (c.attention, c.count))
                    .collect();
                assert_eq!(reported, counts, "{request:?}");
                for (sum, (_, count)) in seen.iter_mut().zip(counts) {
                    *sum += count;
                }
                if let Some(sums) = answer.target_sums {
                    let total: i32 = wanted.iter().map(|task| task.target_count).sum();
                    assert_eq!(sums.total, i64::from(total), "{request:?}");
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

/// Page by page, over HTTP, in exports and in bulk changes.
#[tokio::test(flavor = "multi_thread")]
async fn the_filter_holds_wherever_there_is_one() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    server.database.execute(FILL).await;
    let http = server.http();
    let answer = http
        .list("attention=overdue,empty&attention=empty&attention_counts=true&limit=1000&stalled_after=1h")
        .await
        .json();
    let ids = |tasks: &Json| -> Vec<String> {
        let tasks = tasks.as_array().unwrap().iter();
        tasks
            .map(|t| t["task_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = ids(&answer["tasks"]);
    assert_eq!(answer["total"], all.len());
    let counts = answer["attention_counts"].as_object().unwrap();
    assert!(
        counts.len() == 5 && WORDS.iter().all(|word| counts.contains_key(*word)),
        "{counts:?}"
    );
    assert!(all.len() > 100);
    // By token, which no other kind and no other time accepts.
    let mut request = ListOutboundTasksRequest {
        limit: 7,
        attention: vec![TaskAttention::Overdue as i32, TaskAttention::Empty as i32],
        count: CountMode::None as i32,
        ..Default::default()
    };
    let mut walked = Vec::new();
    loop {
        let page = list(&client, &request).await;
        walked.extend(page.tasks.into_iter().map(|task| task.task_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(walked, all);
    for attention in [vec![], vec![1], vec![1, 4], vec![1, 2, 5]] {
        let other = ListOutboundTasksRequest {
            attention,
            ..request.clone()
        };
        let refused = client.list_outbound_tasks(other).await.unwrap_err();
        assert_eq!(fields(&refused), ["page_token"]);
    }
    let filter = TaskFilter {
        attention: request.attention.clone(),
        ..Default::default()
    };
    let export = ExportOutboundTasksRequest {
        filter: Some(filter.clone()),
        ..Default::default()
    };
    let mut grpc = server.grpc().await;
    let batches = grpc.export_outbound_tasks(request_with(&server.key, export));
    let mut batches = batches.await.unwrap().into_inner();
    let mut exported = Vec::new();
    while let Some(batch) = batches.message().await.unwrap() {
        exported.extend(batch.tasks.into_iter().map(|task| task.task_id));
    }
    assert_eq!(exported, all);
    let mut bulk = BulkChangeOutboundTasksRequest {
        filter: Some(filter),
        action: TaskAction::Stop as i32,
        dry_run: true,
        ..Default::default()
    };
    let dry = client.bulk_change_outbound_tasks(bulk.clone()).await;
    let dry = dry.unwrap().into_inner();
    assert_eq!(dry.task_ids, all);
    bulk.dry_run = false;
    bulk.expected_count = Some(dry.changed_count);
    client.bulk_change_outbound_tasks(bulk).await.unwrap();
    // What has ended needs no attention.
    request.page_token.clear();
    assert_eq!(list(&client, &request).await.tasks, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_kinds_and_times_are_named() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for (seconds, nanos) in [(0, 0), (-1, 0), (30 * 86_400 + 1, 0), (5, 1)] {
        let request = ListOutboundTasksRequest {
            attention: vec![0, 1, 6],
            stalled_after: Some(Span { seconds, nanos }),
            ..Default::default()
        };
        let refused = client.list_outbound_tasks(request).await.unwrap_err();
        assert_eq!(
            fields(&refused),
            ["attention[0]", "attention[2]", "stalled_after"],
            "{seconds}"
        );
    }
    let http: Http = server.http();
    for (query, field) in [
        ("attention=late", "attention"),
        ("attention=overdue,,empty", "attention"),
        ("stalled_after=15", "stalled_after"),
        ("stalled_after=1500ms", "stalled_after"),
        ("stalled_after=31d", "stalled_after"),
        ("attention_counts=yes", "attention_counts"),
    ] {
        let answer = http.list(query).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(
            answer.json()["error"]["details"][0]["field"],
            field,
            "{query}"
        );
    }
}
