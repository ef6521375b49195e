//! Background work of many tenants: a tenant with a backlog delays no other tenant.

use std::sync::Arc;

use chrono::TimeDelta;
use outbound_tasks::{
    app::App,
    db::Db,
    pb::{NewOutboundTask, TaskStatus},
    server::Options,
};

use crate::support::{
    PATIENCE,
    client::{Client, START, at, new_task},
    eventually,
    server::{Server, kept, options},
};

const BACKLOG: u32 = 20_000;

/// Two tenants have a backlog. A task of a third one becomes due meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_does_not_delay_another_tenants_schedule() {
    let server = Server::start().await;
    let key = server.tenant("other").await;
    server.tenant("also").await;
    let other = Client::with_key(&server, &key).await;
    // These tasks are due since they were created.
    server.database.add_tasks("demo", BACKLOG).await;
    server.database.add_tasks("also", BACKLOG / 4).await;
    let sql = server.database.client().await;
    let now = "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint";
    let now: i64 = sql.query_one(now, &[]).await.unwrap().get(0);
    let due = |id: &str, start| NewOutboundTask {
        start_time: at(start),
        end_time: at(START),
        ..new_task(id, &[])
    };
    other.create(due("now", now)).await;
    other.create(due("soon", now + 1)).await;
    let app = Arc::new(App::new(&server.database.options()).unwrap());
    let schedule = tokio::spawn(app.run_schedule());
    let is_done = async || {
        let left = "SELECT count(*) FROM tasks WHERE status = 1";
        sql.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0
    };
    eventually("all is done", 3 * PATIENCE, is_done).await;
    schedule.abort();
    assert_eq!(
        other.get("soon").await.unwrap().status(),
        TaskStatus::Running
    );
    // Number of backlog tasks that were done later.
    let later =
        "SELECT count(*) FROM tasks t, tasks o WHERE o.task_id = $1 AND o.tenant_id = 'other'
        AND t.tenant_id = 'demo' AND t.status_changed_at > o.status_changed_at";
    let later: i64 = sql.query_one(later, &[&"now"]).await.unwrap().get(0);
    assert!(later > i64::from(BACKLOG) * 3 / 4, "{later}");
    // The tenant with the smaller backlog was not done last either.
    let last = "SELECT max(status_changed_at) FILTER (WHERE tenant_id = 'also')
        < max(status_changed_at) FILTER (WHERE tenant_id = 'demo') FROM tasks";
    assert!(sql.query_one(last, &[]).await.unwrap().get::<_, bool>(0));
}

/// Starts a task for each of many tenants in one round.
#[tokio::test(flavor = "multi_thread")]
async fn every_tenant_with_a_due_task_is_found() {
    let server = Server::start_with(Options {
        scheduler: true,
        ..options()
    })
    .await;
    let tenants = "INSERT INTO tenants (tenant_id, page_token_key)
        SELECT 'tenant-' || n, decode(repeat('00', 32), 'hex') FROM generate_series(1, 200) n";
    server.database.execute(tenants).await;
    let tasks = "INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at,
            target_count, target)
        SELECT tenant_id, 't' || status, 't', now() - interval '1 hour', now() + due * interval '30 minutes', status, 0,
            now(), now(), 0, '{}'
        FROM tenants, (VALUES (1, -1), (2, -1), (3, -1), (4, -1), (1, 1), (2, 1)) AS kinds (status, due)
        WHERE tenant_id LIKE 'tenant-%' AND (right(tenant_id, 1)::integer % 6 = status - 1 + CASE due WHEN 1 THEN 4 ELSE 0 END)";
    server.database.execute(tasks).await;
    let sql = server.database.client().await;
    let is_done = async || {
        let due = "SELECT count(*) FROM tasks WHERE (status = 1 AND start_time <= now())
            OR (status IN (2, 3) AND end_time <= now())";
        sql.query_one(due, &[]).await.unwrap().get::<_, i64>(0) == 0
    };
    eventually("all is done", PATIENCE, is_done).await;
    let database = Db::new(&server.database.options()).unwrap();
    let found = database.tenants_due().await.unwrap();
    assert!(found.is_empty(), "{found:?}");
}

/// The first of two tenants is one with events that cannot be deleted at this moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_tenant_does_not_delay_the_retention_of_others() {
    let server = Server::start().await;
    let key = server.tenant("other").await;
    for client in [
        Client::new(&server).await,
        Client::with_key(&server, &key).await,
    ] {
        client.create(new_task("a", &[])).await;
    }
    let old = "UPDATE task_events SET at = at - interval '61 minutes'";
    server.database.execute(old).await;
    let holder = server.database.client().await;
    holder
        .batch_execute("BEGIN; SELECT FROM task_events WHERE tenant_id = 'demo' FOR UPDATE")
        .await
        .unwrap();
    let app = Arc::new(App::new(&server.database.options()).unwrap());
    let clean = tokio::spawn(app.run_retention(kept(TimeDelta::hours(1))));
    let sql = server.database.client().await;
    let left = async |tenant: &str| -> i64 {
        let left = "SELECT count(*) FROM task_events WHERE tenant_id = $1";
        sql.query_one(left, &[&tenant]).await.unwrap().get(0)
    };
    eventually("the other's are deleted", PATIENCE, async || {
        left("other").await == 0
    })
    .await;
    assert_eq!(left("demo").await, 1);
    holder.batch_execute("COMMIT").await.unwrap();
    eventually("its own are deleted", PATIENCE, async || {
        left("demo").await == 0
    })
    .await;
    clean.abort();
}

/// The first of two tenants is one with counts that cannot be updated at this moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_compaction_does_not_delay_other_tenants() {
    let server = Server::start().await;
    let key = server.tenant("other").await;
    let (demo, other) = (
        Client::new(&server).await,
        Client::with_key(&server, &key).await,
    );
    let sql = server.database.client().await;
    let pending = async |tenant: &str| -> i64 {
        let pending = "SELECT count(*) FROM task_changes WHERE tenant_id = $1";
        sql.query_one(pending, &[&tenant]).await.unwrap().get(0)
    };
    for client in [&demo, &other] {
        client.create(new_task("a", &[])).await;
        client.totals().await;
    }
    let none = async || pending("demo").await + pending("other").await == 0;
    eventually("both are up to date", PATIENCE, none).await;
    let holder = server.database.client().await;
    holder
        .batch_execute("BEGIN; SELECT FROM task_segments WHERE tenant_id = 'demo' FOR UPDATE")
        .await
        .unwrap();
    for round in 0..3 {
        for client in [&demo, &other] {
            client.create(new_task(&format!("b{round}"), &[])).await;
            client.totals().await;
        }
        eventually("the other's are up to date", PATIENCE, async || {
            pending("other").await == 0
        })
        .await;
        assert_eq!(pending("demo").await, round + 1);
    }
    holder.batch_execute("COMMIT").await.unwrap();
    let none = async || pending("demo").await == 0;
    eventually("its own are up to date", PATIENCE, none).await;
}
