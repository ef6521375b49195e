-- Empties everything that follows from tasks, and logs one row per tenant: watches list again.
CREATE OR REPLACE FUNCTION tasks_after_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    TRUNCATE task_changes, task_segments, task_search, task_targets, task_labels, task_label_counts, task_progress;
    INSERT INTO task_log (tenant_id) SELECT tenant_id FROM tenants;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_after_truncate();
