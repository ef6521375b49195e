//! Lists from the cache: they are what a service without a cache answers, after every kind of change. The cache is bounded.

use outbound_tasks::{
    app::CacheFigures,
    pb::{ListOutboundTasksRequest, TargetState, TaskAction, TaskFilter},
};
use prost::Message;

use crate::support::{
    client::{Client, new_task, part, result},
    compared::{Compared, NO_CACHE},
    database::Database,
    http::{Http, frame},
    server::Server,
    tasks::task,
    wire::RPC,
    writes::Write,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_used_again_until_something_changes() {
    let compared = Compared::new().await;
    compared.assert_cached("no tasks").await;
    let tasks = ["a", "b", "gold c"].map(|id| new_task(id, &["c1", "c2"]));
    // Writes by way of another service.
    let client = Client::new(&compared.plain).await;
    client.create_all(tasks.into()).await;
    compared.assert_cached("create").await;
    for (number, (when, write)) in [
        ("create", Write::Create(new_task("new", &["c1"]))),
        ("update", Write::Rename("b", "golden b")),
        ("action", Write::Act(TaskAction::Start, "a", "")),
        (
            "bulk change",
            Write::Bulk(
                TaskAction::Start,
                TaskFilter {
                    status: vec![1],
                    ..Default::default()
                },
                3,
            ),
        ),
        ("add targets", Write::Upload(vec![part("b", &["c3", "c4"])])),
        ("remove targets", Write::Remove("a", &["c1"])),
        (
            "results",
            Write::Report("b", vec![result("c2", TargetState::Busy, 1, 1)]),
        ),
        ("delete", Write::Delete("a")),
    ]
    .into_iter()
    .enumerate()
    {
        write.send(&client, &number.to_string()).await.unwrap();
        compared.assert_same(when).await;
    }
    compared.assert_cached("after all writes").await;

    let database = &compared.cached.database;
    for sql in [
        "UPDATE tasks SET progress = 7",
        "UPDATE tasks SET task_id = 'moved' WHERE task_id = 'b'",
        "DELETE FROM tasks WHERE task_id = 'new'",
        "BEGIN; SAVEPOINT s; UPDATE tasks SET name = 'gold s'; RELEASE s; COMMIT",
        "BEGIN; UPDATE tasks SET name = 'gold t'; ROLLBACK",
    ] {
        database.execute(sql).await;
        compared.assert_same(sql).await;
    }
    compared.assert_cached("after plain SQL").await;
    database.add_tasks("demo", 1_500).await;
    compared.assert_same("many at once").await;
    let time = "2033-05-18T03:33:20Z";
    let imported = ["i1", "i2"].map(|id| task(id, time, time, "running"));
    compared.cached.import(&imported).await;
    compared.assert_cached("import").await;
    database.execute("TRUNCATE tasks").await;
    compared.assert_cached("truncate").await;
}

/// A transaction that commits late has a lower number than one whose change was seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_committed_late_is_seen() {
    let compared = Compared::new().await;
    compared.client.create(new_task("a", &[])).await;
    compared.client.create(new_task("b", &[])).await;
    let late = compared.cached.database.client().await;
    late.batch_execute("BEGIN; UPDATE tasks SET name = 'gold late' WHERE task_id = 'a'")
        .await
        .unwrap();
    compared.client.acted(TaskAction::Start, "b").await;
    compared.assert_cached("before the commit").await;
    late.batch_execute("COMMIT").await.unwrap();
    compared.assert_same("after the commit").await;
    compared.assert_cached("after the commit").await;
}

/// The clock of the database may be wrong, and it is the only one that counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_an_answer_is_that_of_the_database() {
    for offset in ["-3 years", "8 hours"] {
        let compared = Compared::on(Database::with_clock(offset).await).await;
        compared.client.create(new_task("a", &["c1"])).await;
        compared.assert_cached(offset).await;
        compared.client.acted(TaskAction::Start, "a").await;
        compared.assert_cached(offset).await;
    }
}

/// A dump brings entries of a database that was further in its count.
#[tokio::test(flavor = "multi_thread")]
async fn entries_of_another_database_do_not_hide_changes() {
    let compared = Compared::new().await;
    compared.client.create(new_task("a", &["c1"])).await;
    let foreign =
        "INSERT INTO task_log (tenant_id, xid, task_id) VALUES ('demo', 1::bigint << 60, 'a')";
    compared.cached.database.execute(foreign).await;
    compared.assert_same("foreign entries").await;
    compared.assert_same("foreign entries").await;
    for action in [TaskAction::Start, TaskAction::Pause, TaskAction::Resume] {
        compared.client.acted(action, "a").await;
        compared.assert_same("foreign entries").await;
    }
}

/// The cache holds no more than it may, and a huge answer does not push all others out.
#[tokio::test(flavor = "multi_thread")]
async fn the_cache_is_bounded() {
    const BYTES: usize = 256 << 10;
    let server = Server::start().await;
    let small = server.beside_with_cache(BYTES).await;
    server.database.add_tasks("demo", 1_000).await;
    let http = small.http();
    for _ in 0..3 {
        assert_eq!(http.list("limit=5").await.status, 200);
    }
    let before = small.app.list_cache();
    for page in 1..=200 {
        let answer = http
            .list(&format!("limit=5&page={page}&status=pending"))
            .await;
        assert_eq!(answer.status, 200);
        if page % 20 == 0 {
            // Larger than the cache.
            assert_eq!(http.list("limit=1000").await.status, 200);
            assert_eq!(http.list("limit=5").await.status, 200);
        }
    }
    let after = small.app.list_cache();
    // Evictions are done in batches, a few calls later.
    assert!(after.bytes <= 2 * BYTES as u64, "{after:?}");
    assert!(after.hits - before.hits >= 8, "{before:?} {after:?}");
    let off = server.beside_with_cache(NO_CACHE).await;
    assert_eq!(off.http().list("").await.status, 200);
    let CacheFigures {
        hits,
        misses,
        checks,
        bytes,
    } = off.app.list_cache();
    assert_eq!((hits, misses, checks, bytes), (0, 0, 0, 0));
}

/// The bytes over gRPC are those of the generated message, from the cache too.
#[tokio::test(flavor = "multi_thread")]
async fn a_cached_message_is_encoded_as_the_contract_says() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create_all(
            (0..30)
                .map(|n| new_task(&format!("t{n}"), &["c1"]))
                .collect(),
        )
        .await;
    let request = ListOutboundTasksRequest {
        status_counts: true,
        ..Default::default()
    };
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("x-api-key", &*server.key),
    ];
    let http = Http::http2(server.address, "");
    for _ in 0..3 {
        let answer = http
            .send(http::Method::POST, RPC, &headers, frame(&request))
            .await;
        let (message, _) = answer.unary::<outbound_tasks::pb::ListOutboundTasksResponse>();
        assert_eq!(&answer.body[5..], message.unwrap().encode_to_vec());
    }
    assert_eq!(server.app.list_cache().hits, 2);
}
