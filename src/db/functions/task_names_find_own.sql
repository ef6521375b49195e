-- The search of names for a role that row-level security restricts. Runs as the owner, who may use the index of grams, and
-- takes the tenant from the setting that the policies compare with.
CREATE OR REPLACE FUNCTION task_names_find_own(part text)
 RETURNS SETOF text
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER ROWS 100
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    RETURN QUERY SELECT f.task_id FROM task_names_find(current_setting('outbound_tasks.tenant'), part) AS f (task_id);
END $function$;

COMMENT ON FUNCTION task_names_find_own IS 'The ids of the tasks of the tenant that is set whose name holds a text.';
