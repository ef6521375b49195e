//! Imports over the network that end early: nothing of them is loaded, and they hold up nobody.

use std::time::{Duration, Instant};

use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    pb::{ImportFormat, ImportTargetOptions},
    server::Options,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    PATIENCE,
    client::{Client, fields, new_task, part},
    eventually,
    import::{Import, import, import_leads, options as import_options},
    server::{Server, options},
    tasks::{task, to_ndjson},
};

const SECOND: Duration = Duration::from_secs(1);

fn ndjson() -> outbound_tasks::pb::ImportTaskOptions {
    import_options(ImportFormat::Ndjson)
}

/// Tasks that fill more than two batches, so that some are in the transaction before the file ends.
fn many(prefix: &str) -> Vec<u8> {
    let tasks: Vec<_> = (0..12_000)
        .map(|n| {
            task(
                &format!("{prefix}{n}"),
                "2023-03-01",
                "2023-03-02",
                "pending",
            )
        })
        .collect();
    to_ndjson(&tasks).into_bytes()
}

/// Waits until this number of imports have inserted tasks.
async fn eventually_under_way(server: &Server, count: i64) {
    let asking = server.database.client().await;
    let under_way = async || {
        let holding = "state = 'idle in transaction' AND query LIKE '%INSERT INTO task_targets%' OR state = 'idle in transaction' \
            AND query LIKE '%INSERT INTO tasks%'";
        server
            .database
            .count_backends(&asking, &format!("({holding})"))
            .await
            == count
    };
    eventually("the imports are under way", PATIENCE, under_way).await;
}

async fn count(server: &Server) -> i64 {
    let sql = server.database.client().await;
    let tasks = sql.query_one("SELECT count(*) FROM tasks", &[]).await;
    tasks.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_imports_nothing() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let begun = Import::begin(&client, ndjson());
    for chunk in many("a").chunks(100_000) {
        begun.send(chunk);
    }
    eventually_under_way(&server, 1).await;
    begun.answer.abort();
    let _ = begun.answer.await;
    eventually_under_way(&server, 0).await;
    assert_eq!(count(&server).await, 0);
    // The permits are free again.
    for n in 0..4 {
        let file = to_ndjson(&[task(
            &format!("t{n}"),
            "2023-03-01",
            "2023-03-02",
            "pending",
        )]);
        import(&client, ndjson(), file.as_bytes(), 50)
            .await
            .unwrap();
    }
}

/// A silent client is ended after ten seconds, and after three while another tenant waits for a permit.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_imports_nothing_and_holds_up_no_other_tenant() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let keys = [server.tenant("b").await, server.tenant("c").await];
    let b = Client::with_key(&server, &keys[0]).await;
    let c = Client::with_key(&server, &keys[1]).await;
    let mut idle: Vec<Import> = Vec::new();
    for n in 0..3 {
        let begun = Import::begin(&client, ndjson());
        for chunk in many(&format!("a{n}-")).chunks(100_000) {
            begun.send(chunk);
        }
        idle.push(begun);
    }
    eventually_under_way(&server, 3).await;
    let refused = import(&client, ndjson(), b"", 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_error_details().retry_info().is_some());
    let last = Import::begin(&b, ndjson());
    for chunk in many("b").chunks(100_000) {
        last.send(chunk);
    }
    idle.push(last);
    eventually_under_way(&server, 4).await;
    c.create(new_task("t", &[])).await;
    let began = Instant::now();
    let added = c.add_task_targets(vec![part("t", &["c1"])]).await.unwrap();
    assert_eq!(added.into_inner().added_count, 1);
    assert!(began.elapsed() < 10 * SECOND, "{:?}", began.elapsed());
    for import in idle {
        let refused = import.answer.await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "CLIENT_IDLE");
    }
    assert_eq!(count(&server).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn size_and_time_are_bounded() {
    let server = Server::start_with(Options {
        max_import_bytes: 1_000_000,
        stream_timeout: 2 * SECOND,
        ..options()
    })
    .await;
    let client = Client::new(&server).await;
    let file = many("a");
    assert!(file.len() > 1_000_000);
    let refused = import(&client, ndjson(), &file, 100_000).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "IMPORT_TOO_LARGE");
    let begun = Import::begin(&client, ndjson());
    let refused = begun.answer.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused:?}");
    assert_eq!(count(&server).await, 0);
}

/// An answer names the first of the wrong columns, however many there are: clients read no longer response head.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_any_width_is_refused_in_a_short_answer() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let wide = "a,".repeat(1_000_000);
    let chinese = "客户备注说明,".repeat(1_000);
    for file in [&wide, &chinese] {
        let csv = import_options(ImportFormat::Csv);
        let refused = import(&client, csv, file.as_bytes(), 65_536).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        let message = refused.message();
        assert!(message.contains("is not a field of a task"), "{message}");
        let more = format!("and {} more", file.matches(',').count() - 10);
        assert!(message.contains(&more), "{message}");
        assert!(message.contains("name is missing"), "{message}");
        assert!(message.len() + refused.details().len() < 8_192, "{message}");
    }
    let leads = ImportTargetOptions {
        format: ImportFormat::Csv.into(),
        task_column: "b".into(),
        ..Default::default()
    };
    let refused = import_leads(&client, leads, &wide.as_bytes()[..20_000]).await;
    let refused = refused.unwrap_err();
    assert!(refused.message().contains("and 9990 more"), "{refused:?}");
    assert!(refused.message().len() < 1_000, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_scope_is_refused_and_messages_have_an_order() {
    let server = Server::start().await;
    let tenant = TenantId::parse("demo").unwrap();
    let key = server
        .operator
        .key_create(&tenant, "r", &[Scope::Read], None)
        .await;
    let reader = Client::with_key(&server, &key.unwrap().secret).await;
    let refused = import(&reader, ndjson(), &many("a"), 100_000)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let client = Client::new(&server).await;
    let begun = Import::begin(&client, ndjson());
    begun.send_options(ndjson());
    let refused = begun.answer.await.unwrap().unwrap_err();
    assert_eq!(fields(&refused), ["options"]);
    let nothing = client
        .import_stream(tokio_stream::iter([]))
        .await
        .unwrap_err();
    assert_eq!(fields(&nothing), ["options"]);
    let empty = outbound_tasks::pb::ImportOutboundTasksRequest { part: None };
    let nothing = client
        .import_stream(tokio_stream::iter([empty]))
        .await
        .unwrap_err();
    assert_eq!(fields(&nothing), ["options"]);
    assert_eq!(count(&server).await, 0);
}

/// A key that is revoked during an import ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_imports_nothing() {
    let server = Server::start().await;
    let key = server.another_key("demo").await;
    let client = Client::with_key(&server, &key).await;
    let begun = Import::begin(&client, ndjson());
    for chunk in many("a").chunks(100_000) {
        begun.send(chunk);
    }
    eventually_under_way(&server, 1).await;
    let id = outbound_tasks::domain::key::ApiKey::parse(&key).unwrap().id;
    let revoke = ["keys", "revoke", id.as_str()];
    server.database.succeed(&revoke, b"").await;
    let refused = begun.answer.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    eventually_under_way(&server, 0).await;
    assert_eq!(count(&server).await, 0);
}
