SET LOCAL lock_timeout = '5s';
-- In the order of TRUNCATE. No import is between its two commits then, and the names of those that ended there become pending.
LOCK TABLE tasks IN ACCESS SHARE MODE;
LOCK TABLE task_changes IN ACCESS EXCLUSIVE MODE;
DO $do$
DECLARE
    tenants text[];
BEGIN
    WITH ahead AS (DELETE FROM task_changes c WHERE c.names_ahead_of IS NOT NULL RETURNING c.tenant_id)
    SELECT array_agg(DISTINCT a.tenant_id) INTO tenants FROM ahead a;
    INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
    SELECT a.tenant_id, now(), now(), now(), d.task_id, 1, 1, true
    FROM unnest(tenants) AS a (tenant_id) CROSS JOIN LATERAL task_names_differing(a.tenant_id) AS d (task_id);
END $do$;

DO $do$
BEGIN
    EXECUTE format($format$CREATE OR REPLACE FUNCTION tasks_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    inserted bigint;
BEGIN
    INSERT INTO %1$I.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending, labels)
    SELECT tenant_id, start_time, created_at, end_time, task_id, 0, status,
        (SELECT count(*) <= 1000 FROM (SELECT FROM new_tasks LIMIT 1001) AS first), labels
    FROM new_tasks;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted > 1000 THEN
        INSERT INTO %1$I.task_log (tenant_id) SELECT DISTINCT tenant_id FROM new_tasks;
        INSERT INTO %1$I.task_search (tenant_id, task_id, name) SELECT tenant_id, task_id, %1$I.task_name_fold(name) FROM new_tasks;
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

CREATE OR REPLACE FUNCTION task_names_follow(tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
DECLARE
    ids text[];
BEGIN
    BEGIN
        -- Names wait while an index is built. Counts do not.
        LOCK TABLE task_search IN ROW EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN;
    END;
    WITH renamed AS (
        DELETE FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending AND c.was = c.status
        RETURNING c.task_id
    ), others AS (
        UPDATE task_changes c SET name_pending = false
        WHERE c.tenant_id = tenant AND c.name_pending AND c.was <> c.status
        RETURNING c.task_id
    )
    SELECT array_agg(t.task_id) INTO ids
    FROM (SELECT r.task_id FROM renamed r UNION SELECT o.task_id FROM others o) AS t;
    -- One statement, so one snapshot: an import that commits meanwhile has added its rows for both parts
    -- or for none. By ctid and in the order of an index, so that no plan reads all of a table.
    WITH gone AS (
        DELETE FROM task_search n WHERE n.ctid = ANY (ARRAY(
            SELECT s.ctid FROM unnest(ids) AS k (task_id) CROSS JOIN LATERAL (
                SELECT s.ctid FROM task_search s
                WHERE s.tenant_id = tenant AND s.task_id >= k.task_id AND s.task_id <= k.task_id
                ORDER BY s.task_id OFFSET 0) AS s))
    )
    INSERT INTO task_search (tenant_id, task_id, name)
    SELECT tenant, k.task_id, task_name_fold(t.name) FROM unnest(ids) AS k (task_id) CROSS JOIN LATERAL (
        SELECT t.name FROM tasks t
        WHERE t.tenant_id = tenant AND t.task_id >= k.task_id AND t.task_id <= k.task_id
        ORDER BY t.task_id LIMIT 1) AS t;
END $function$;

CREATE OR REPLACE FUNCTION task_names_damaged(tenant text)
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

DROP FUNCTION task_names_differing;
DROP FUNCTION task_import_is_lost;
DROP INDEX task_changes_names_ahead;
ALTER TABLE task_changes DROP COLUMN names_ahead_of;
