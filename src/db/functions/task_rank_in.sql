-- The number of tasks before an instant, in the order of start_time, created_at or end_time. It descends the bucket levels:
-- on each it adds the buckets before the key, and continues inside the last one. The deltas and the tasks inside the bucket
-- complete the count. Where the sort has no buckets, it counts all tasks before the instant.
CREATE OR REPLACE FUNCTION task_rank_in(tenant text, sorted smallint, statuses smallint[], before timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    end_key text := task_key(sorted, before, '');
    rank bigint := 0;
    part bigint;
    node record;
    low_key text := '';
    low_time timestamptz := '-infinity';
    low_id text := '';
BEGIN
    FOR depth IN REVERSE 2..0 LOOP
        SELECT n.* INTO node FROM (
            SELECT s.key, s.start_time, s.task_id, sum(task_segment_count(s, statuses)) OVER (
                ORDER BY s.key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
            FROM task_segments s
            WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level = depth::smallint
                AND s.key >= low_key AND s.key <= end_key
        ) AS n ORDER BY n.key DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        rank := rank + coalesce(node.before, 0);
        low_key := node.key;
        low_time := node.start_time;
        low_id := node.task_id;
    END LOOP;
    SELECT coalesce(sum(task_change_count(c, statuses)), 0) INTO part FROM task_changes c
    WHERE c.tenant_id = tenant AND (task_change_time(c, sorted), c.task_id) < (low_time, low_id);
    rank := rank + part;
    -- Status by status and in order, which one index alone offers: the planner may not take another one that holds
    -- the time behind something else, and read all of the tenant through it.
    IF sorted = 1 THEN
        SELECT coalesce(sum(k.count), 0) INTO part FROM unnest(statuses) AS s (status) CROSS JOIN LATERAL (
            SELECT count(*) FROM (
                SELECT FROM tasks t
                WHERE t.tenant_id = tenant AND t.status = s.status AND t.start_time < before
                    AND (t.start_time, t.task_id) >= (low_time, low_id)
                ORDER BY t.start_time, t.task_id OFFSET 0) AS t) AS k;
    ELSIF sorted = 3 THEN
        SELECT coalesce(sum(k.count), 0) INTO part FROM unnest(statuses) AS s (status) CROSS JOIN LATERAL (
            SELECT count(*) FROM (
                SELECT FROM tasks t
                WHERE t.tenant_id = tenant AND t.status = s.status AND t.created_at < before
                    AND (t.created_at, t.task_id) >= (low_time, low_id)
                ORDER BY t.created_at, t.task_id OFFSET 0) AS t) AS k;
    ELSE
        SELECT coalesce(sum(k.count), 0) INTO part FROM unnest(statuses) AS s (status) CROSS JOIN LATERAL (
            SELECT count(*) FROM (
                SELECT FROM tasks t
                WHERE t.tenant_id = tenant AND t.status = s.status AND t.end_time < before
                    AND (t.end_time, t.task_id) >= (low_time, low_id)
                ORDER BY t.end_time, t.task_id OFFSET 0) AS t) AS k;
    END IF;
    RETURN rank + part;
END $function$;

COMMENT ON FUNCTION task_rank_in IS 'How many tasks of these statuses lie before an instant in the order of sort 1, 3 or 4.';
