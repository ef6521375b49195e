//! Lists of tasks that need attention, and the number of tasks of each kind, read those tasks by an index and no others:
//! shown by the plans that PostgreSQL used, whatever its statistics are.

use diesel_async::SimpleAsyncConnection;
use outbound_tasks::domain::{
    attention::{Attention, StalledAfter},
    fields::OrderBy,
    filter::FilterRequest,
    list::{CountMode, ListQuery},
    order::{Direction, TaskOrder},
    page::Start,
    words::Word,
};
use strum::VariantArray;

use crate::{
    explain::checked,
    explain_selective::rows_read,
    support::{
        database::Database,
        explain::{Explainer, FILL, nodes, outline},
    },
};

/// Of the tasks of [`FILL`] that have not ended, some 20,000, one in 97 stays as it is: overdue, unstarted or stalled,
/// without targets, or at 100 percent. The others lie in the future and are called.
const FEW: &str = "
    CREATE TEMP TABLE seed AS SELECT t.*, status <= 3 AND substr(task_id, 6)::integer % 97 <> 1 AS is_quiet FROM tasks t;
    TRUNCATE tasks;
    INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count,
        target, last_result_at)
    SELECT tenant_id, task_id, name, start_time + later, end_time + later, status,
        CASE WHEN is_quiet THEN least(progress, 99) ELSE progress END, created_at, updated_at, is_quiet::integer, '{}', now()
    FROM (SELECT s.*, CASE WHEN is_quiet THEN interval '100 years' ELSE interval '0' END AS later FROM seed s) s;
    UPDATE tasks SET last_result_at = NULL WHERE status = 2 AND target_count = 0";

fn query(kinds: &[Attention], by: OrderBy, counts: bool) -> ListQuery {
    ListQuery {
        filter: checked(FilterRequest {
            attention: kinds.iter().copied().collect(),
            ..FilterRequest::default()
        }),
        order: TaskOrder {
            by,
            direction: Direction::Ascending,
        },
        start: Start::Offset(0),
        limit: 20,
        target_limit: 100,
        count: CountMode::Exact,
        status_counts: false,
        target_sums: false,
        attention_counts: counts.then_some(StalledAfter { seconds: 900 }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_need_attention_are_found_by_indexes() {
    let database = Database::new().await;
    let alone = "ALTER TABLE tasks SET (autovacuum_enabled = off)";
    database.execute(&format!("{alone}; {FILL}; {FEW}")).await;
    // When an autovacuum removes the deltas that were compacted is left to chance.
    database.execute("VACUUM task_changes").await;
    let client = database.client().await;
    let active = "SELECT count(*) FILTER (WHERE end_time < now()), count(*) FROM tasks WHERE tenant_id = 'demo' AND status <= 3";
    let active = client.query_one(active, &[]).await.unwrap();
    let [few, all] = [0, 1].map(|n| active.get::<_, i64>(n) as f64);
    assert!(few > 100.0 && all > 50.0 * few, "{few} of {all}");
    let mut explainer = Explainer::new(&database).await;
    // The first statements of a session read hundreds of pages of the catalogs.
    explainer
        .plans(&query(Attention::VARIANTS, OrderBy::StartTime, true))
        .await;
    for known in [
        "",
        "UPDATE pg_class SET reltuples = 0 WHERE oid = 'tasks'::regclass",
        "ANALYZE tasks",
    ] {
        let begin = format!("BEGIN; {}", explainer.as_owner(known));
        explainer.connection.batch_execute(&begin).await.unwrap();
        for by in OrderBy::all() {
            for kinds in Attention::VARIANTS
                .chunks(1)
                .chain([Attention::VARIANTS, &[]])
            {
                let counts = kinds.len() != 1;
                let query = query(kinds, by, counts);
                let (plan, nested) = explainer.plans(&query).await;
                let shown = || format!("{known}: {query:?}\n{}", outline(&plan, 0));
                for node in nested.iter().chain([&plan]).flat_map(nodes) {
                    let kind = node["Node Type"].as_str().unwrap();
                    let is_wrong = kind.contains("Seq Scan") || kind.starts_with("Gather");
                    assert!(!is_wrong, "{}", shown());
                }
                // Each is read once, through the index of its kind; the counts scan five kinds, and the page is read again.
                let most = few * (kinds.len() as f64 + 5.0 * f64::from(u8::from(counts))) + 200.0;
                let read = rows_read(&plan, "tasks");
                assert!(read <= most, "reads {read}, at most {most}: {}", shown());
                let most = 1000.0 + 6.0 * most;
                let blocks = explainer.pages(&query, &plan, most).await;
                assert!(blocks <= most, "{blocks} pages: {}", shown());
            }
        }
        explainer
            .connection
            .batch_execute("ROLLBACK")
            .await
            .unwrap();
    }
}
