-- What one delta adds to the number of tasks of some statuses: 1, 0 or -1.
CREATE OR REPLACE FUNCTION task_change_count(change task_changes, statuses smallint[])
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT (change.status = ANY (statuses))::integer - (change.was = ANY (statuses))::integer
$function$;

COMMENT ON FUNCTION task_change_count IS 'How many tasks of these statuses a change made more; -1 for one fewer.';
