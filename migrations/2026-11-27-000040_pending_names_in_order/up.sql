-- Reads the pending names in the order of the primary key, so that index entries of deleted deltas are read once only. A bitmap
-- scan would read them until a vacuum. For a while a release had this in the migration of number 13, so this one also makes
-- the databases equal that applied either.
SET LOCAL lock_timeout = '5s';
CREATE OR REPLACE FUNCTION task_names_find(tenant text, part text) RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 100
    SET enable_seqscan = off SET enable_indexscan = on SET enable_indexonlyscan = on SET enable_bitmapscan = on
    SET work_mem = '64MB' AS $function$
DECLARE
    folded text := task_name_fold(part);
    grams tsquery := task_name_query(tenant, folded);
BEGIN
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
