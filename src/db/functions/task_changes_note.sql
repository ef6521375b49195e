-- Writes a delta for every task that a statement inserted or deleted. Writers never touch the buckets (task_segments), so
-- they never wait for each other; task_counts_fold compacts the deltas later.
CREATE OR REPLACE FUNCTION task_changes_note()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        SELECT tenant_id, start_time, task_id, 0, status FROM new_tasks;
    ELSE
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        SELECT tenant_id, start_time, task_id, status, 0 FROM old_tasks;
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();
CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();
