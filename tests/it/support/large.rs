//! More tasks than the buffers between PostgreSQL and a client hold, for exports that wait for their client.

use super::{PATIENCE, eventually, server::Server};

/// Number of a tenant's tasks after [`fill`].
pub const TASKS: usize = 30_000;
/// The condition on pg_stat_activity for a running export.
pub const BACKEND: &str = "query LIKE '%NULL::text[]%' AND state = 'active'";

/// Gives a tenant tasks with names of a kibibyte.
pub async fn fill(server: &Server, tenant: &str) {
    let fill = format!(
        "SET session_replication_role = replica;
        INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at,
            target_count, target)
        SELECT '{tenant}', 't' || n, repeat('𠀀', 256), timestamptz '2026-01-01Z' + n * interval '1 s', '2027-01-01Z',
            1 + n % 6, 0, now(), now(), 0, '{{}}' FROM generate_series(1, {TASKS}) n"
    );
    server.database.execute(&fill).await;
    server.database.execute("VACUUM ANALYZE tasks").await;
}

/// Waits until PostgreSQL waits for the reader of this number of exports.
pub async fn wait_for_blocked(server: &Server, count: i64) {
    let observer = server.database.client().await;
    let blocked = format!("{BACKEND} AND wait_event = 'ClientWrite'");
    let so = async || server.database.count_backends(&observer, &blocked).await == count;
    eventually("PostgreSQL waits for the reader", PATIENCE, so).await;
}

/// Waits until no export runs: all of them have ended, or were ended. That none waits for its reader is not enough: it may
/// just have gone on, because a buffer on the way has grown.
pub async fn wait_for_end(server: &Server) {
    let observer = server.database.client().await;
    let none = async || server.database.count_backends(&observer, BACKEND).await == 0;
    eventually("no export runs", PATIENCE, none).await;
}

/// Ends the statements of all exports, as an outage of the database does.
pub async fn end_statements(server: &Server) {
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {BACKEND} AND application_name = '{}'
         AND pid <> pg_backend_pid()",
        server.database.application
    );
    server.database.execute(&end).await;
}
