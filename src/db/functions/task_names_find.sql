-- The ids of the tasks whose name contains a part. Names in the index count only for tasks without a pending name; the
-- others are read from tasks, in the same snapshot. Its own planner settings allow the index on grams; OFFSET 0 keeps
-- PostgreSQL from scanning the other index by tenant instead. Between the two commits of an import (names_ahead_of in
-- task_changes) it compares each name with that in tasks.
-- For a role that row-level security restricts, task_names_find_own does the same as the owner.
CREATE OR REPLACE FUNCTION task_names_find(tenant text, part text)
 RETURNS SETOF text
 LANGUAGE plpgsql
 STABLE ROWS 100
 SET enable_seqscan TO 'off'
 SET enable_indexscan TO 'on'
 SET enable_indexonlyscan TO 'on'
 SET enable_bitmapscan TO 'on'
 SET work_mem TO '64MB'
 SET search_path TO 'public', 'pg_temp'
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

COMMENT ON FUNCTION task_names_find IS 'The ids of a tenant''s tasks whose name holds a text, whatever its case.';
