//! Calls for a task with very many targets, among very many tasks, read no more rows than they need: shown by
//! PostgreSQL's statistics of the rows that were read through each index.

use std::{collections::BTreeMap, sync::Arc};

use outbound_tasks::{
    app::{App, Caller, EventListRequest, TargetListRequest, WriteRequest},
    db::DbOptions,
    domain::{
        key::Scope,
        order::Direction,
        target::TargetState,
        tenant::TenantId,
        write::{DeleteTask, RemoveTargets, ReportResults, ResultDraft, TargetPart},
    },
};
use strum::VariantArray;

use crate::support::{PATIENCE, database::Database, eventually, server::kept};

/// The task `big` has 200,000 targets, and 20,000 other tasks have ten each, which are customers of `big` too. One in
/// ten targets of `big` is busy. One task is due to be started, one is missed, one is due to be ended. Triggers are
/// off, since no call here counts tasks.
const FILL: &str = "SET session_replication_role = replica;
    INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at,
        target_count, target, targets_busy)
    SELECT 'demo', 'task-' || n, 'task', start, start + interval '1 hour', status, 0, start, start, 10, '{}'::text[], 0
    FROM (SELECT n, CASE WHEN n % 4 = 0 THEN timestamptz '2020-01-01Z' ELSE timestamptz '2050-01-01Z' END + n * interval '1 min' AS start,
        CASE WHEN n % 4 = 0 THEN 4 + n % 3 ELSE n % 4 END AS status FROM generate_series(1, 20000) n) AS seed
    UNION ALL SELECT 'demo', 'big', 'big', '2050-01-01Z', '2050-01-02Z', 1, 0, now(), now(), 200000, '{}', 20000;
    UPDATE tasks SET start_time = '2020-01-01Z' WHERE task_id = 'task-1';
    UPDATE tasks SET start_time = '2020-01-01Z', end_time = '2020-01-02Z' WHERE task_id IN ('task-5', 'task-2', 'task-3');
    INSERT INTO task_targets (tenant_id, task_id, position, customer_id, state, attempt, result_at)
    SELECT 'demo', 'task-' || (1 + n / 10), n % 10, 'c' || n, 1, 0, NULL FROM generate_series(0, 199999) n
    UNION ALL SELECT 'demo', 'big', n, 'c' || n, CASE n % 10 WHEN 3 THEN 4 ELSE 1 END, CASE n % 10 WHEN 3 THEN 1 ELSE 0 END,
        CASE n % 10 WHEN 3 THEN now() END FROM generate_series(0, 199999) n;
    INSERT INTO task_events (tenant_id, task_id, at, key_id, kind, reason, changes)
    SELECT 'demo', CASE WHEN n % 2 = 0 THEN 'big' ELSE 'task-' || n END, now() - interval '1 day' - n * interval '1 s', '',
        'paused', '', '[]' FROM generate_series(1, 100000) n;
    INSERT INTO idempotency_keys SELECT 'demo', 'k' || n, decode(repeat('00', 32), 'hex'), '', now()
        FROM generate_series(1, 50000) n;";

/// Rows that were read of each table, by a sequential scan or by an index.
type Read = BTreeMap<String, i64>;

async fn read_so_far(sql: &tokio_postgres::Client) -> Read {
    let stats = "SELECT relname || ' by ' || indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE schemaname = current_schema()
        UNION ALL SELECT relname || ' whole', seq_tup_read FROM pg_stat_user_tables WHERE schemaname = current_schema()";
    let rows = sql.query(stats, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

pub struct Guard {
    database: Database,
    pub sql: tokio_postgres::Client,
    key: String,
}

impl Guard {
    /// A database with the tenant `demo` and the rows of `fill`.
    pub async fn new(fill: &str, make_known: &str) -> Self {
        let database = Database::new().await;
        // No autovacuum runs during the test.
        for table in TABLES {
            let alone = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
            database.execute(&alone).await;
        }
        let app = Arc::new(App::new(&database.options()).unwrap());
        let operator = database.operator();
        let demo = TenantId::parse("demo").unwrap();
        operator.tenant_create(&demo).await.unwrap();
        let key = operator
            .key_create(&demo, "k", Scope::VARIANTS, None)
            .await
            .unwrap()
            .secret;
        drop((app, operator));
        database.execute(fill).await;
        database.execute(make_known).await;
        let sql = database.client().await;
        Self { database, sql, key }
    }

    /// Flushes the statistics of the test's own queries, so that they do not count for a later call.
    pub async fn flush(&self) {
        let flush = "SELECT pg_stat_force_next_flush()";
        self.sql.batch_execute(flush).await.unwrap();
    }

    /// Makes a call on connections of its own, which report their statistics when they end. The call may read this
    /// number of rows of each table.
    pub async fn reads(
        &self,
        what: &str,
        most: &[(&str, i64)],
        call: impl AsyncFnOnce(&Arc<App>, &Caller),
    ) {
        let before = read_so_far(&self.sql).await;
        let options = DbOptions {
            pool_size: 1,
            ..self.database.options()
        };
        let app = Arc::new(App::new(&options).unwrap());
        let caller = app
            .authenticate(Some(&self.key), Scope::Write)
            .await
            .unwrap();
        call(&app, &caller).await;
        drop(app);
        let ended = async || self.database.count_backends(&self.sql, "true").await == 0;
        eventually("the connections end", PATIENCE, ended).await;
        let after = read_so_far(&self.sql).await;
        let read: Read = after
            .into_iter()
            .map(|(of, count)| (of.clone(), count - before[&of]))
            .filter(|(_, count)| *count > 0)
            .collect();
        for table in TABLES {
            let of_table = |of: &str| of.split_once(' ').unwrap().0 == table;
            let sum: i64 = read
                .iter()
                .filter(|(of, _)| of_table(of))
                .map(|(_, n)| n)
                .sum();
            let most = most
                .iter()
                .find(|(t, _)| *t == table)
                .map_or(0, |(_, most)| *most);
            assert!(
                sum <= most,
                "{what} reads {sum} rows of {table}, not {most}: {read:?}"
            );
        }
    }
}

fn targets(states: &[TargetState], page_token: String) -> TargetListRequest {
    TargetListRequest {
        task_id: "big".into(),
        states: states.to_vec(),
        limit: Some(100),
        page_token,
        customer_id: None,
    }
}

fn ids(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|n| format!("c{n}")).collect()
}

/// The tables whose rows are counted.
const TABLES: [&str; 5] = [
    "tasks",
    "task_targets",
    "task_events",
    "task_progress",
    "idempotency_keys",
];

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_a_large_task_read_only_what_they_answer() {
    let vacuum = format!("VACUUM ANALYZE {}", TABLES.join(", "));
    check(&vacuum).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_read_no_more_without_statistics() {
    // The statistics after a vacuum that ran while the first rows of the tables were being written.
    // Of this test's schema only: the others' plans depend on theirs.
    let tables = TABLES
        .map(|table| format!("'{table}'::regclass"))
        .join(", ");
    check(&format!(
        "UPDATE pg_class SET reltuples = 0 WHERE oid IN ({tables})"
    ))
    .await;
}

async fn check(make_known: &str) {
    let guard = Guard::new(FILL, make_known).await;

    // Of `tasks`, replaced versions of the one row are read too. A page at any position: of each state it reads as many
    // rows as a page holds.
    let all = [
        "targets",
        "big",
        "pending",
        "answered",
        "no_answer",
        "busy",
        "failed",
        "skipped",
    ];
    for (states, query) in [
        (&[][..], &all[..]),
        (&[TargetState::Busy], &["targets", "big", "busy"]),
    ] {
        for position in [None, Some(100_000), Some(199_990)] {
            guard
                .reads(
                    "a page of targets",
                    &[("task_targets", 210), ("tasks", 3)],
                    async |app, caller| {
                        let token =
                            position.map(|position| caller.token_key.seal_number(query, position));
                        let request = targets(states, token.unwrap_or_default());
                        let page = app
                            .target_list(caller, request, Default::default())
                            .await
                            .unwrap();
                        assert!(page.total >= 20_000);
                    },
                )
                .await;
        }
    }
    guard
        .reads(
            "a customer of a task",
            &[("task_targets", 3), ("tasks", 3)],
            async |app, caller| {
                let request = TargetListRequest {
                    customer_id: Some("c150000".into()),
                    ..targets(&[TargetState::Pending, TargetState::Busy], String::new())
                };
                let page = app.target_list(caller, request, Default::default());
                assert_eq!(page.await.unwrap().total, 1);
            },
        )
        .await;
    guard
        .reads(
            "1000 results",
            &[("task_targets", 2_100), ("tasks", 40)],
            async |app, caller| {
                let result = |customer_id| ResultDraft {
                    customer_id,
                    state: Some(TargetState::Answered),
                    attempt: 2,
                    time: Some(chrono::Utc::now()),
                };
                let report = ReportResults {
                    task_id: "big".into(),
                    results: ids(50_000..51_000).into_iter().map(result).collect(),
                };
                let reported = app.target_report(caller, WriteRequest::of(report)).await;
                assert_eq!(reported.unwrap().outcome.applied, 1000);
            },
        )
        .await;
    guard
        .reads(
            "1000 removals",
            &[("task_targets", 2_300), ("tasks", 40)],
            async |app, caller| {
                let removal = RemoveTargets {
                    task_id: "big".into(),
                    customer_ids: ids(150_000..151_000),
                    etag: String::new(),
                };
                let removed = app.target_remove(caller, WriteRequest::of(removal)).await;
                assert_eq!(removed.unwrap().outcome.count, 1000);
            },
        )
        .await;
    guard
        .reads(
            "2000 targets added, half of them known",
            &[("task_targets", 2_300), ("tasks", 40)],
            async |app, caller| {
                let first = TargetPart {
                    task_id: "big".into(),
                    idempotency_key: String::new(),
                    customer_ids: [ids(1_000..2_000), ids(900_000..901_000)].concat(),
                    of_first: Vec::new(),
                };
                let upload = app.target_upload(caller, first, Default::default());
                let upload = upload.await.unwrap();
                assert_eq!(upload.finish().await.unwrap().outcome.count, 1000);
            },
        )
        .await;
    guard
        .reads(
            "a deletion",
            &[("task_targets", 30), ("tasks", 40)],
            async |app, caller| {
                let deletion = DeleteTask {
                    task_id: "task-7".into(),
                    etag: String::new(),
                };
                let deletion = WriteRequest::of(deletion);
                app.task_delete(caller, deletion).await.unwrap();
            },
        )
        .await;
    for direction in [Direction::Ascending, Direction::Descending] {
        guard
            .reads(
                "a page of events",
                &[("task_events", 102)],
                async |app, caller| {
                    let request = EventListRequest {
                        task_id: "big".into(),
                        direction,
                        limit: Some(100),
                        page_token: String::new(),
                    };
                    let page = app.event_list(caller, request, Default::default()).await;
                    assert_eq!(page.unwrap().events.len(), 100);
                },
            )
            .await;
    }
    guard
        .reads(
            "the cleaner with nothing to do",
            &[("task_events", 3), ("idempotency_keys", 3)],
            async |app, _| {
                app.clean(kept(chrono::TimeDelta::days(365))).await.unwrap();
            },
        )
        .await;
    // Four tasks are due. Each further query for due tasks reads one row or none.
    guard
        .reads("the schedule", &[("tasks", 60)], async |app, _| {
            app.schedule(&TenantId::parse("demo").unwrap())
                .await
                .unwrap();
        })
        .await;
    let due = "SELECT count(*) FROM tasks WHERE status_reason <> ''";
    assert_eq!(
        guard
            .sql
            .query_one(due, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        4
    );
    guard.flush().await;
    guard
        .reads(
            "the schedule with nothing to do",
            // Four queries. Dead versions of the changed tasks are still read while another test has a snapshot.
            &[("tasks", 12)],
            async |app, _| {
                app.schedule(&TenantId::parse("demo").unwrap())
                    .await
                    .unwrap();
            },
        )
        .await;
}
