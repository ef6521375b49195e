-- Names for searches are written by the compaction of the counts, many at once. A writer that adds
-- its own name to the index pays as much for it as for all else that its triggers do.
--
-- The table may be behind the tasks, so it gets another name. Services of an older version read
-- task_names, which becomes a view of the tasks themselves.
--
-- Writers of tasks wait while this runs, about 1 s for a million of them.
SET LOCAL lock_timeout = '5s';
-- No writer may be between its old trigger function and the new one.
LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE;
-- No compaction may be running whose function is from before the last migration.
LOCK TABLE task_changes IN ACCESS EXCLUSIVE MODE;

ALTER TABLE task_names RENAME TO task_search;
-- Not unique: an import adds rows while the compaction replaces others of the same tasks, and neither
-- may wait for the other.
ALTER TABLE task_search DROP CONSTRAINT task_names_pkey;
CREATE INDEX task_search_by_id ON task_search (tenant_id, task_id);
COMMENT ON TABLE task_search IS 'Names of tasks without their case, to be searched in. The compaction keeps it: a task with a pending delta may have another name here, none or several.';
CREATE VIEW task_names AS SELECT tenant_id, task_id, task_name_fold(name) COLLATE "C" AS name FROM tasks;
COMMENT ON VIEW task_names IS 'The name of each task without its case, for services of versions that read it.';

CREATE OR REPLACE FUNCTION tasks_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    inserted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, task_id, was, status, name_pending)
    SELECT tenant_id, start_time, task_id, 0, status, (SELECT count(*) <= 1000 FROM (SELECT FROM new_tasks LIMIT 1001) AS first)
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

CREATE OR REPLACE FUNCTION tasks_after_delete()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    deleted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, task_id, was, status, name_pending)
    SELECT tenant_id, start_time, task_id, status, 0, true FROM old_tasks;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 1000 THEN
        INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM old_tasks;
    ELSE
        INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name)
        SELECT tenant_id, task_id, status, start_time, end_time, created_at, updated_at, name FROM old_tasks;
    END IF;
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
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status, name_pending)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.task_id, OLD.status, 0, true),
            (NEW.tenant_id, NEW.start_time, NEW.task_id, 0, NEW.status, true);
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
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status, name_pending)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.task_id, NEW.status, NEW.status, true);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION tasks_after_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    TRUNCATE task_changes, task_segments, task_search, task_targets;
    INSERT INTO task_log (tenant_id) SELECT tenant_id FROM tenants;
    RETURN NULL;
END $function$;

-- Its own settings, since services go without sequential and bitmap scans elsewhere. OFFSET 0 keeps
-- PostgreSQL from looking for the tenant in the other index.
CREATE OR REPLACE FUNCTION task_names_find(tenant text, part text) RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 100
    SET enable_seqscan = off SET enable_indexscan = on SET enable_indexonlyscan = on SET enable_bitmapscan = on AS $function$
DECLARE
    folded text := task_name_fold(part);
    grams tsquery := task_name_query(tenant, folded);
BEGIN
    RETURN QUERY WITH pending AS MATERIALIZED (
        SELECT DISTINCT c.task_id FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending
    ), found AS (
        SELECT n.tenant_id, n.task_id FROM task_search n
        WHERE task_name_grams(n.tenant_id, n.name) @@ grams AND strpos(n.name, folded) > 0 OFFSET 0
    )
    SELECT f.task_id FROM found f
    WHERE f.tenant_id = tenant AND f.task_id NOT IN (SELECT p.task_id FROM pending p)
    UNION ALL
    SELECT p.task_id FROM pending p CROSS JOIN LATERAL (
        SELECT t.name FROM tasks t
        WHERE t.tenant_id = tenant AND t.task_id >= p.task_id AND t.task_id <= p.task_id
        ORDER BY t.task_id LIMIT 1) AS t
    WHERE strpos(task_name_fold(t.name), folded) > 0;
END $function$;
