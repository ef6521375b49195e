SET LOCAL lock_timeout = '5s';
LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE task_changes IN ACCESS EXCLUSIVE MODE;
-- From here on the table has each task's name at every moment.
LOCK TABLE task_search IN ACCESS EXCLUSIVE MODE;
SELECT task_names_follow(tenant_id) FROM (SELECT DISTINCT tenant_id FROM task_changes WHERE name_pending) AS t;
DROP VIEW task_names;
ALTER TABLE task_search RENAME TO task_names;
DROP INDEX task_search_by_id;
ALTER TABLE task_names ADD PRIMARY KEY (tenant_id, task_id);
COMMENT ON TABLE task_names IS 'The name of each task without its case, to be searched in. Kept by triggers on tasks.';

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

CREATE OR REPLACE FUNCTION tasks_after_delete()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    deleted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
    SELECT tenant_id, start_time, task_id, status, 0 FROM old_tasks;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 1000 THEN
        INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM old_tasks;
    ELSE
        INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name)
        SELECT tenant_id, task_id, status, start_time, end_time, created_at, updated_at, name FROM old_tasks;
    END IF;
    DELETE FROM task_names n USING old_tasks t WHERE n.tenant_id = t.tenant_id AND n.task_id = t.task_id;
    DELETE FROM task_targets g USING old_tasks t WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION tasks_after_update()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name,
        targets_changed)
    VALUES (OLD.tenant_id, OLD.task_id, OLD.status, OLD.start_time, OLD.end_time, OLD.created_at, OLD.updated_at, OLD.name,
        NEW.target_count <> OLD.target_count);
    IF NEW.task_id <> OLD.task_id OR NEW.tenant_id <> OLD.tenant_id THEN
        INSERT INTO task_log (tenant_id, task_id) VALUES (NEW.tenant_id, NEW.task_id);
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.task_id, OLD.status, 0),
            (NEW.tenant_id, NEW.start_time, NEW.task_id, 0, NEW.status);
        UPDATE task_names n SET tenant_id = NEW.tenant_id, task_id = NEW.task_id, name = task_name_fold(NEW.name)
        WHERE n.tenant_id = OLD.tenant_id AND n.task_id = OLD.task_id;
        UPDATE task_targets g SET tenant_id = NEW.tenant_id, task_id = NEW.task_id
        WHERE g.tenant_id = OLD.tenant_id AND g.task_id = OLD.task_id;
        RETURN NULL;
    END IF;
    IF NEW.start_time <> OLD.start_time THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.task_id, OLD.status, 0),
            (NEW.tenant_id, NEW.start_time, NEW.task_id, 0, NEW.status);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.task_id, OLD.status, NEW.status);
    END IF;
    IF NEW.name <> OLD.name THEN
        UPDATE task_names n SET name = task_name_fold(NEW.name)
        WHERE n.tenant_id = NEW.tenant_id AND n.task_id = NEW.task_id;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION tasks_after_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    TRUNCATE task_changes, task_segments, task_names, task_targets;
    INSERT INTO task_log (tenant_id) SELECT tenant_id FROM tenants;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION task_names_find(tenant text, part text)
 RETURNS SETOF text
 LANGUAGE plpgsql
 STABLE ROWS 100
 SET enable_seqscan TO 'off'
 SET enable_indexscan TO 'off'
 SET enable_indexonlyscan TO 'off'
 SET enable_bitmapscan TO 'on'
AS $function$
DECLARE
    folded text := task_name_fold(part);
    grams tsquery := task_name_query(tenant, folded);
BEGIN
    RETURN QUERY SELECT found.task_id FROM (
        SELECT n.tenant_id, n.task_id FROM task_names n
        WHERE task_name_grams(n.tenant_id, n.name) @@ grams AND strpos(n.name, folded) > 0 OFFSET 0) AS found
    WHERE found.tenant_id = tenant;
END $function$;
