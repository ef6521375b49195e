-- The ids whose names a search would miss or find wrongly, for counts verify and counts rebuild.
CREATE OR REPLACE FUNCTION task_names_damaged(tenant text)
 RETURNS SETOF text
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
    -- Between the two commits of an import names have no tasks, and searches do not rely on them.
    SELECT d.task_id FROM task_names_differing(tenant) AS d (task_id)
    WHERE NOT EXISTS (SELECT FROM task_changes c WHERE c.tenant_id = tenant AND c.names_ahead_of IS NOT NULL)
$function$;

COMMENT ON FUNCTION task_names_damaged IS 'The ids whose name a search would miss or find wrongly: task_search lacks them, has another name, or has no task for them.';
