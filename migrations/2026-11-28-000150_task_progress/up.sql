-- The progress of tasks over time: points that a worker of the service takes, at most one a minute and some 240 of each task.
-- The new column has a constant default, so no row changes, and services that do not know it go on. The lock on tasks is
-- held for a moment; waiting for it would hold up all writes.
SET LOCAL lock_timeout = '5s';

CREATE TABLE task_progress (
    tenant_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    minute integer NOT NULL,
    at timestamptz NOT NULL,
    generation bigint NOT NULL,
    calls bigint NOT NULL,
    target_count integer NOT NULL,
    targets_answered integer NOT NULL,
    targets_no_answer integer NOT NULL,
    targets_busy integer NOT NULL,
    targets_failed integer NOT NULL,
    targets_skipped integer NOT NULL,
    progress smallint NOT NULL,
    PRIMARY KEY (tenant_id, task_id, minute)
);
-- For the retention.
CREATE INDEX task_progress_by_time ON task_progress (tenant_id, at);
COMMENT ON TABLE task_progress IS 'How far tasks were over time: the columns of tasks at an instant.';
COMMENT ON COLUMN task_progress.minute IS 'Minutes from 1970 to at, rounded down. As part of the key it keeps two services from storing two points.';
COMMENT ON COLUMN task_progress.generation IS 'That of the task. A point with another one is of an earlier task of this id: it was stored while that task was deleted.';
ALTER TABLE task_progress ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON task_progress USING (tenant_id = current_setting('outbound_tasks.tenant'));

CREATE OR REPLACE FUNCTION tasks_after_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
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

CREATE OR REPLACE FUNCTION tasks_after_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
BEGIN
    TRUNCATE task_changes, task_segments, task_search, task_targets, task_labels, task_label_counts, task_progress;
    INSERT INTO task_log (tenant_id) SELECT tenant_id FROM tenants;
    RETURN NULL;
END $function$;

ALTER TABLE tasks ADD COLUMN calls bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN tasks.calls IS 'How many calls had their result stored since there is this column. Only differences of it mean something: an import begins at 0.';
