-- The number of tasks that start before an instant: task_rank_in for the sort by start_time.
CREATE OR REPLACE FUNCTION task_rank(tenant text, statuses smallint[], before timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    RETURN task_rank_in(tenant, 1::smallint, statuses, before);
END $function$;

COMMENT ON FUNCTION task_rank IS 'How many tasks of these statuses start before an instant.';
