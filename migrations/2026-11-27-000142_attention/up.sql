-- The tasks that need attention and that no index had: running tasks by the time since which they are without a result, and
-- tasks without targets. Both indexes leave out tasks that have ended, so they stay small. Writers of tasks wait while they
-- are built: PostgreSQL reads the table twice, which takes some seconds for ten million tasks. Readers go on.
SET LOCAL lock_timeout = '5s';
CREATE INDEX tasks_stalled ON tasks (tenant_id, (greatest(last_result_at, status_changed_at, created_at)), task_id)
    WHERE status = 2;
CREATE INDEX tasks_empty ON tasks (tenant_id, target_count, task_id) WHERE target_count <= 0 AND status <= 3;
