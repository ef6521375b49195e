-- What follows from an updated task: the change log always; deltas if its status, its key in the
-- counts or its name changed; its targets if it got another id. A WHEN condition on the
-- trigger would be parsed again by every statement. The log row carries its transaction number:
-- commits do not follow the order of a sequence or a clock, so a reader keeps a snapshot as its
-- position.
CREATE OR REPLACE FUNCTION tasks_after_update()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    INSERT INTO public.task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name,
        targets_changed, was_labels)
    VALUES (OLD.tenant_id, OLD.task_id, OLD.status, OLD.start_time, OLD.end_time, OLD.created_at, OLD.updated_at, OLD.name,
        NEW.target_count <> OLD.target_count, OLD.labels);
    IF (OLD.labels IS NOT NULL OR NEW.labels IS NOT NULL) AND (NEW.labels IS DISTINCT FROM OLD.labels OR NEW.status <> OLD.status
        OR NEW.start_time <> OLD.start_time OR NEW.task_id <> OLD.task_id OR NEW.tenant_id <> OLD.tenant_id) THEN
        DELETE FROM public.task_labels g
        USING unnest(OLD.labels) AS l (label) CROSS JOIN LATERAL (
            SELECT g.ctid AS row_id FROM public.task_labels g
            WHERE g.tenant_id = OLD.tenant_id AND g.label = l.label AND g.status = OLD.status
                AND g.start_time = OLD.start_time AND g.task_id = OLD.task_id
            ORDER BY g.label LIMIT 1) AS f
        WHERE g.ctid = f.row_id;
        INSERT INTO public.task_labels (tenant_id, label, status, start_time, task_id)
        SELECT NEW.tenant_id, l.label, NEW.status, NEW.start_time, NEW.task_id FROM unnest(NEW.labels) AS l (label);
    END IF;
    IF NEW.task_id <> OLD.task_id OR NEW.tenant_id <> OLD.tenant_id THEN
        INSERT INTO public.task_log (tenant_id, task_id) VALUES (NEW.tenant_id, NEW.task_id);
        INSERT INTO public.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending, labels)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.created_at, OLD.end_time, OLD.task_id, OLD.status, 0, true, OLD.labels),
            (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, 0, NEW.status, true, NEW.labels);
        UPDATE public.task_targets g SET tenant_id = NEW.tenant_id, task_id = NEW.task_id
        WHERE g.tenant_id = OLD.tenant_id AND g.task_id = OLD.task_id;
        RETURN NULL;
    END IF;
    IF NEW.start_time <> OLD.start_time OR NEW.created_at <> OLD.created_at OR NEW.end_time <> OLD.end_time
        OR NEW.labels IS DISTINCT FROM OLD.labels THEN
        INSERT INTO public.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, labels)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.created_at, OLD.end_time, OLD.task_id, OLD.status, 0, OLD.labels),
            (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, 0, NEW.status, NEW.labels);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO public.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, labels)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, OLD.status, NEW.status, NEW.labels);
    END IF;
    IF NEW.name <> OLD.name THEN
        INSERT INTO public.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, NEW.status, NEW.status, true);
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_updated AFTER UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION tasks_after_update();
