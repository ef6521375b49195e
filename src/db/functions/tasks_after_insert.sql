-- What follows from inserted tasks: deltas for the counts, the change log, and the names that
-- searches read. Writers never touch the buckets (task_segments), so they never wait for each
-- other; task_counts_fold compacts the deltas later. More than 1,000 tasks are logged as one row
-- per tenant, and watches list again. One function, since each call costs a writer microseconds.
CREATE OR REPLACE FUNCTION tasks_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    inserted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
    SELECT tenant_id, start_time, task_id, 0, status FROM new_tasks;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted > 1000 THEN
        INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM new_tasks;
    ELSE
        INSERT INTO task_log (tenant_id, task_id) SELECT tenant_id, task_id FROM new_tasks;
    END IF;
    INSERT INTO task_names (tenant_id, task_id, name) SELECT tenant_id, task_id, task_name_fold(name) FROM new_tasks;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_after_insert();
