-- An import writes the names for searches in a second session, so that two processes of PostgreSQL share its work. The two
-- transactions commit one after the other: first the names, with a delta that has the other's number in names_ahead_of, then the
-- tasks, and with them the deletion of that delta. In between a search compares what it finds with the tasks, and names are
-- not compacted. If the second one never commits, the next compaction removes the names.
--
-- A nullable column without a default rewrites nothing. Writers of tasks wait for a moment.
SET LOCAL lock_timeout = '5s';

ALTER TABLE task_changes ADD COLUMN names_ahead_of bigint;
COMMENT ON COLUMN task_changes.names_ahead_of IS 'Of a delta without a task, which an import leaves: the transaction that brings the tasks of names which task_search has already. Otherwise NULL.';
CREATE INDEX task_changes_names_ahead ON task_changes (tenant_id) WHERE names_ahead_of IS NOT NULL;
COMMENT ON INDEX task_changes_names_ahead IS 'The imports whose names are in task_search, but not their tasks in tasks.';

CREATE FUNCTION task_import_is_lost(transaction bigint) RETURNS boolean LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT AS $function$
DECLARE
    number xid8 := transaction::text;
BEGIN
    RETURN coalesce(pg_xact_status(number), 'aborted') = 'aborted'
        -- Its commit would have deleted the delta that names it.
        OR pg_visible_in_snapshot(number, pg_current_snapshot());
EXCEPTION WHEN invalid_parameter_value THEN
    -- A number that is not given out yet.
    RETURN true;
END $function$;
COMMENT ON FUNCTION task_import_is_lost IS 'Whether names_ahead_of has a transaction that will bring no tasks: it was rolled back, or is one of another server, from which a dump came.';

DO $do$
BEGIN
    EXECUTE format($format$CREATE OR REPLACE FUNCTION tasks_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    inserted bigint;
    are_names_apart boolean := coalesce(current_setting('outbound_tasks.names_apart', true), '') = 'on';
BEGIN
    INSERT INTO %1$I.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending, labels)
    SELECT tenant_id, start_time, created_at, end_time, task_id, 0, status,
        NOT are_names_apart AND (SELECT count(*) <= 1000 FROM (SELECT FROM new_tasks LIMIT 1001) AS first), labels
    FROM new_tasks;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted > 1000 THEN
        INSERT INTO %1$I.task_log (tenant_id) SELECT DISTINCT tenant_id FROM new_tasks;
        IF NOT are_names_apart THEN
            INSERT INTO %1$I.task_search (tenant_id, task_id, name) SELECT tenant_id, task_id, %1$I.task_name_fold(name) FROM new_tasks;
        END IF;
    ELSE
        INSERT INTO %1$I.task_log (tenant_id, task_id) SELECT tenant_id, task_id FROM new_tasks;
    END IF;
    IF EXISTS (SELECT FROM new_tasks WHERE labels IS NOT NULL) THEN
        INSERT INTO %1$I.task_labels (tenant_id, label, status, start_time, task_id)
        SELECT t.tenant_id, l.label, t.status, t.start_time, t.task_id
        FROM new_tasks t CROSS JOIN unnest(t.labels) AS l (label) ORDER BY l.label, t.status, t.start_time;
    END IF;
    RETURN NULL;
END $function$$format$, current_schema());
END $do$;

CREATE OR REPLACE FUNCTION task_names_find(tenant text, part text)
 RETURNS SETOF text
 LANGUAGE plpgsql
 STABLE ROWS 100
 SET enable_seqscan TO 'off'
 SET enable_indexscan TO 'on'
 SET enable_indexonlyscan TO 'on'
 SET enable_bitmapscan TO 'on'
 SET work_mem TO '64MB'
 SET search_path FROM CURRENT
AS $function$
DECLARE
    folded text := task_name_fold(part);
    grams tsquery := task_name_query(tenant, folded);
BEGIN
    IF row_security_active('task_search') THEN
        -- A policy keeps the search from the index of grams: @@ could reveal rows of others, as PostgreSQL sees it.
        IF tenant = current_setting('outbound_tasks.tenant') THEN
            RETURN QUERY SELECT f.task_id FROM task_names_find_own(part) AS f (task_id);
        END IF;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM task_changes c WHERE c.tenant_id = tenant AND c.names_ahead_of IS NOT NULL) THEN
        -- Between the two commits of an import: task_search has names without tasks, and a task may have several.
        RETURN QUERY WITH possible AS MATERIALIZED (
            SELECT c.task_id FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending
            UNION
            SELECT f.task_id FROM (
                SELECT n.tenant_id, n.task_id FROM task_search n
                WHERE task_name_grams4(n.tenant_id, n.name) @@ grams AND strpos(n.name, folded) > 0 OFFSET 0) AS f
            WHERE f.tenant_id = tenant
        )
        SELECT p.task_id FROM possible p CROSS JOIN LATERAL (
            SELECT t.name FROM tasks t
            WHERE t.tenant_id = tenant AND t.task_id >= p.task_id AND t.task_id <= p.task_id
            ORDER BY t.task_id LIMIT 1) AS t
        WHERE strpos(task_name_fold(t.name), folded) > 0;
        RETURN;
    END IF;
    RETURN QUERY WITH pending AS MATERIALIZED (
        -- In the order of the primary key, so that its entries of deleted deltas are read once only. A
        -- bitmap scan would read them until a vacuum.
        SELECT DISTINCT c.task_id FROM (
            SELECT c.task_id FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending
            ORDER BY c.change_id OFFSET 0) AS c
    ), found AS (
        SELECT n.tenant_id, n.task_id FROM task_search n
        WHERE task_name_grams4(n.tenant_id, n.name) @@ grams AND strpos(n.name, folded) > 0 OFFSET 0
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

CREATE FUNCTION task_names_differing(tenant text)
 RETURNS SETOF text
 LANGUAGE sql
 STABLE
 SET work_mem TO '64MB'
 SET search_path FROM CURRENT
AS $function$
    -- A task and its row of task_search are two entries with the same name, in one snapshot.
    SELECT e.task_id FROM (
        SELECT t.task_id, task_name_fold(t.name) AS name, 1 AS count FROM tasks t WHERE t.tenant_id = tenant
        UNION ALL
        SELECT n.task_id, n.name, -1 FROM task_search n WHERE n.tenant_id = tenant
    ) AS e
    WHERE e.task_id NOT IN (SELECT c.task_id FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending)
    GROUP BY e.task_id
    HAVING sum(e.count) <> 0 OR min(e.name COLLATE "C") <> max(e.name COLLATE "C")
$function$;
COMMENT ON FUNCTION task_names_differing IS 'The ids of which task_search lacks the name, has another one or more than one, or has no task.';

CREATE OR REPLACE FUNCTION task_names_follow(tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
BEGIN
    BEGIN
        -- Names wait while an index is built. Counts do not.
        LOCK TABLE task_search IN ROW EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN;
    END;
    IF EXISTS (SELECT FROM task_changes c WHERE c.tenant_id = tenant AND c.names_ahead_of IS NOT NULL) THEN
        -- Imports that ended between their two commits. While another one is there now, its names look the same.
        WITH lost AS (
            DELETE FROM task_changes c WHERE c.tenant_id = tenant AND c.names_ahead_of IS NOT NULL AND NOT EXISTS (
                SELECT FROM task_changes o
                WHERE o.tenant_id = tenant AND o.names_ahead_of IS NOT NULL AND NOT task_import_is_lost(o.names_ahead_of))
            RETURNING c.change_id
        )
        INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
        SELECT tenant, now(), now(), now(), d.task_id, 1, 1, true FROM task_names_differing(tenant) AS d (task_id)
        WHERE EXISTS (SELECT FROM lost);
    END IF;
    -- One statement, so one snapshot: a statement that inserts many tasks and commits meanwhile is there with its tasks and
    -- its names, or with neither. Not between the two commits of an import, when names have no tasks yet. By ctid and in
    -- the order of an index, so that no plan reads all of a table.
    WITH renamed AS (
        DELETE FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending AND c.was = c.status
            AND NOT EXISTS (SELECT FROM task_changes o WHERE o.tenant_id = tenant AND o.names_ahead_of IS NOT NULL)
        RETURNING c.task_id
    ), others AS (
        UPDATE task_changes c SET name_pending = false
        WHERE c.tenant_id = tenant AND c.name_pending AND c.was <> c.status
            AND NOT EXISTS (SELECT FROM task_changes o WHERE o.tenant_id = tenant AND o.names_ahead_of IS NOT NULL)
        RETURNING c.task_id
    ), ids AS MATERIALIZED (
        SELECT r.task_id FROM renamed r UNION SELECT o.task_id FROM others o
    ), gone AS (
        DELETE FROM task_search n WHERE n.ctid = ANY (ARRAY(
            SELECT s.ctid FROM ids k CROSS JOIN LATERAL (
                SELECT s.ctid FROM task_search s
                WHERE s.tenant_id = tenant AND s.task_id >= k.task_id AND s.task_id <= k.task_id
                ORDER BY s.task_id OFFSET 0) AS s))
    )
    INSERT INTO task_search (tenant_id, task_id, name)
    SELECT tenant, k.task_id, task_name_fold(t.name) FROM ids k CROSS JOIN LATERAL (
        SELECT t.name FROM tasks t
        WHERE t.tenant_id = tenant AND t.task_id >= k.task_id AND t.task_id <= k.task_id
        ORDER BY t.task_id LIMIT 1) AS t;
END $function$;

CREATE OR REPLACE FUNCTION task_names_damaged(tenant text)
 RETURNS SETOF text
 LANGUAGE sql
 STABLE
 SET search_path FROM CURRENT
AS $function$
    -- Between the two commits of an import names have no tasks, and searches do not rely on them.
    SELECT d.task_id FROM task_names_differing(tenant) AS d (task_id)
    WHERE NOT EXISTS (SELECT FROM task_changes c WHERE c.tenant_id = tenant AND c.names_ahead_of IS NOT NULL)
$function$;
