-- What the total of a range of created_at or end_time, and a page in it, need from the count index. If `indexed`, the total
-- is last - first, and task_seek finds a page. If not, first is 0 and last is the total: either the tenant is without
-- the sort until its next compaction, or the range is so narrow that its tasks are counted faster than two ranks.
-- NULL is an open side.
CREATE OR REPLACE FUNCTION task_range(tenant text, sorted smallint, statuses smallint[], lower timestamp with time zone, upper timestamp with time zone, OUT first bigint, OUT last bigint, OUT indexed boolean)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    low timestamptz := coalesce(lower, '-infinity');
    high timestamptz := coalesce(upper, 'infinity');
    begun bigint;
    held bigint;
BEGIN
    indexed := EXISTS (SELECT FROM task_segments s WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level = 3);
    first := 0;
    IF lower IS NULL AND upper IS NULL THEN
        last := task_total(tenant, statuses);
        RETURN;
    END IF;
    IF indexed THEN
        -- The segments that begin in the range say whether it is narrow. Then its tasks are counted sooner than two ranks.
        SELECT count(*), sum(k.count) INTO begun, held FROM (
            SELECT task_segment_count(s, statuses) AS count FROM task_segments s
            WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level = 0
                AND s.key >= task_key(sorted, low, '') AND s.key < task_key(sorted, high, '')
            ORDER BY s.key LIMIT 16) AS k;
        indexed := begun >= 2 AND (begun = 16 OR held > 256);
    END IF;
    IF indexed THEN
        IF lower IS NOT NULL THEN
            first := task_rank_in(tenant, sorted, statuses, lower);
        END IF;
        last := CASE WHEN upper IS NULL THEN task_total(tenant, statuses)
            ELSE task_rank_in(tenant, sorted, statuses, upper) END;
    ELSIF sorted = 1 THEN
        SELECT coalesce(sum(k.count), 0) INTO last FROM unnest(statuses) AS s (status) CROSS JOIN LATERAL (
            SELECT count(*) FROM (
                SELECT FROM tasks t
                WHERE t.tenant_id = tenant AND t.status = s.status AND t.start_time >= low AND t.start_time < high
                ORDER BY t.start_time, t.task_id OFFSET 0) AS t) AS k;
    ELSIF sorted = 3 THEN
        SELECT coalesce(sum(k.count), 0) INTO last FROM unnest(statuses) AS s (status) CROSS JOIN LATERAL (
            SELECT count(*) FROM (
                SELECT FROM tasks t
                WHERE t.tenant_id = tenant AND t.status = s.status AND t.created_at >= low AND t.created_at < high
                ORDER BY t.created_at, t.task_id OFFSET 0) AS t) AS k;
    ELSE
        SELECT coalesce(sum(k.count), 0) INTO last FROM unnest(statuses) AS s (status) CROSS JOIN LATERAL (
            SELECT count(*) FROM (
                SELECT FROM tasks t
                WHERE t.tenant_id = tenant AND t.status = s.status AND t.end_time >= low AND t.end_time < high
                ORDER BY t.end_time, t.task_id OFFSET 0) AS t) AS k;
    END IF;
END $function$;

COMMENT ON FUNCTION task_range IS 'How many tasks of these statuses lie before a range of a sort (first) and before its end (last), if indexed; else 0, and the tasks in the range.';
