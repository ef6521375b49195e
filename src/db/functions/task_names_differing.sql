-- The ids whose rows of task_search are not exactly the names of the tasks. Names with a pending delta are read from the tasks, so
-- their rows do not matter. It reads all tasks and names of the tenant once.
CREATE OR REPLACE FUNCTION task_names_differing(tenant text)
 RETURNS SETOF text
 LANGUAGE sql
 STABLE
 SET work_mem TO '64MB'
 SET search_path TO 'public', 'pg_temp'
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
