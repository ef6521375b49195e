-- Counts the tasks of a span of keys again, into buckets of 256 tasks. One statement reads the tasks and the deltas, so both come from
-- one snapshot and the sum "buckets + deltas = tasks" stays true. With consume, for the whole list, it deletes all deltas
-- that it sees, and needs to place none. The caller holds task_counts_lock.
CREATE OR REPLACE FUNCTION task_segments_cut(tenant text, sorts smallint[], low_time timestamp with time zone, low_id text, high_time timestamp with time zone, high_id text, consume boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET work_mem TO '64MB'
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = ANY (sorts) AND s.level = 0
        AND s.key >= task_key(s.sort, low_time, low_id) AND s.key < task_key(s.sort, high_time, high_id);
    IF consume THEN
        WITH gone AS (
            DELETE FROM task_changes c
            WHERE c.tenant_id = tenant AND NOT (c.name_pending AND c.was = c.status)
            RETURNING c.start_time, c.created_at, c.end_time, c.task_id, c.was, c.status, c.name_pending
        ), kept AS (
            -- As in task_counts_fold.
            INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
            SELECT tenant, g.start_time, g.created_at, g.end_time, g.task_id, greatest(g.was, g.status),
                greatest(g.was, g.status), true
            FROM gone g WHERE g.name_pending
        ), labelled AS (
            INSERT INTO task_label_counts (tenant_id, label, pending, running, paused, completed, stopped, failed)
            SELECT tenant, g.label, count(*) FILTER (WHERE g.status = 1),
                count(*) FILTER (WHERE g.status = 2),
                count(*) FILTER (WHERE g.status = 3),
                count(*) FILTER (WHERE g.status = 4),
                count(*) FILTER (WHERE g.status = 5),
                count(*) FILTER (WHERE g.status = 6)
            FROM task_labels g WHERE g.tenant_id = tenant GROUP BY g.label
        ), entries AS (
            SELECT sort, 0::bigint AS piece, low_time AS start_time, low_id AS first_id, 0 AS status, 0 AS count
            FROM unnest(sorts) AS sort
            UNION ALL
            SELECT n.sort, n.number / 256, n.instant, CASE WHEN n.number % 256 = 0 AND n.number > 0 THEN n.task_id END,
                n.status, 1
            FROM task_numbered(tenant, sorts, low_time, low_id, high_time, high_id) n
        )
        INSERT INTO task_segments (tenant_id, sort, level, start_time, task_id, pending, running, paused, completed,
            stopped, failed)
        SELECT tenant, e.sort, 0, min(e.start_time), min(e.first_id),
            coalesce(sum(e.count) FILTER (WHERE e.status = 1), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 2), 0),
            coalesce(sum(e.count) FILTER (WHERE e.status = 3), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 4), 0),
            coalesce(sum(e.count) FILTER (WHERE e.status = 5), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 6), 0)
        FROM entries e GROUP BY e.sort, e.piece;
        RETURN;
    END IF;
    WITH numbered AS (
        SELECT * FROM task_numbered(tenant, sorts, low_time, low_id, high_time, high_id)
    ), placed AS (
        -- A change that stays lies in the piece of the last task before it, or at it.
        SELECT e.sort, max(e.number) OVER (PARTITION BY e.sort ORDER BY e.instant, e.task_id) AS number,
            e.status, e.count
        FROM (
            SELECT n.sort, n.instant, n.task_id, n.number, 0 AS status, 0 AS count FROM numbered n
            UNION ALL
            SELECT k.sort, k.instant, c.task_id, NULL, d.status, d.count
            FROM task_changes c CROSS JOIN unnest(sorts) AS sort CROSS JOIN LATERAL (
                SELECT sort, task_change_time(c, sort) AS instant) AS k
            CROSS JOIN LATERAL (VALUES (c.status, -1), (c.was, 1)) AS d (status, count)
            WHERE c.tenant_id = tenant AND d.status > 0
                AND (k.instant, c.task_id) >= (low_time, low_id) AND (k.instant, c.task_id) < (high_time, high_id)
        ) AS e
    ), entries AS (
        -- The first piece begins where the span does, not at its first task.
        SELECT sort, 0::bigint AS piece, low_time AS start_time, low_id AS first_id, 0 AS status, 0 AS count
        FROM unnest(sorts) AS sort
        UNION ALL
        SELECT n.sort, n.number / 256, n.instant, CASE WHEN n.number % 256 = 0 AND n.number > 0 THEN n.task_id END,
            n.status, 1
        FROM numbered n
        UNION ALL
        SELECT p.sort, coalesce(p.number / 256, 0), NULL, NULL, p.status, p.count FROM placed p WHERE p.count <> 0
    )
    INSERT INTO task_segments (tenant_id, sort, level, start_time, task_id, pending, running, paused, completed,
        stopped, failed)
    SELECT tenant, e.sort, 0, min(e.start_time), min(e.first_id),
        coalesce(sum(e.count) FILTER (WHERE e.status = 1), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 2), 0),
        coalesce(sum(e.count) FILTER (WHERE e.status = 3), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 4), 0),
        coalesce(sum(e.count) FILTER (WHERE e.status = 5), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 6), 0)
    FROM entries e GROUP BY e.sort, e.piece;
END $function$;
