-- Rebuilds the buckets of one level from the level below, 32 in each; level 3 is a single bucket. The caller holds
-- task_counts_lock.
CREATE OR REPLACE FUNCTION task_segments_group(tenant text, sorted integer, depth integer, low_key text, high_key text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level = depth AND s.key >= low_key AND s.key < high_key;
    INSERT INTO task_segments (tenant_id, sort, level, start_time, task_id, pending, running, paused, completed,
        stopped, failed)
    SELECT tenant, sorted, depth, min(g.start_time), min(g.task_id) FILTER (WHERE g.place % 32 = 0),
        sum(g.pending), sum(g.running), sum(g.paused), sum(g.completed), sum(g.stopped), sum(g.failed)
    FROM (
        SELECT s.*, row_number() OVER (ORDER BY s.key) - 1 AS place FROM task_segments s
        WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level = depth - 1
            AND s.key >= low_key AND s.key < high_key
    ) AS g
    GROUP BY CASE WHEN depth < 3 THEN g.place / 32 END;
END $function$;
