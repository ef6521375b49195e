SET LOCAL lock_timeout = '5s';

CREATE OR REPLACE FUNCTION tasks_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
DECLARE
    inserted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
    SELECT tenant_id, start_time, created_at, end_time, task_id, 0, status, (SELECT count(*) <= 1000 FROM (SELECT FROM new_tasks LIMIT 1001) AS first)
    FROM new_tasks;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted > 1000 THEN
        INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM new_tasks;
        INSERT INTO task_search (tenant_id, task_id, name) SELECT tenant_id, task_id, task_name_fold(name) FROM new_tasks;
    ELSE
        INSERT INTO task_log (tenant_id, task_id) SELECT tenant_id, task_id FROM new_tasks;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION tasks_after_update()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
BEGIN
    INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name,
        targets_changed)
    VALUES (OLD.tenant_id, OLD.task_id, OLD.status, OLD.start_time, OLD.end_time, OLD.created_at, OLD.updated_at, OLD.name,
        NEW.target_count <> OLD.target_count);
    IF NEW.task_id <> OLD.task_id OR NEW.tenant_id <> OLD.tenant_id THEN
        INSERT INTO task_log (tenant_id, task_id) VALUES (NEW.tenant_id, NEW.task_id);
        INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.created_at, OLD.end_time, OLD.task_id, OLD.status, 0, true),
            (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, 0, NEW.status, true);
        UPDATE task_targets g SET tenant_id = NEW.tenant_id, task_id = NEW.task_id
        WHERE g.tenant_id = OLD.tenant_id AND g.task_id = OLD.task_id;
        RETURN NULL;
    END IF;
    IF NEW.start_time <> OLD.start_time OR NEW.created_at <> OLD.created_at OR NEW.end_time <> OLD.end_time THEN
        INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.created_at, OLD.end_time, OLD.task_id, OLD.status, 0),
            (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, 0, NEW.status);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, OLD.status, NEW.status);
    END IF;
    IF NEW.name <> OLD.name THEN
        INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, NEW.status, NEW.status, true);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION task_revise()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
BEGIN
    NEW.revision := nextval('task_revisions');
    RETURN NEW;
END $function$;
