-- The time of a delta that a sort orders by. NULL for sorts 3 and 4 in a delta from before they were counted: it belongs
-- to no key, and the first compaction counts the tenant from scratch.
CREATE OR REPLACE FUNCTION task_change_time(change task_changes, sort integer)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE sort WHEN 1 THEN change.start_time WHEN 3 THEN change.created_at WHEN 4 THEN change.end_time
        ELSE '-infinity' END
$function$;

COMMENT ON FUNCTION task_change_time IS 'The time of a delta that a sort orders by; -infinity for sort 2, which orders by the id alone.';
