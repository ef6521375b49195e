-- What follows from inserted tasks: deltas for the counts and the change log. Writers never touch the
-- buckets (task_segments) and the names for searches (task_search), so they never wait for each
-- other; task_counts_fold brings both in line later. More than 1,000 tasks are logged as one row per
-- tenant, and watches list again; their names are written at once, since searches read each task whose
-- name is pending. Not if outbound_tasks.names_apart is on: then a second session of an import writes
-- them. One function, since each call costs a writer microseconds.
CREATE OR REPLACE FUNCTION tasks_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    inserted bigint;
    are_names_apart boolean := coalesce(current_setting('outbound_tasks.names_apart', true), '') = 'on';
BEGIN
    INSERT INTO public.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending, labels)
    SELECT tenant_id, start_time, created_at, end_time, task_id, 0, status,
        NOT are_names_apart AND (SELECT count(*) <= 1000 FROM (SELECT FROM new_tasks LIMIT 1001) AS first), labels
    FROM new_tasks;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted > 1000 THEN
        INSERT INTO public.task_log (tenant_id) SELECT DISTINCT tenant_id FROM new_tasks;
        IF NOT are_names_apart THEN
            INSERT INTO public.task_search (tenant_id, task_id, name) SELECT tenant_id, task_id, public.task_name_fold(name) FROM new_tasks;
        END IF;
    ELSE
        INSERT INTO public.task_log (tenant_id, task_id) SELECT tenant_id, task_id FROM new_tasks;
    END IF;
    IF EXISTS (SELECT FROM new_tasks WHERE labels IS NOT NULL) THEN
        INSERT INTO public.task_labels (tenant_id, label, status, start_time, task_id)
        SELECT t.tenant_id, l.label, t.status, t.start_time, t.task_id
        FROM new_tasks t CROSS JOIN unnest(t.labels) AS l (label) ORDER BY l.label, t.status, t.start_time;
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_after_insert();
