-- The position of a task in a sort order, as one text that sorts bytewise: sort 1 is (start_time, task_id), sort 2 is
-- task_id, sort 3 is (created_at, task_id) and sort 4 is (end_time, task_id). start_time is the time that the sort orders
-- by. With one column PostgreSQL can stop an index scan at an upper bound; with two it stops only where the first
-- one differs. The eight bytes of a timestamp sort as bytes once the sign bit is flipped.
CREATE OR REPLACE FUNCTION task_key(sort integer, start_time timestamp with time zone, task_id text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE sort WHEN 2 THEN task_id ELSE encode(set_byte(timestamptz_send(start_time), 0,
        get_byte(timestamptz_send(start_time), 0) # 128), 'hex') || task_id END
$function$;

COMMENT ON FUNCTION task_key IS 'Where a task stands in the order of a sort.';
