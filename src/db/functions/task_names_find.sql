-- The ids of the tasks whose name contains a part. Its own planner settings allow the index on grams only; OFFSET 0 keeps
-- PostgreSQL from scanning the primary key by tenant instead.
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

COMMENT ON FUNCTION task_names_find IS 'The ids of a tenant''s tasks whose name holds a text, whatever its case.';
