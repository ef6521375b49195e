-- The compaction of the counts brings the names for searches in line too. This is the first of two
-- steps: the functions know of deltas whose name is pending before the triggers write one. Otherwise
-- a compaction that began before the migration could delete such a delta and forget the name.
SET LOCAL lock_timeout = '5s';
ALTER TABLE task_changes ADD COLUMN name_pending boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN task_changes.name_pending IS 'Whether the task''s name has to be brought in line in task_search. A delta with was = status stands for this alone.';

CREATE FUNCTION task_names_follow(tenant text) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
    ids text[];
BEGIN
    BEGIN
        -- Names wait while an index is built. Counts do not.
        LOCK TABLE task_search IN ROW EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN;
    END;
    WITH renamed AS (
        DELETE FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending AND c.was = c.status
        RETURNING c.task_id
    ), others AS (
        UPDATE task_changes c SET name_pending = false
        WHERE c.tenant_id = tenant AND c.name_pending AND c.was <> c.status
        RETURNING c.task_id
    )
    SELECT array_agg(t.task_id) INTO ids
    FROM (SELECT r.task_id FROM renamed r UNION SELECT o.task_id FROM others o) AS t;
    -- One statement, so one snapshot: an import that commits meanwhile has added its rows for both parts
    -- or for none. By ctid and in the order of an index, so that no plan reads all of a table.
    WITH gone AS (
        DELETE FROM task_search n WHERE n.ctid = ANY (ARRAY(
            SELECT s.ctid FROM unnest(ids) AS k (task_id) CROSS JOIN LATERAL (
                SELECT s.ctid FROM task_search s
                WHERE s.tenant_id = tenant AND s.task_id >= k.task_id AND s.task_id <= k.task_id
                ORDER BY s.task_id OFFSET 0) AS s))
    )
    INSERT INTO task_search (tenant_id, task_id, name)
    SELECT tenant, k.task_id, task_name_fold(t.name) FROM unnest(ids) AS k (task_id) CROSS JOIN LATERAL (
        SELECT t.name FROM tasks t
        WHERE t.tenant_id = tenant AND t.task_id >= k.task_id AND t.task_id <= k.task_id
        ORDER BY t.task_id LIMIT 1) AS t;
END $function$;
COMMENT ON FUNCTION task_names_follow IS 'Brings the names of tasks with a pending delta in line, unless an index of them is being built. The caller holds task_counts_lock.';

CREATE OR REPLACE FUNCTION task_counts_fold(tenant text)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
DECLARE
    pending_changes bigint;
    all_tasks bigint;
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
    IF pending_changes = 0 THEN
        RETURN 0;
    END IF;
    SELECT pending + running + paused + completed + stopped + failed INTO all_tasks FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = 3;
    IF NOT FOUND OR pending_changes > greatest(all_tasks / 4, 10000) THEN
        -- For the first time, or after an import: counting anew is cheaper.
        PERFORM task_counts_rebuild(tenant);
        RETURN pending_changes;
    END IF;
    FOR segment IN
        WITH gone AS (
            DELETE FROM task_changes c WHERE c.tenant_id = tenant AND NOT (c.name_pending AND c.was = c.status)
            RETURNING c.start_time, c.task_id, c.was, c.status, c.name_pending
        ), kept AS (
            -- These came after task_names_follow, or it could not run. The next one takes them.
            INSERT INTO task_changes (tenant_id, start_time, task_id, was, status, name_pending)
            SELECT tenant, g.start_time, g.task_id, greatest(g.was, g.status), greatest(g.was, g.status), true
            FROM gone g WHERE g.name_pending
        ), changed AS (
            SELECT sort, task_key(sort, g.start_time, g.task_id) AS key,
                count(*) FILTER (WHERE g.status = 1) - count(*) FILTER (WHERE g.was = 1) AS pending,
                count(*) FILTER (WHERE g.status = 2) - count(*) FILTER (WHERE g.was = 2) AS running,
                count(*) FILTER (WHERE g.status = 3) - count(*) FILTER (WHERE g.was = 3) AS paused,
                count(*) FILTER (WHERE g.status = 4) - count(*) FILTER (WHERE g.was = 4) AS completed,
                count(*) FILTER (WHERE g.status = 5) - count(*) FILTER (WHERE g.was = 5) AS stopped,
                count(*) FILTER (WHERE g.status = 6) - count(*) FILTER (WHERE g.was = 6) AS failed
            FROM gone g CROSS JOIN (VALUES (1), (2)) AS sorts (sort)
            GROUP BY sort, g.start_time, g.task_id
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

CREATE OR REPLACE FUNCTION task_segments_cut(tenant text, sorts smallint[], low_time timestamp with time zone, low_id text, high_time timestamp with time zone, high_id text, consume boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET work_mem TO '64MB'
AS $function$
BEGIN
    DELETE FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = ANY (sorts) AND s.level = 0
        AND s.key >= task_key(s.sort, low_time, low_id) AND s.key < task_key(s.sort, high_time, high_id);
    WITH gone AS (
        DELETE FROM task_changes c
        WHERE consume AND c.tenant_id = tenant AND NOT (c.name_pending AND c.was = c.status)
        RETURNING c.start_time, c.task_id, c.was, c.status, c.name_pending
    ), kept AS (
        -- As in task_counts_fold.
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status, name_pending)
        SELECT tenant, g.start_time, g.task_id, greatest(g.was, g.status), greatest(g.was, g.status), true
        FROM gone g WHERE g.name_pending
    ), numbered AS (
        -- Status by status and in order, for the reason that task_rank tells.
        SELECT 1::smallint AS sort, k.start_time, k.task_id, k.status,
            row_number() OVER (ORDER BY k.start_time, k.task_id) - 1 AS number
        FROM unnest('{1,2,3,4,5,6}'::smallint[]) AS s (status) CROSS JOIN LATERAL (
            SELECT t.start_time, t.task_id, t.status FROM tasks t
            WHERE 1 = ANY (sorts) AND t.tenant_id = tenant AND t.status = s.status
                AND (t.start_time, t.task_id) >= (low_time, low_id) AND (t.start_time, t.task_id) < (high_time, high_id)
            ORDER BY t.start_time, t.task_id OFFSET 0) AS k
        UNION ALL
        SELECT 2, '-infinity', t.task_id, t.status, row_number() OVER (ORDER BY t.task_id) - 1
        FROM tasks t
        WHERE 2 = ANY (sorts) AND t.tenant_id = tenant AND t.task_id >= low_id AND t.task_id < high_id
    ), placed AS (
        -- A change that stays lies in the piece of the last task before it, or at it.
        SELECT e.sort, max(e.number) OVER (PARTITION BY e.sort ORDER BY e.start_time, e.task_id) AS number,
            e.status, e.count
        FROM (
            SELECT n.sort, n.start_time, n.task_id, n.number, 0 AS status, 0 AS count FROM numbered n WHERE NOT consume
            UNION ALL
            SELECT k.sort, k.start_time, c.task_id, NULL, d.status, d.count
            FROM task_changes c CROSS JOIN unnest(sorts) AS sort CROSS JOIN LATERAL (
                SELECT sort, CASE sort WHEN 1 THEN c.start_time ELSE '-infinity' END AS start_time) AS k
            CROSS JOIN LATERAL (VALUES (c.status, -1), (c.was, 1)) AS d (status, count)
            WHERE NOT consume AND c.tenant_id = tenant AND d.status > 0
                AND (k.start_time, c.task_id) >= (low_time, low_id) AND (k.start_time, c.task_id) < (high_time, high_id)
        ) AS e
    ), entries AS (
        -- The first piece begins where the span does, not at its first task.
        SELECT sort, 0::bigint AS piece, low_time AS start_time, low_id AS first_id, 0 AS status, 0 AS count
        FROM unnest(sorts) AS sort
        UNION ALL
        SELECT n.sort, n.number / 256, n.start_time, CASE WHEN n.number % 256 = 0 AND n.number > 0 THEN n.task_id END,
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

CREATE OR REPLACE FUNCTION task_counts_rebuild(tenant text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM task_counts_lock(tenant, true);
    LOCK TABLE tasks IN ACCESS SHARE MODE;
    PERFORM task_names_follow(tenant);
    DELETE FROM task_segments s WHERE s.tenant_id = tenant;
    PERFORM task_segments_cut(tenant, '{1,2}', '-infinity', '', 'infinity', task_key_end(), true);
    FOR depth IN 1..3 LOOP
        PERFORM task_segments_group(tenant, 1, depth, '', task_key_end());
        PERFORM task_segments_group(tenant, 2, depth, '', task_key_end());
    END LOOP;
END $function$;
