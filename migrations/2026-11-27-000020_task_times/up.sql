-- Times that RFC 3339 can represent, as the service and its import demand. A task with another time, such as `infinity`, was
-- accepted from other programs that write to this table, and then no page that holds it could be answered.
--
-- NOT VALID leaves out the scan that would hold the table locked. So a task that has such a time keeps it, and its next
-- change must mend it.
SET LOCAL lock_timeout = '5s';
ALTER TABLE tasks ADD CONSTRAINT tasks_times_check CHECK (
    start_time >= '0001-01-01T00:00:00Z' AND end_time < '10000-01-01T00:00:00Z'
    AND created_at >= '0001-01-01T00:00:00Z' AND created_at < '10000-01-01T00:00:00Z'
    AND updated_at >= '0001-01-01T00:00:00Z' AND updated_at < '10000-01-01T00:00:00Z'
    AND status_changed_at >= '0001-01-01T00:00:00Z' AND status_changed_at < '10000-01-01T00:00:00Z') NOT VALID;
ALTER TABLE task_targets ADD CONSTRAINT task_targets_time_check
    CHECK (result_at >= '0001-01-01T00:00:00Z' AND result_at < '10000-01-01T00:00:00Z') NOT VALID;
