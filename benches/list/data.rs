//! The database of the benchmark and its rows.
//!
//! Every value is a hash of the row's number and the seed, so the same seed gives the same rows in any order of
//! insertion. Tasks are inserted in the order of their creation over four years, as in a call centre. Status and length
//! are random.

use outbound_tasks::domain::page::TokenKey;
use tokio_postgres::{Client, NoTls};

use crate::Result;

/// The tenant with the listed tasks.
pub(crate) const TENANT: &str = "bench";
/// A tenant in the same database with a small number of tasks, for comparison.
pub(crate) const SMALL_TENANT: &str = "small";
/// Number of its tasks.
pub(crate) const SMALL: i64 = 10_000;
/// Rows per INSERT.
const CHUNK: i64 = 500_000;

/// A connection of the benchmark's own.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Writes `tasks` tasks of the tenant, a tenth as many of ten other tenants, and those of the small one. Indexes and
/// counts are built afterwards, which is several times faster with millions of rows.
pub(crate) async fn fill(client: &Client, tasks: i64, seed: i64) -> Result<()> {
    let others = format!(
        "INSERT INTO tenants SELECT 'other-' || n, sha256(n::text::bytea) FROM generate_series(0, 9) n \
         UNION ALL SELECT '{SMALL_TENANT}', sha256('{SMALL_TENANT}')"
    );
    client.batch_execute(&others).await?;
    let indexes = drop_indexes(client).await?;
    // Without triggers: the counts are built at once at the end.
    client
        .batch_execute("SET session_replication_role = replica")
        .await?;
    insert(client, &format!("'{TENANT}'"), tasks, seed).await?;
    insert(client, "'other-' || i % 10", tasks / 10, seed).await?;
    insert(client, &format!("'{SMALL_TENANT}'"), SMALL, seed).await?;
    // The rows that the triggers and an import would write.
    client
        .batch_execute(
            "INSERT INTO task_search SELECT tenant_id, task_id, task_name_fold(name) FROM tasks; \
             INSERT INTO task_targets (tenant_id, task_id, position, customer_id) \
             SELECT tenant_id, task_id, ordinal - 1, customer \
             FROM tasks, unnest(target) WITH ORDINALITY AS customers (customer, ordinal); \
             INSERT INTO task_labels (tenant_id, label, status, start_time, task_id) \
             SELECT tenant_id, label, status, start_time, task_id FROM tasks, unnest(labels) AS label \
             ORDER BY tenant_id, label, status, start_time, task_id",
        )
        .await?;
    client
        .batch_execute("RESET session_replication_role")
        .await?;
    for index in indexes {
        client.batch_execute(&index).await?;
    }
    client
        .batch_execute("SELECT task_counts_rebuild(tenant_id) FROM tenants")
        .await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// Drops the indexes of the tasks' tables that no constraint needs. Returns the statements that create them again.
async fn drop_indexes(client: &Client) -> Result<Vec<String>> {
    let sql = "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i \
        WHERE indrelid = ANY ('{tasks,task_search,task_targets}'::regclass[]) \
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)";
    let mut definitions = Vec::new();
    for row in client.query(sql, &[]).await? {
        let name: String = row.get(0);
        definitions.push(row.get(1));
        client.batch_execute(&format!("DROP INDEX {name}")).await?;
    }
    Ok(definitions)
}

async fn insert(client: &Client, tenant: &str, tasks: i64, seed: i64) -> Result<()> {
    let mut first = 1;
    while first <= tasks {
        let last = tasks.min(first + CHUNK - 1);
        let sql = insert_statement(tenant, first, last, tasks, seed);
        client.batch_execute(&sql).await?;
        first = last + 1;
    }
    Ok(())
}

/// 80 in 100 tasks are completed, and 4 have each of the other statuses. Windows last up to 8 hours, one in ten up to 8
/// days. Every second task has the label `half`, and one of these the label `one`.
fn insert_statement(tenant: &str, first: i64, last: i64, tasks: i64, seed: i64) -> String {
    // A number less than `below`, for row i.
    let hash = |nth: i64, below: i64| {
        let seed = seed.wrapping_mul(16).wrapping_add(nth);
        format!("((hashint8extended(i, {seed}) & 9223372036854775807) % {below})")
    };
    // Three different customers of ten million.
    let customer = |nth| {
        format!(
            "'cust' || lpad(({} * 3 + {nth} % 3)::text, 7, '0')",
            hash(nth, 3_333_333)
        )
    };
    format!(
        "INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
            target_count, target, labels) \
         SELECT {tenant}, \
            substr(ms, 1, 8) || '-' || substr(ms, 9, 4) || '-7' || substr(r, 1, 3) || '-8' || substr(r, 4, 3) \
                || '-' || substr(r, 7, 12), \
            (ARRAY['续费提醒', '满意度回访', '账单通知', 'Renewal reminder', 'Satisfaction survey', 'Overdue notice']) \
                [{kind} + 1] || ' ' || to_char(start, 'YYYY-MM-DD') || ' #' || i, \
            start, start + length, status, CASE status WHEN 4 THEN 100 WHEN 1 THEN 0 ELSE {percent} END, \
            created, greatest(created, CASE WHEN status > 3 THEN start + length ELSE start END), 3, \
            ARRAY[{one}, {two}, {three}], \
            CASE WHEN i = {middle} THEN '{{half,half=yes,one,one=yes}}' WHEN i % 2 = 0 THEN '{{half,half=yes}}' END::text[] \
         FROM generate_series({first}::bigint, {last}) i, \
         LATERAL (SELECT timestamptz '2022-01-01Z' + i * (interval '1461 days' / {tasks}) AS made) a, \
         LATERAL (SELECT date_bin('15 min', made, timestamptz '2022-01-01Z') + {quarter} * interval '15 min' AS start, \
            made - interval '1 day' AS created, \
            (1 + {quarters}) * CASE {long} WHEN 0 THEN interval '6 hours' ELSE interval '15 min' END AS length, \
            (CASE WHEN {state} < 80 THEN 4 ELSE (ARRAY[1, 2, 3, 5, 6])[1 + {state} % 5] END)::smallint AS status) b, \
         LATERAL (SELECT lpad(to_hex((extract(epoch FROM created) * 1000)::bigint), 12, '0') AS ms, \
            md5('{seed}' || i) AS r) c",
        kind = hash(0, 6),
        percent = hash(1, 100),
        quarter = hash(2, 30 * 96),
        quarters = hash(3, 32),
        long = hash(4, 10),
        state = hash(5, 100),
        one = customer(6),
        two = customer(7),
        three = customer(8),
        middle = tasks / 4 * 2,
    )
}

/// The tenant's key for page tokens.
pub(crate) async fn token_key(client: &Client) -> Result<TokenKey> {
    let sql = "SELECT page_token_key FROM tenants WHERE tenant_id = $1";
    let bytes: Vec<u8> = client.query_one(sql, &[&TENANT]).await?.get(0);
    TokenKey::from_bytes(&bytes).ok_or_else(|| "the tenant's token key is not 32 bytes long".into())
}
