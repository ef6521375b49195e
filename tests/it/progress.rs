//! The progress of tasks over time: points are stored while a task is running, are bounded, and go with their task.

use std::sync::Arc;

use outbound_tasks::{
    app::App,
    domain::tenant::TenantId,
    pb::{
        GetTaskProgressRequest, GetTaskProgressResponse, TargetCounts, TargetState, TaskAction,
        TaskProgressPoint,
    },
};
use prost_types::Timestamp;
use tonic::Status;

use crate::support::{
    PATIENCE,
    client::{Client, assert_not_found, copy_of, fields, new_task, report, result},
    database::Database,
    eventually,
    server::{Server, kept},
};

/// A point of each task.
pub const POINTS: &str = "INSERT INTO task_progress
    SELECT tenant_id, task_id, 1, now(), generation, 0, 0, 0, 0, 0, 0, 0, 0 FROM tasks";

fn demo() -> TenantId {
    TenantId::parse("demo").unwrap()
}

async fn progress(client: &Client, task_id: &str) -> Result<GetTaskProgressResponse, Status> {
    let request = GetTaskProgressRequest {
        task_id: task_id.into(),
    };
    let answer = client.get_task_progress(request).await?;
    Ok(answer.into_inner())
}

/// Moves all points, and what happened to their tasks, into the past.
async fn age(database: &Database, minutes: u32) {
    let older = format!(
        "UPDATE task_progress SET minute = -minute;
         UPDATE task_progress SET minute = -minute - {minutes}, at = at - interval '{minutes} minutes';
         UPDATE tasks SET status_changed_at = status_changed_at - interval '{minutes} minutes',
            last_result_at = last_result_at - interval '{minutes} minutes'"
    );
    database.execute(&older).await;
}

async fn stored(database: &Database, condition: &str) -> i64 {
    let sql = database.client().await;
    let count = format!("SELECT count(*) FROM task_progress WHERE {condition}");
    sql.query_one(&count, &[]).await.unwrap().get(0)
}

fn seconds(at: Option<Timestamp>) -> f64 {
    let Timestamp { seconds, nanos } = at.unwrap();
    seconds as f64 + f64::from(nanos) / 1e9
}

/// The percentages of points.
fn percents(points: &[TaskProgressPoint]) -> Vec<i32> {
    points.iter().map(|point| point.progress).collect()
}

/// A test is slow on a busy machine, so times agree within some seconds.
fn assert_about(actual: f64, expected: f64, most: f64) {
    let difference = (actual - expected).abs();
    assert!(difference <= most, "{actual} is not about {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn points_show_what_a_running_task_did() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create(new_task("a", &["c1", "c2", "c3", "c4"]))
        .await;
    let sample = async || server.app.progress_sample(&demo()).await.unwrap();
    sample().await;
    assert!(progress(&client, "a").await.unwrap().points.is_empty());

    client.acted(TaskAction::Start, "a").await;
    sample().await;
    let begun = progress(&client, "a").await.unwrap();
    assert_eq!(percents(&begun.points), [0, 0]);
    assert_eq!(begun.points[1].at, begun.as_of);
    assert_eq!(
        (begun.calls_per_minute, begun.expected_end_time),
        (None, None)
    );

    age(&server.database, 20).await;
    let first = [
        result("c1", TargetState::Answered, 1, 10),
        result("c2", TargetState::NoAnswer, 1, 10),
    ];
    report(&client, "a", &first).await.unwrap();
    // Neither a repetition nor a correction is a call, and a customer that was left out was not called.
    report(&client, "a", &first).await.unwrap();
    let corrected = result("c2", TargetState::Busy, 1, 11);
    let left_out = result("c3", TargetState::Skipped, 0, 12);
    report(&client, "a", &[corrected, left_out]).await.unwrap();
    sample().await;
    sample().await;
    age(&server.database, 5).await;
    // A second call to a customer is one.
    let second = result("c2", TargetState::Answered, 2, 20);
    report(&client, "a", &[second]).await.unwrap();
    let shown = progress(&client, "a").await.unwrap();
    assert_eq!(percents(&shown.points), [0, 50, 75]);
    let counts = TargetCounts {
        pending: 1,
        answered: 1,
        busy: 1,
        skipped: 1,
        ..Default::default()
    };
    assert_eq!(shown.points[1].target_counts, Some(counts));
    // Three calls and three customers in ten minutes, and one customer is left.
    assert_about(shown.calls_per_minute.unwrap(), 0.3, 0.001);
    let left = seconds(shown.expected_end_time) - seconds(shown.as_of);
    assert_about(left, 200.0, 2.0);
    let age_of_point = seconds(shown.as_of) - seconds(shown.points[1].at);
    assert_about(age_of_point, 300.0, 60.0);

    // A task that does not run has no rate, and its last point is that of the change.
    let paused = client.acted(TaskAction::Pause, "a").await;
    let shown = progress(&client, "a").await.unwrap();
    assert_eq!(
        (shown.calls_per_minute, shown.expected_end_time),
        (None, None)
    );
    assert_eq!(percents(&shown.points), [0, 50, 75]);
    assert_eq!(shown.points[2].at, paused.status_changed_at);
    // What changes during a pause is stored when it goes on.
    age(&server.database, 5).await;
    sample().await;
    assert_eq!(stored(&server.database, "true").await, 2);
    client.acted(TaskAction::Resume, "a").await;
    sample().await;
    let shown = progress(&client, "a").await.unwrap();
    assert_eq!(percents(&shown.points), [0, 50, 75, 75]);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_go_with_their_task() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let sample = async || server.app.progress_sample(&demo()).await.unwrap();
    let points = async |id: &str| progress(&client, id).await.unwrap().points.len();
    for id in ["a", "b", "c"] {
        client.create(new_task(id, &["c1", "c2"])).await;
        client.acted(TaskAction::Start, id).await;
    }
    sample().await;
    assert_eq!([points("a").await, points("b").await], [2, 2]);

    client
        .copy_outbound_task(copy_of("a", "copy"))
        .await
        .unwrap();
    client.acted(TaskAction::Start, "copy").await;
    assert_eq!(points("copy").await, 0);

    client.delete("a").await;
    assert_not_found(&progress(&client, "a").await.unwrap_err(), "a");
    client.create(new_task("a", &["c1"])).await;
    client.acted(TaskAction::Start, "a").await;
    assert_eq!(points("a").await, 0);
    // A point that was stored while the earlier task was deleted.
    let late = "INSERT INTO task_progress SELECT tenant_id, 'a', minute - 1, at, generation, calls, target_count, 0, 0, 0, 0, 0, 9
        FROM task_progress WHERE task_id = 'b'";
    server.database.execute(late).await;
    assert_eq!(points("a").await, 0);
    sample().await;
    assert_eq!(points("a").await, 2);

    // Old points go before their task does.
    age(&server.database, 60).await;
    let a_day = kept(chrono::TimeDelta::days(1));
    server.app.clean(a_day).await.unwrap();
    assert_eq!(points("b").await, 2);
    server
        .app
        .clean(kept(chrono::TimeDelta::minutes(59)))
        .await
        .unwrap();
    assert_eq!(stored(&server.database, "true").await, 0);

    report(&client, "b", &[result("c1", TargetState::Busy, 1, 1)])
        .await
        .unwrap();
    sample().await;
    assert_eq!(points("b").await, 2);
    server.database.execute("TRUNCATE tasks").await;
    assert_eq!(stored(&server.database, "true").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_tenant_of_a_task_sees_its_progress() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1"])).await;
    let other = server.tenant("other").await;
    let theirs = Client::with_key(&server, &other).await;
    assert_not_found(&progress(&theirs, "a").await.unwrap_err(), "a");
    let bad = progress(&client, "").await.unwrap_err();
    assert_eq!(fields(&bad), ["task_id"]);
}

/// A task that has been running for 20 days, and then for two hours more.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_keeps_a_bounded_number_of_points_of_its_whole_life() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1"])).await;
    client.acted(TaskAction::Start, "a").await;
    let sample = async || server.app.progress_sample(&demo()).await.unwrap();
    sample().await;
    age(&server.database, 28_800).await;
    let sql = server.database.client().await;
    let last = "SELECT floor(extract(epoch FROM now()) / 60)::integer";
    let first = "SELECT minute FROM task_progress ORDER BY minute LIMIT 1";
    let first: i32 = sql.query_one(first, &[]).await.unwrap().get(0);
    // A point each minute of the last four hours, and before that one every two hours.
    let fill = "INSERT INTO task_progress SELECT tenant_id, task_id, m, to_timestamp(m * 60), generation, 0, 1, 0, 0, 0, 0, 0, 0
        FROM task_progress CROSS JOIN LATERAL (SELECT floor(extract(epoch FROM now()) / 60)::integer AS now) n
        CROSS JOIN LATERAL (SELECT generate_series(now - 240, now - 1) AS m UNION SELECT generate_series(minute + 1, now - 241, 120)) m";
    server.database.execute(fill).await;
    for round in 0..3 {
        let call = "UPDATE tasks SET calls = calls + 1, last_result_at = now()";
        server.database.execute(call).await;
        sample().await;
        let rows = sql.query("SELECT minute FROM task_progress ORDER BY minute", &[]);
        let minutes: Vec<i32> = rows.await.unwrap().iter().map(|row| row.get(0)).collect();
        assert!(minutes.len() <= 240, "round {round}: {}", minutes.len());
        let now: i32 = sql.query_one(last, &[]).await.unwrap().get(0);
        let of_hour = minutes.iter().filter(|m| **m >= now - 60).count();
        assert!(of_hour >= 59, "round {round}: {of_hour}");
        // 20 days in at most 121 steps, each a power of two of minutes.
        let gaps = minutes.windows(2).map(|two| two[1] - two[0]);
        let widest = gaps.max().unwrap();
        assert!(widest <= 2 * 256, "round {round}: {widest}");
        let since = first - 60 * round;
        assert_eq!(minutes[0], since, "round {round}");
        // An hour later, with a point for each of its minutes.
        age(&server.database, 60).await;
        let hour = "INSERT INTO task_progress SELECT tenant_id, task_id, m, to_timestamp(m * 60), generation, calls, 1, 0, 0, 0, 0, 0, 0
            FROM (SELECT * FROM task_progress ORDER BY minute DESC LIMIT 1) p
            CROSS JOIN LATERAL generate_series(minute + 1, minute + 59) m";
        server.database.execute(hour).await;
    }
    let shown = progress(&client, "a").await.unwrap();
    assert!(shown.points.len() <= 241 + 59, "{}", shown.points.len());
}

/// The thinning of points on the next morning keeps the last one of the evening.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_the_day_before_do_not_count() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1", "c2"])).await;
    client.acted(TaskAction::Start, "a").await;
    let sample = async || server.app.progress_sample(&demo()).await.unwrap();
    sample().await;
    age(&server.database, 1_440).await;
    // A call and a point each minute, until the middle of a bucket of the thinning.
    let fill = "INSERT INTO task_progress
            SELECT tenant_id, task_id, m, to_timestamp(m * 60), generation, m - minute, 2, 0, 0, 0, 0, 0, 0
            FROM task_progress CROSS JOIN LATERAL generate_series(minute + 1, (minute + 300) / 16 * 16 + 8) m;
        UPDATE tasks SET calls = (SELECT max(calls) FROM task_progress)";
    server.database.execute(fill).await;
    let called = [result("c1", TargetState::Answered, 1, 10)];
    report(&client, "a", &called).await.unwrap();
    sample().await;
    assert!(stored(&server.database, "true").await < 240);
    let shown = progress(&client, "a").await.unwrap();
    assert_about(shown.calls_per_minute.unwrap(), 0.1, 0.001);
}

/// More tasks than a turn scans.
#[tokio::test(flavor = "multi_thread")]
async fn two_services_store_each_point_once() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let ids: Vec<String> = (0..1_200).map(|n| format!("t{n}")).collect();
    let tasks = ids.iter().map(|id| new_task(id, &["c1"]));
    client.create_all(tasks.collect()).await;
    let started = "UPDATE tasks SET status = 2, status_changed_at = now()";
    server.database.execute(started).await;
    let apps = [0, 1].map(|_| Arc::new(App::new(&server.database.options()).unwrap()));
    let demo = demo();
    let sql = server.database.client().await;
    for round in 1..=2 {
        // Two services may store two points on two sides of the turn of a minute.
        let is_early = async || {
            let early = "SELECT extract(second FROM clock_timestamp()) < 40";
            sql.query_one(early, &[]).await.unwrap().get(0)
        };
        eventually("a minute begins", PATIENCE, is_early).await;
        for _ in 0..2 {
            let [one, two] = [0, 1].map(|n| apps[n].progress_sample(&demo));
            let (one, two) = tokio::join!(one, two);
            one.unwrap();
            two.unwrap();
        }
        assert_eq!(stored(&server.database, "true").await, 1_200 * round);
        let tasks = "SELECT count(DISTINCT task_id) FROM task_progress";
        let tasks: i64 = sql.query_one(tasks, &[]).await.unwrap().get(0);
        assert_eq!(tasks, 1_200);
        age(&server.database, 2).await;
        let call = "UPDATE tasks SET calls = calls + 1, last_result_at = now()";
        server.database.execute(call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_serves_all_tenants() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let theirs = Client::with_key(&server, &other).await;
    let client = Client::new(&server).await;
    for client in [&client, &theirs] {
        client.create(new_task("a", &["c1"])).await;
        client.acted(TaskAction::Start, "a").await;
    }
    let app = Arc::new(App::new(&server.database.options()).unwrap());
    let worker = tokio::spawn(app.store_progress());
    for client in [&client, &theirs] {
        let has_points = async || progress(client, "a").await.unwrap().points.len() == 2;
        eventually("the worker stores a point", PATIENCE, has_points).await;
    }
    worker.abort();
}
