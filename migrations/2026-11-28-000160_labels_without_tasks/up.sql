-- A label that no task has any more keeps no row of counts: labels such as batch=20261128 come and go, and a row for each one
-- that ever was would stay for good. The index finds the empty rows; it holds none but those, until the next compaction. The
-- lock lasts for a moment, and only compactions wait for it.
SET LOCAL lock_timeout = '5s';

CREATE INDEX task_label_counts_empty ON task_label_counts (tenant_id)
WHERE pending = 0 AND running = 0 AND paused = 0 AND completed = 0 AND stopped = 0 AND failed = 0;
COMMENT ON INDEX task_label_counts_empty IS 'Labels that no task has any more; the next compaction removes them.';

CREATE OR REPLACE FUNCTION task_counts_fold(tenant text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
DECLARE
    pending_changes bigint;
    all_tasks bigint;
    is_counted boolean;
    segment task_segments;
    grown task_segments[] := '{}';
    any_names boolean;
BEGIN
    IF NOT task_counts_lock(tenant, false) THEN
        RETURN 0;
    END IF;
    -- TRUNCATE tasks locks the tables in this order too.
    LOCK TABLE tasks IN ACCESS SHARE MODE;
    SELECT count(*) FILTER (WHERE c.was <> c.status), bool_or(c.name_pending) INTO pending_changes, any_names
    FROM task_changes c WHERE c.tenant_id = tenant;
    IF any_names THEN
        PERFORM task_names_follow(tenant);
    END IF;
    -- False after a migration or TRUNCATE, and for a new tenant: deltas from then may lack what a sort orders by.
    is_counted := EXISTS (SELECT FROM task_segments s WHERE s.tenant_id = tenant AND s.sort = 3 AND s.level = 3)
        AND EXISTS (SELECT FROM task_segments s WHERE s.tenant_id = tenant AND s.sort = 4 AND s.level = 3);
    IF pending_changes = 0 AND is_counted THEN
        RETURN 0;
    END IF;
    SELECT pending + running + paused + completed + stopped + failed INTO all_tasks FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = 3;
    IF NOT FOUND OR NOT is_counted OR pending_changes > greatest(all_tasks / 4, 10000) THEN
        -- For the first time, or after an import: counting anew is cheaper.
        PERFORM task_counts_rebuild(tenant);
        RETURN pending_changes;
    END IF;
    FOR segment IN
        WITH gone AS (
            DELETE FROM task_changes c WHERE c.tenant_id = tenant AND NOT (c.name_pending AND c.was = c.status)
            RETURNING c.start_time, c.created_at, c.end_time, c.task_id, c.was, c.status, c.name_pending, c.labels
        ), kept AS (
            -- These came after task_names_follow, or it could not run. The next one takes them.
            INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
            SELECT tenant, g.start_time, g.created_at, g.end_time, g.task_id, greatest(g.was, g.status), greatest(g.was, g.status), true
            FROM gone g WHERE g.name_pending
        ), labelled AS (
            INSERT INTO task_label_counts AS n (tenant_id, label, pending, running, paused, completed, stopped, failed)
            SELECT tenant, l.label, count(*) FILTER (WHERE g.status = 1) - count(*) FILTER (WHERE g.was = 1),
                count(*) FILTER (WHERE g.status = 2) - count(*) FILTER (WHERE g.was = 2),
                count(*) FILTER (WHERE g.status = 3) - count(*) FILTER (WHERE g.was = 3),
                count(*) FILTER (WHERE g.status = 4) - count(*) FILTER (WHERE g.was = 4),
                count(*) FILTER (WHERE g.status = 5) - count(*) FILTER (WHERE g.was = 5),
                count(*) FILTER (WHERE g.status = 6) - count(*) FILTER (WHERE g.was = 6)
            FROM gone g CROSS JOIN unnest(g.labels) AS l (label) GROUP BY l.label
            ON CONFLICT (tenant_id, label) DO UPDATE SET
                pending = n.pending + excluded.pending, running = n.running + excluded.running, paused = n.paused + excluded.paused,
                completed = n.completed + excluded.completed, stopped = n.stopped + excluded.stopped, failed = n.failed + excluded.failed
        ), changed AS (
            SELECT k.sort, task_key(k.sort, k.instant, g.task_id) AS key,
                count(*) FILTER (WHERE g.status = 1) - count(*) FILTER (WHERE g.was = 1) AS pending,
                count(*) FILTER (WHERE g.status = 2) - count(*) FILTER (WHERE g.was = 2) AS running,
                count(*) FILTER (WHERE g.status = 3) - count(*) FILTER (WHERE g.was = 3) AS paused,
                count(*) FILTER (WHERE g.status = 4) - count(*) FILTER (WHERE g.was = 4) AS completed,
                count(*) FILTER (WHERE g.status = 5) - count(*) FILTER (WHERE g.was = 5) AS stopped,
                count(*) FILTER (WHERE g.status = 6) - count(*) FILTER (WHERE g.was = 6) AS failed
            FROM gone g CROSS JOIN LATERAL (
                VALUES (1, g.start_time), (2, '-infinity'), (3, g.created_at), (4, g.end_time)) AS k (sort, instant)
            GROUP BY k.sort, k.instant, g.task_id
        ), segments AS (
            SELECT c.sort, 0 AS level, s.key,
                sum(c.pending) AS pending, sum(c.running) AS running, sum(c.paused) AS paused,
                sum(c.completed) AS completed, sum(c.stopped) AS stopped, sum(c.failed) AS failed
            FROM changed c CROSS JOIN LATERAL (
                SELECT s.key FROM task_segments s
                WHERE s.tenant_id = tenant AND s.sort = c.sort AND s.level = 0 AND s.key <= c.key
                ORDER BY s.key DESC LIMIT 1) AS s
            GROUP BY c.sort, s.key
        ), groups AS (
            SELECT u.sort, levels.level, s.key,
                sum(u.pending) AS pending, sum(u.running) AS running, sum(u.paused) AS paused,
                sum(u.completed) AS completed, sum(u.stopped) AS stopped, sum(u.failed) AS failed
            FROM segments u CROSS JOIN (VALUES (1), (2), (3)) AS levels (level) CROSS JOIN LATERAL (
                SELECT s.key FROM task_segments s
                WHERE s.tenant_id = tenant AND s.sort = u.sort AND s.level = levels.level AND s.key <= u.key
                ORDER BY s.key DESC LIMIT 1) AS s
            GROUP BY u.sort, levels.level, s.key
        ), nodes AS (
            SELECT * FROM segments UNION ALL SELECT * FROM groups
        )
        UPDATE task_segments s SET pending = s.pending + n.pending, running = s.running + n.running,
            paused = s.paused + n.paused, completed = s.completed + n.completed, stopped = s.stopped + n.stopped,
            failed = s.failed + n.failed
        FROM nodes n
        WHERE s.tenant_id = tenant AND s.sort = n.sort AND s.level = n.level AND s.key = n.key
        RETURNING s.*
    LOOP
        IF segment.level = 0 AND segment.pending + segment.running + segment.paused + segment.completed
            + segment.stopped + segment.failed > 512 THEN
            grown := grown || segment;
        END IF;
    END LOOP;
    -- The labels of tasks that are gone; otherwise a row for each label that ever was would stay.
    DELETE FROM task_label_counts n
    WHERE n.tenant_id = tenant AND n.pending = 0 AND n.running = 0 AND n.paused = 0 AND n.completed = 0 AND n.stopped = 0 AND n.failed = 0;
    -- Each split passes over all changes, also those just added, which PostgreSQL keeps until the end.
    IF cardinality(grown) * pending_changes > greatest(16 * all_tasks, 1000000) THEN
        PERFORM task_counts_rebuild(tenant);
        RETURN pending_changes;
    END IF;
    FOREACH segment IN ARRAY grown LOOP
        PERFORM task_segments_split(tenant, segment);
    END LOOP;
    RETURN pending_changes;
END $function$;

COMMENT ON FUNCTION task_counts_fold IS 'Adds the changes to the segments, unless another does so already; answers how many there were.';
