-- Counts that are exact in every snapshot and cost the same at ten million tasks as at ten thousand.
--
-- A list is cut into segments of a few hundred tasks each, once as ordered by start_time (sort 1) and once as ordered
-- by task_id (sort 2). A segment begins at a key and ends where the next one begins; it holds how many tasks of each
-- status lie in it. Level 0 are these segments, level 1 groups of them, level 2 the whole list, in one row. How many
-- tasks lie before a key, and which task is the n-th, is a walk down: some hundred rows of each level, then one
-- segment of the tasks' own index.
--
-- Writers touch no segment: they would queue on its row. They add to task_changes what they did to which key, in the
-- transaction that does it. So in every snapshot, and for every span of keys,
--
--     tasks = sum of the segments + sum of the changes
--
-- and every reader adds both. task_counts_fold takes the changes that it sees, adds them to the segments, and splits
-- what has grown too large: one at a time for a tenant, in the way of nobody else.

CREATE TABLE task_changes (
    tenant_id text COLLATE "C" NOT NULL,
    change_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    start_time timestamptz NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL,
    change smallint NOT NULL CHECK (change IN (-1, 1)),
    PRIMARY KEY (tenant_id, change_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE task_changes IS 'What became more (1) or fewer (-1) since task_segments was last brought up to date.';

CREATE TABLE task_segments (
    tenant_id text COLLATE "C" NOT NULL,
    sort smallint NOT NULL CHECK (sort IN (1, 2)),
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 2),
    start_time timestamptz NOT NULL CHECK (sort = 1 OR start_time = '-infinity'),
    task_id text COLLATE "C" NOT NULL,
    pending integer NOT NULL,
    running integer NOT NULL,
    paused integer NOT NULL,
    completed integer NOT NULL,
    stopped integer NOT NULL,
    failed integer NOT NULL,
    PRIMARY KEY (tenant_id, sort, level, start_time, task_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE task_segments IS 'How many tasks of each status lie between this key and the next one of the same sort and level.';
COMMENT ON COLUMN task_segments.sort IS '1: in the order of (start_time, task_id); 2: of task_id, with start_time -infinity.';
COMMENT ON COLUMN task_segments.level IS '0: segments; 1: groups of segments; 2: the whole list, in one row.';

CREATE FUNCTION task_changes_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, status, change)
        SELECT tenant_id, start_time, task_id, status, 1 FROM new_tasks;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, status, change)
        SELECT tenant_id, start_time, task_id, status, -1 FROM old_tasks;
    ELSE
        INSERT INTO task_changes (tenant_id, start_time, task_id, status, change)
        SELECT tenant_id, start_time, task_id, status, -1 FROM (
            SELECT tenant_id, start_time, task_id, status FROM old_tasks
            EXCEPT ALL SELECT tenant_id, start_time, task_id, status FROM new_tasks) AS gone
        UNION ALL
        SELECT tenant_id, start_time, task_id, status, 1 FROM (
            SELECT tenant_id, start_time, task_id, status FROM new_tasks
            EXCEPT ALL SELECT tenant_id, start_time, task_id, status FROM old_tasks) AS come;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks
    REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();
CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks
    REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();
CREATE TRIGGER tasks_updated AFTER UPDATE ON tasks
    REFERENCING OLD TABLE AS old_tasks NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();

CREATE FUNCTION tasks_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE task_changes, task_segments;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_truncated();

CREATE FUNCTION task_segment_count(segment task_segments, statuses smallint[]) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN 1 = ANY (statuses) THEN segment.pending ELSE 0 END
        + CASE WHEN 2 = ANY (statuses) THEN segment.running ELSE 0 END
        + CASE WHEN 3 = ANY (statuses) THEN segment.paused ELSE 0 END
        + CASE WHEN 4 = ANY (statuses) THEN segment.completed ELSE 0 END
        + CASE WHEN 5 = ANY (statuses) THEN segment.stopped ELSE 0 END
        + CASE WHEN 6 = ANY (statuses) THEN segment.failed ELSE 0 END
$$;
COMMENT ON FUNCTION task_segment_count IS 'How many tasks of these statuses a segment holds, changes apart.';

-- STABLE: these see the snapshot of the statement that calls them.
CREATE FUNCTION task_total(tenant text, statuses smallint[]) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT task_segment_count(s, statuses) FROM task_segments s
            WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = 2), 0)
        + coalesce((SELECT sum(c.change) FROM task_changes c
            WHERE c.tenant_id = tenant AND c.status = ANY (statuses)), 0)
$$;
COMMENT ON FUNCTION task_total(text, smallint[]) IS 'How many tasks have one of these statuses.';

CREATE FUNCTION task_rank(tenant text, statuses smallint[], before timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    rank bigint := 0;
    part bigint;
    low_time timestamptz := '-infinity';
    low_id text := '';
    next_time timestamptz;
    next_id text;
BEGIN
    FOR depth IN REVERSE 1..0 LOOP
        SELECT s.start_time, s.task_id INTO next_time, next_id FROM task_segments s
        WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = depth::smallint
            AND (s.start_time, s.task_id) <= (before, '')
        ORDER BY s.start_time DESC, s.task_id DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        SELECT coalesce(sum(task_segment_count(s, statuses)), 0) INTO part FROM task_segments s
        WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = depth::smallint
            AND (s.start_time, s.task_id) >= (low_time, low_id) AND (s.start_time, s.task_id) < (next_time, next_id);
        rank := rank + part;
        low_time := next_time;
        low_id := next_id;
    END LOOP;
    SELECT coalesce(sum(c.change), 0) INTO part FROM task_changes c
    WHERE c.tenant_id = tenant AND c.status = ANY (statuses) AND (c.start_time, c.task_id) < (low_time, low_id);
    rank := rank + part;
    -- Status by status and in order, which one index alone offers: the planner may not take another one that holds
    -- start_time behind something else, and read all of the tenant through it.
    SELECT coalesce(sum(k.count), 0) INTO part FROM unnest(statuses) AS s (status) CROSS JOIN LATERAL (
        SELECT count(*) FROM (
            SELECT FROM tasks t
            WHERE t.tenant_id = tenant AND t.status = s.status AND t.start_time < before
                AND (t.start_time, t.task_id) >= (low_time, low_id)
            ORDER BY t.start_time, t.task_id OFFSET 0) AS t) AS k;
    RETURN rank + part;
END $$;
COMMENT ON FUNCTION task_rank IS 'How many tasks of these statuses start before an instant.';

CREATE FUNCTION task_seek(tenant text, sorted smallint, statuses smallint[], rank bigint,
    OUT start_time timestamptz, OUT task_id text, OUT skip bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    high_time timestamptz := 'infinity';
    high_id text := '';
    node record;
BEGIN
    start_time := '-infinity';
    task_id := '';
    skip := rank;
    FOR depth IN REVERSE 1..0 LOOP
        -- Segments and changes in one line, by key: what stands before a segment's row is what lies before its key.
        SELECT * INTO node FROM (
            SELECT line.*, lead(line.start_time) OVER nodes AS next_time, lead(line.task_id) OVER nodes AS next_id
            FROM (
                SELECT entry.start_time, entry.task_id, entry.is_node, coalesce(sum(entry.count) OVER (
                    ORDER BY entry.start_time, entry.task_id, entry.is_node DESC
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
                FROM (
                    SELECT s.start_time, s.task_id, task_segment_count(s, statuses) AS count, true AS is_node
                    FROM task_segments s
                    WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level = depth::smallint
                        AND (s.start_time, s.task_id) >= (task_seek.start_time, task_seek.task_id)
                        AND (s.start_time, s.task_id) < (high_time, high_id)
                    UNION ALL
                    SELECT CASE sorted WHEN 1 THEN c.start_time ELSE '-infinity' END, c.task_id, c.change, false
                    FROM task_changes c
                    WHERE c.tenant_id = tenant AND c.status = ANY (statuses)
                        AND (CASE sorted WHEN 1 THEN c.start_time ELSE '-infinity' END, c.task_id)
                            >= (task_seek.start_time, task_seek.task_id)
                        AND (CASE sorted WHEN 1 THEN c.start_time ELSE '-infinity' END, c.task_id)
                            < (high_time, high_id)
                ) AS entry
            ) AS line
            WHERE line.is_node
            WINDOW nodes AS (ORDER BY line.start_time, line.task_id)
        ) AS found
        WHERE found.before <= skip
        ORDER BY found.start_time DESC, found.task_id DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        start_time := node.start_time;
        task_id := node.task_id;
        skip := skip - node.before;
        IF node.next_time IS NOT NULL THEN
            high_time := node.next_time;
            high_id := node.next_id;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION task_seek IS 'A key close before the task of this rank (from 0), and how many tasks of these statuses lie between.';

-- A key beyond all others: ids have at most 128 characters.
CREATE FUNCTION task_id_end() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT repeat(chr(1114111), 129) $$;

-- One at a time brings a tenant's segments up to date; the lock goes with the transaction.
CREATE FUNCTION task_counts_lock(tenant text, wait boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    lock CONSTANT bigint := hashtextextended(current_schema() || '/' || tenant, 7265830215);
BEGIN
    IF wait THEN
        PERFORM pg_advisory_xact_lock(lock);
        RETURN true;
    END IF;
    RETURN pg_try_advisory_xact_lock(lock);
END $$;

-- Makes the segments of some keys anew, 256 tasks each. What is there of them is deleted first; the rest is one
-- statement, so one snapshot: counting the tasks, less the changes that it sees and leaves (or, with consume, takes),
-- keeps the sum above true whatever comes. Only for who holds the lock.
CREATE FUNCTION task_segments_cut(tenant text, sorts smallint[], low_time timestamptz, low_id text,
    high_time timestamptz, high_id text, consume boolean) RETURNS void LANGUAGE plpgsql SET work_mem = '64MB' AS $$
BEGIN
    DELETE FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = ANY (sorts) AND s.level = 0
        AND (s.start_time, s.task_id) >= (low_time, low_id) AND (s.start_time, s.task_id) < (high_time, high_id);
    WITH gone AS (
        DELETE FROM task_changes c WHERE consume AND c.tenant_id = tenant
    ), keys AS (
        SELECT 1::smallint AS sort, t.start_time, t.task_id, t.status FROM tasks t
        WHERE 1 = ANY (sorts) AND t.tenant_id = tenant
            AND (t.start_time, t.task_id) >= (low_time, low_id) AND (t.start_time, t.task_id) < (high_time, high_id)
        UNION ALL
        SELECT 2, '-infinity', t.task_id, t.status FROM tasks t
        WHERE 2 = ANY (sorts) AND t.tenant_id = tenant AND t.task_id >= low_id AND t.task_id < high_id
    ), numbered AS (
        SELECT k.*, row_number() OVER (PARTITION BY k.sort ORDER BY k.start_time, k.task_id) AS number FROM keys k
    ), entries AS (
        -- The first piece begins where the span does, not at its first task. Status 0 marks where a piece begins.
        SELECT n.sort, n.start_time, n.task_id, 0 AS status, 0 AS count FROM numbered n
        WHERE n.number % 256 = 1 AND n.number > 1
        UNION ALL SELECT sort, low_time, low_id, 0, 0 FROM unnest(sorts) AS sort
        UNION ALL SELECT n.sort, n.start_time, n.task_id, n.status, 1 FROM numbered n
        UNION ALL
        SELECT k.sort, k.start_time, c.task_id, c.status, -c.change
        FROM task_changes c CROSS JOIN unnest(sorts) AS sort CROSS JOIN LATERAL (
            SELECT sort, CASE sort WHEN 1 THEN c.start_time ELSE '-infinity' END AS start_time) AS k
        WHERE NOT consume AND c.tenant_id = tenant
            AND (k.start_time, c.task_id) >= (low_time, low_id) AND (k.start_time, c.task_id) < (high_time, high_id)
    ), placed AS (
        SELECT e.*, count(*) FILTER (WHERE e.status = 0) OVER (
            PARTITION BY e.sort ORDER BY e.start_time, e.task_id, e.status
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS piece
        FROM entries e
    )
    INSERT INTO task_segments
    SELECT tenant, p.sort, 0, min(p.start_time) FILTER (WHERE p.status = 0), min(p.task_id) FILTER (WHERE p.status = 0),
        coalesce(sum(p.count) FILTER (WHERE p.status = 1), 0), coalesce(sum(p.count) FILTER (WHERE p.status = 2), 0),
        coalesce(sum(p.count) FILTER (WHERE p.status = 3), 0), coalesce(sum(p.count) FILTER (WHERE p.status = 4), 0),
        coalesce(sum(p.count) FILTER (WHERE p.status = 5), 0), coalesce(sum(p.count) FILTER (WHERE p.status = 6), 0)
    FROM placed p GROUP BY p.sort, p.piece;
END $$;

-- Makes the groups of 128 segments anew, and the whole. Only for who holds the lock.
CREATE FUNCTION task_segments_group(tenant text, sorted smallint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM task_segments s WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level > 0;
    INSERT INTO task_segments
    SELECT tenant, sorted, g.level, min(g.start_time), (array_agg(g.task_id ORDER BY g.start_time, g.task_id))[1],
        sum(g.pending), sum(g.running), sum(g.paused), sum(g.completed), sum(g.stopped), sum(g.failed)
    FROM (
        SELECT s.*, l.level, CASE l.level WHEN 1 THEN (row_number() OVER (PARTITION BY l.level
            ORDER BY s.start_time, s.task_id) - 1) / 128 END AS number
        FROM (SELECT start_time, task_id, pending, running, paused, completed, stopped, failed FROM task_segments
            WHERE tenant_id = tenant AND sort = sorted AND level = 0) AS s
        CROSS JOIN (VALUES (1), (2)) AS l (level)
    ) AS g
    GROUP BY g.level, g.number;
END $$;

CREATE FUNCTION task_counts_rebuild(tenant text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM task_counts_lock(tenant, true);
    DELETE FROM task_segments s WHERE s.tenant_id = tenant;
    PERFORM task_segments_cut(tenant, '{1,2}', '-infinity', '', 'infinity', task_id_end(), true);
    PERFORM task_segments_group(tenant, 1::smallint);
    PERFORM task_segments_group(tenant, 2::smallint);
END $$;
COMMENT ON FUNCTION task_counts_rebuild IS 'Counts all of a tenant''s tasks anew.';

CREATE FUNCTION task_counts_fold(tenant text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pending_changes bigint;
    all_tasks bigint;
    segment record;
    next record;
    is_split boolean[] := '{false,false}';
BEGIN
    IF NOT task_counts_lock(tenant, false) THEN
        RETURN 0;
    END IF;
    SELECT count(*) INTO pending_changes FROM task_changes c WHERE c.tenant_id = tenant;
    SELECT pending + running + paused + completed + stopped + failed INTO all_tasks FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = 2;
    IF pending_changes = 0 THEN
        RETURN 0;
    END IF;
    IF NOT FOUND OR pending_changes > greatest(all_tasks / 4, 10000) THEN
        -- For the first time, or after an import: counting anew is cheaper.
        PERFORM task_counts_rebuild(tenant);
        RETURN pending_changes;
    END IF;
    FOR segment IN
        WITH gone AS (
            DELETE FROM task_changes c WHERE c.tenant_id = tenant
            RETURNING c.start_time, c.task_id, c.status, c.change
        ), placed AS (
            SELECT s.*, g.status, g.change
            FROM gone g CROSS JOIN (VALUES (1::smallint), (2::smallint)) AS sorts (sort) CROSS JOIN LATERAL (
                SELECT s.sort, s.start_time, s.task_id FROM task_segments s
                WHERE s.tenant_id = tenant AND s.sort = sorts.sort AND s.level = 0
                    AND (s.start_time, s.task_id)
                        <= (CASE sorts.sort WHEN 1 THEN g.start_time ELSE '-infinity' END, g.task_id)
                ORDER BY s.start_time DESC, s.task_id DESC LIMIT 1) AS s
        ), sums AS (
            SELECT p.sort, p.start_time, p.task_id,
                coalesce(sum(p.change) FILTER (WHERE p.status = 1), 0) AS pending,
                coalesce(sum(p.change) FILTER (WHERE p.status = 2), 0) AS running,
                coalesce(sum(p.change) FILTER (WHERE p.status = 3), 0) AS paused,
                coalesce(sum(p.change) FILTER (WHERE p.status = 4), 0) AS completed,
                coalesce(sum(p.change) FILTER (WHERE p.status = 5), 0) AS stopped,
                coalesce(sum(p.change) FILTER (WHERE p.status = 6), 0) AS failed
            FROM placed p GROUP BY p.sort, p.start_time, p.task_id
        ), nodes AS (
            SELECT u.sort, n.level, n.start_time, n.task_id, sum(u.pending) AS pending, sum(u.running) AS running,
                sum(u.paused) AS paused, sum(u.completed) AS completed, sum(u.stopped) AS stopped,
                sum(u.failed) AS failed
            FROM sums u CROSS JOIN (VALUES (0::smallint), (1::smallint), (2::smallint)) AS l (level)
            CROSS JOIN LATERAL (
                SELECT s.level, s.start_time, s.task_id FROM task_segments s
                WHERE s.tenant_id = tenant AND s.sort = u.sort AND s.level = l.level
                    AND (s.start_time, s.task_id) <= (u.start_time, u.task_id)
                ORDER BY s.start_time DESC, s.task_id DESC LIMIT 1) AS n
            GROUP BY u.sort, n.level, n.start_time, n.task_id
        )
        UPDATE task_segments s SET pending = s.pending + n.pending, running = s.running + n.running,
            paused = s.paused + n.paused, completed = s.completed + n.completed, stopped = s.stopped + n.stopped,
            failed = s.failed + n.failed
        FROM nodes n
        WHERE s.tenant_id = tenant AND s.sort = n.sort AND s.level = n.level AND s.start_time = n.start_time
            AND s.task_id = n.task_id
        RETURNING s.sort, s.level, s.start_time, s.task_id,
            s.pending + s.running + s.paused + s.completed + s.stopped + s.failed AS tasks
    LOOP
        CONTINUE WHEN segment.level > 0 OR segment.tasks <= 512;
        SELECT s.start_time, s.task_id INTO next FROM task_segments s
        WHERE s.tenant_id = tenant AND s.sort = segment.sort AND s.level = 0
            AND (s.start_time, s.task_id) > (segment.start_time, segment.task_id)
        ORDER BY s.start_time, s.task_id LIMIT 1;
        PERFORM task_segments_cut(tenant, ARRAY[segment.sort], segment.start_time, segment.task_id,
            coalesce(next.start_time, 'infinity'), coalesce(next.task_id, task_id_end()), false);
        is_split[segment.sort] := is_split[segment.sort] OR task_group_is_full(tenant, segment.sort,
            segment.start_time, segment.task_id);
    END LOOP;
    FOR sorted IN 1..2 LOOP
        IF is_split[sorted] THEN
            PERFORM task_segments_group(tenant, sorted::smallint);
        END IF;
    END LOOP;
    RETURN pending_changes;
END $$;
COMMENT ON FUNCTION task_counts_fold IS 'Adds the changes to the segments, unless another does so already; answers how many there were.';

CREATE FUNCTION task_group_is_full(tenant text, sorted smallint, key_time timestamptz, key_id text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT count(*) > 256 FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level = 0
        AND (s.start_time, s.task_id) >= (
            SELECT g.start_time, g.task_id FROM task_segments g
            WHERE g.tenant_id = tenant AND g.sort = sorted AND g.level = 1
                AND (g.start_time, g.task_id) <= (key_time, key_id)
            ORDER BY g.start_time DESC, g.task_id DESC LIMIT 1)
        AND (s.start_time, s.task_id) < coalesce((
            SELECT row(g.start_time, g.task_id) FROM task_segments g
            WHERE g.tenant_id = tenant AND g.sort = sorted AND g.level = 1
                AND (g.start_time, g.task_id) > (key_time, key_id)
            ORDER BY g.start_time, g.task_id LIMIT 1), row('infinity'::timestamptz, task_id_end()))
$$;

CREATE FUNCTION task_counts_verify(tenant text) RETURNS bigint LANGUAGE sql STABLE SET work_mem = '64MB' AS $$
    -- Every segment against its tasks, and every sum of a level against the whole; one snapshot.
    WITH entries AS (
        SELECT s.sort, s.start_time, s.task_id, 0 AS status, 0 AS count FROM task_segments s
        WHERE s.tenant_id = tenant AND s.level = 0
        UNION ALL
        SELECT s.sort, s.start_time, s.task_id, n.status, n.count FROM task_segments s CROSS JOIN LATERAL (VALUES
            (1, s.pending), (2, s.running), (3, s.paused), (4, s.completed), (5, s.stopped), (6, s.failed)
        ) AS n (status, count)
        WHERE s.tenant_id = tenant AND s.level = 0
        UNION ALL
        SELECT sort, CASE sort WHEN 1 THEN c.start_time ELSE '-infinity' END, c.task_id, c.status, c.change
        FROM task_changes c CROSS JOIN (VALUES (1), (2)) AS sorts (sort) WHERE c.tenant_id = tenant
        UNION ALL
        SELECT sort, CASE sort WHEN 1 THEN t.start_time ELSE '-infinity' END, t.task_id, t.status, -1
        FROM tasks t CROSS JOIN (VALUES (1), (2)) AS sorts (sort) WHERE t.tenant_id = tenant
    ), placed AS (
        SELECT e.*, count(*) FILTER (WHERE e.status = 0) OVER (PARTITION BY e.sort
            ORDER BY e.start_time, e.task_id, e.status ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS piece
        FROM entries e
    ), wrong AS (
        SELECT 1 FROM placed p GROUP BY p.sort, p.piece, p.status HAVING sum(p.count) <> 0
        UNION ALL
        SELECT 1 FROM (
            SELECT s.sort, s.level, sum(s.pending) AS a, sum(s.running) AS b, sum(s.paused) AS c, sum(s.completed) AS d,
                sum(s.stopped) AS e, sum(s.failed) AS f
            FROM task_segments s WHERE s.tenant_id = tenant GROUP BY s.sort, s.level) AS sums
        GROUP BY sums.a, sums.b, sums.c, sums.d, sums.e, sums.f HAVING count(*) <> 6
    )
    SELECT count(*) FROM wrong
$$;
COMMENT ON FUNCTION task_counts_verify IS 'How many counts of a tenant differ from its tasks; 0 when all is well.';

-- What is there already is counted as if it had just come.
SELECT task_counts_rebuild(tenant_id) FROM tenants;
