-- What follows from deleted tasks: deltas for the counts and the names, the change log with what
-- filters could ask of them, and the end of their targets. A foreign key would check every target,
-- which costs an import more than the rows themselves.
CREATE OR REPLACE FUNCTION tasks_after_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    deleted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending, labels)
    SELECT tenant_id, start_time, created_at, end_time, task_id, status, 0, true, labels FROM old_tasks;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 1000 THEN
        INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM old_tasks;
    ELSE
        INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name,
            was_labels)
        SELECT tenant_id, task_id, status, start_time, end_time, created_at, updated_at, name, labels FROM old_tasks;
    END IF;
    DELETE FROM task_targets g USING old_tasks t WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id;
    DELETE FROM task_progress p
    USING old_tasks t CROSS JOIN LATERAL (
        SELECT p.ctid AS row_id FROM task_progress p
        WHERE p.tenant_id = t.tenant_id AND p.task_id >= t.task_id AND p.task_id <= t.task_id
        ORDER BY p.tenant_id, p.task_id, p.minute OFFSET 0) AS f
    WHERE p.ctid = f.row_id;
    IF EXISTS (SELECT FROM old_tasks WHERE labels IS NOT NULL) THEN
        DELETE FROM task_labels g
        USING old_tasks t CROSS JOIN unnest(t.labels) AS l (label) CROSS JOIN LATERAL (
            SELECT g.ctid AS row_id FROM task_labels g
            WHERE g.tenant_id = t.tenant_id AND g.label = l.label AND g.status = t.status
                AND g.start_time = t.start_time AND g.task_id = t.task_id
            ORDER BY g.label LIMIT 1) AS f
        WHERE g.ctid = f.row_id;
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_after_delete();
