-- Counts that are exact in every snapshot and cost the same at ten million tasks as at ten thousand.
--
-- A list is cut into segments of a few hundred tasks each, once as ordered by start_time (sort 1) and once as ordered
-- by task_id (sort 2). A segment begins at a key and ends where the next one begins; it holds how many tasks of each
-- status lie in it. Level 0 are these segments, level 1 groups of some 32 of them, level 2 groups of some 32 groups,
-- level 3 the whole list in one row. How many tasks lie before a key, and which task is the n-th, is a walk down: some
-- tens of rows of each level (of level 2, all: one for each 262,144 tasks), then one segment of the tasks' own index.
--
-- Writers touch no segment: they would queue on its row. They add to task_changes what they did to which key, in the
-- transaction that does it. So in every snapshot, and for every span of keys,
--
--     tasks = sum of the segments + sum of the changes
--
-- and every reader adds both. task_counts_fold takes the changes that it sees, adds them to the segments, and splits
-- what has grown too large: one at a time for a tenant, in the way of nobody else. At first, and after a large import,
-- it counts anew. Segments that became empty stay until then.

CREATE TABLE task_changes (
    tenant_id text COLLATE "C" NOT NULL,
    change_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    start_time timestamptz NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    was smallint NOT NULL,
    status smallint NOT NULL,
    PRIMARY KEY (tenant_id, change_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE task_changes IS 'Tasks that came, went or changed their status since task_segments was last brought up to date.';
COMMENT ON COLUMN task_changes.was IS 'The status before, which has one task fewer now; 0 for a task that came.';
COMMENT ON COLUMN task_changes.status IS 'The status since, which has one task more now; 0 for a task that went.';

-- A place in a list as one text: of two columns, PostgreSQL would stop at an upper bound only where the first differs.
-- The instant is eight bytes that sort as bytes once the sign is turned, in hexadecimal.
CREATE FUNCTION task_key(sort integer, start_time timestamptz, task_id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE sort WHEN 1 THEN encode(set_byte(timestamptz_send(start_time), 0,
        get_byte(timestamptz_send(start_time), 0) # 128), 'hex') || task_id ELSE task_id END
$$;
COMMENT ON FUNCTION task_key IS 'Where a task stands in the order of a sort.';

-- A key beyond all others: ids have at most 128 characters.
CREATE FUNCTION task_key_end() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT repeat(chr(1114111), 129) $$;

CREATE TABLE task_segments (
    tenant_id text COLLATE "C" NOT NULL,
    sort smallint NOT NULL CHECK (sort IN (1, 2)),
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 3),
    start_time timestamptz NOT NULL CHECK (sort = 1 OR start_time = '-infinity'),
    task_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (task_key(sort, start_time, task_id)) STORED,
    pending integer NOT NULL,
    running integer NOT NULL,
    paused integer NOT NULL,
    completed integer NOT NULL,
    stopped integer NOT NULL,
    failed integer NOT NULL,
    PRIMARY KEY (tenant_id, sort, level, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE task_segments IS 'How many tasks of each status lie between this key and the next one of the same sort and level.';
COMMENT ON COLUMN task_segments.sort IS '1: in the order of (start_time, task_id); 2: of task_id, with start_time -infinity.';
COMMENT ON COLUMN task_segments.level IS '0: segments; 1: groups of segments; 2: groups of groups; 3: the whole list, in one row.';

CREATE FUNCTION task_changes_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        SELECT tenant_id, start_time, task_id, 0, status FROM new_tasks;
    ELSE
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        SELECT tenant_id, start_time, task_id, status, 0 FROM old_tasks;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks
    REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();
CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks
    REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();
-- By the columns that a statement sets, which costs nothing to see: most updates concern the progress alone. A
-- condition (WHEN) would be read from the catalog's text anew by every statement.
CREATE FUNCTION task_changes_note_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.tenant_id, NEW.start_time, NEW.task_id) IS DISTINCT FROM (OLD.tenant_id, OLD.start_time, OLD.task_id) THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.task_id, OLD.status, 0),
            (NEW.tenant_id, NEW.start_time, NEW.task_id, 0, NEW.status);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.task_id, OLD.status, NEW.status);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_updated AFTER UPDATE OF tenant_id, start_time, task_id, status ON tasks
    FOR EACH ROW EXECUTE FUNCTION task_changes_note_update();

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

CREATE FUNCTION task_change_count(change task_changes, statuses smallint[]) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT (change.status = ANY (statuses))::integer - (change.was = ANY (statuses))::integer
$$;
COMMENT ON FUNCTION task_change_count IS 'How many tasks of these statuses a change made more; -1 for one fewer.';

-- STABLE: these see the snapshot of the statement that calls them. PL/pgSQL keeps their plans; a function in SQL with a
-- sub-select is planned at every call.
CREATE FUNCTION task_total(tenant text, statuses smallint[]) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT task_segment_count(s, statuses) FROM task_segments s
            WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = 3), 0)
        + coalesce((SELECT sum(task_change_count(c, statuses)) FROM task_changes c WHERE c.tenant_id = tenant), 0);
END $$;
COMMENT ON FUNCTION task_total(text, smallint[]) IS 'How many tasks have one of these statuses.';

CREATE FUNCTION task_rank(tenant text, statuses smallint[], before timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
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
            WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = depth::smallint
                AND s.key >= low_key AND s.key <= task_key(1, task_rank.before, '')
        ) AS n ORDER BY n.key DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        rank := rank + coalesce(node.before, 0);
        low_key := node.key;
        low_time := node.start_time;
        low_id := node.task_id;
    END LOOP;
    SELECT coalesce(sum(task_change_count(c, statuses)), 0) INTO part FROM task_changes c
    WHERE c.tenant_id = tenant AND (c.start_time, c.task_id) < (low_time, low_id);
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
    low_key text := '';
    high_key text := task_key_end();
    node record;
BEGIN
    start_time := '-infinity';
    task_id := '';
    skip := rank;
    FOR depth IN REVERSE 2..0 LOOP
        -- Segments and changes in one line, by key: what stands before a segment's row is what lies before its key.
        SELECT found.* INTO node FROM (
            SELECT line.*, lead(line.key) OVER (ORDER BY line.key) AS next_key
            FROM (
                SELECT entry.*, coalesce(sum(entry.count) OVER (ORDER BY entry.key, entry.is_node DESC
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
                FROM (
                    SELECT s.key, s.start_time, s.task_id, task_segment_count(s, statuses) AS count, true AS is_node
                    FROM task_segments s
                    WHERE s.tenant_id = tenant AND s.sort = sorted AND s.level = depth::smallint
                        AND s.key >= low_key AND s.key < high_key
                    UNION ALL
                    SELECT task_key(sorted, c.start_time, c.task_id), NULL, NULL, task_change_count(c, statuses), false
                    FROM task_changes c
                    WHERE c.tenant_id = tenant
                        AND task_key(sorted, c.start_time, c.task_id) >= low_key
                        AND task_key(sorted, c.start_time, c.task_id) < high_key
                ) AS entry
            ) AS line
            WHERE line.is_node
        ) AS found
        WHERE found.before <= skip
        ORDER BY found.key DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        start_time := node.start_time;
        task_id := node.task_id;
        skip := skip - node.before;
        low_key := node.key;
        high_key := coalesce(node.next_key, high_key);
    END LOOP;
END $$;
COMMENT ON FUNCTION task_seek IS 'A key close before the task of this rank (from 0), and how many tasks of these statuses lie between.';

-- One at a time brings a tenant's segments up to date; the lock goes with the transaction.
CREATE FUNCTION task_counts_lock(tenant text, wait boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    -- By the table itself: names are found by each session's own search_path.
    lock CONSTANT bigint := hashtextextended('task_segments'::regclass::oid || '/' || tenant, 7265830215);
BEGIN
    IF wait THEN
        PERFORM pg_advisory_xact_lock(lock);
        RETURN true;
    END IF;
    RETURN pg_try_advisory_xact_lock(lock);
END $$;

-- Makes the segments of some keys anew, 256 tasks each. What is there of them is deleted first; the rest is one
-- statement, so one snapshot: counting the tasks, less the changes that it sees and leaves, keeps the sum above true
-- whatever comes. With consume, for the whole list, it leaves none: all that it sees go. Only for who holds the lock.
CREATE FUNCTION task_segments_cut(tenant text, sorts smallint[], low_time timestamptz, low_id text,
    high_time timestamptz, high_id text, consume boolean) RETURNS void LANGUAGE plpgsql SET work_mem = '64MB' AS $$
BEGIN
    DELETE FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = ANY (sorts) AND s.level = 0
        AND s.key >= task_key(s.sort, low_time, low_id) AND s.key < task_key(s.sort, high_time, high_id);
    WITH gone AS (
        DELETE FROM task_changes c WHERE consume AND c.tenant_id = tenant
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
END $$;

-- Makes the groups of one level anew that begin between two keys, 32 of the level below in each; level 3 is one group.
-- Only for who holds the lock.
CREATE FUNCTION task_segments_group(tenant text, sorted integer, depth integer, low_key text, high_key text)
RETURNS void LANGUAGE plpgsql AS $$
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
END $$;

CREATE FUNCTION task_counts_rebuild(tenant text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM task_counts_lock(tenant, true);
    DELETE FROM task_segments s WHERE s.tenant_id = tenant;
    PERFORM task_segments_cut(tenant, '{1,2}', '-infinity', '', 'infinity', task_key_end(), true);
    FOR depth IN 1..3 LOOP
        PERFORM task_segments_group(tenant, 1, depth, '', task_key_end());
        PERFORM task_segments_group(tenant, 2, depth, '', task_key_end());
    END LOOP;
END $$;
COMMENT ON FUNCTION task_counts_rebuild IS 'Counts all of a tenant''s tasks anew.';

-- Cuts a segment in pieces, and a group that thereby has more than 64 of them, and the group of that one.
CREATE FUNCTION task_segments_split(tenant text, segment task_segments) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    next task_segments;
    parent text;
    parent_end text;
BEGIN
    SELECT s.* INTO next FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = segment.sort AND s.level = 0 AND s.key > segment.key
    ORDER BY s.key LIMIT 1;
    PERFORM task_segments_cut(tenant, ARRAY[segment.sort], segment.start_time, segment.task_id,
        coalesce(next.start_time, 'infinity'), coalesce(next.task_id, task_key_end()), false);
    FOR depth IN 1..2 LOOP
        SELECT s.key INTO parent FROM task_segments s
        WHERE s.tenant_id = tenant AND s.sort = segment.sort AND s.level = depth AND s.key <= segment.key
        ORDER BY s.key DESC LIMIT 1;
        SELECT s.key INTO parent_end FROM task_segments s
        WHERE s.tenant_id = tenant AND s.sort = segment.sort AND s.level = depth AND s.key > segment.key
        ORDER BY s.key LIMIT 1;
        parent_end := coalesce(parent_end, task_key_end());
        EXIT WHEN (SELECT count(*) FROM task_segments s
            WHERE s.tenant_id = tenant AND s.sort = segment.sort AND s.level = depth - 1
                AND s.key >= parent AND s.key < parent_end) <= 64;
        PERFORM task_segments_group(tenant, segment.sort, depth, parent, parent_end);
    END LOOP;
END $$;

CREATE FUNCTION task_counts_fold(tenant text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pending_changes bigint;
    all_tasks bigint;
    segment task_segments;
    grown task_segments[] := '{}';
BEGIN
    IF NOT task_counts_lock(tenant, false) THEN
        RETURN 0;
    END IF;
    SELECT count(*) INTO pending_changes FROM task_changes c WHERE c.tenant_id = tenant;
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
            DELETE FROM task_changes c WHERE c.tenant_id = tenant
            RETURNING c.start_time, c.task_id, c.was, c.status
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
END $$;
COMMENT ON FUNCTION task_counts_fold IS 'Adds the changes to the segments, unless another does so already; answers how many there were.';

CREATE FUNCTION task_counts_verify(tenant text) RETURNS bigint LANGUAGE sql STABLE SET work_mem = '64MB' AS $$
    -- Every segment against its tasks, and every group against what it is made of; one snapshot.
    WITH counts AS (
        SELECT s.sort, s.level, s.start_time, s.task_id, n.status, n.count FROM task_segments s CROSS JOIN LATERAL (
            VALUES (1, s.pending), (2, s.running), (3, s.paused), (4, s.completed), (5, s.stopped), (6, s.failed)
        ) AS n (status, count)
        WHERE s.tenant_id = tenant
    ), entries AS (
        SELECT s.sort, s.level, s.start_time, s.task_id, 0 AS status, 0 AS count FROM task_segments s
        WHERE s.tenant_id = tenant
        UNION ALL SELECT c.* FROM counts c
        UNION ALL SELECT c.sort, c.level + 1, c.start_time, c.task_id, c.status, -c.count FROM counts c WHERE c.level < 3
        UNION ALL
        SELECT sort, 0, CASE sort WHEN 1 THEN c.start_time ELSE '-infinity' END, c.task_id, n.status, n.count
        FROM task_changes c CROSS JOIN (VALUES (1), (2)) AS sorts (sort)
        CROSS JOIN LATERAL (VALUES (c.status, 1), (c.was, -1)) AS n (status, count)
        WHERE c.tenant_id = tenant AND n.status > 0
        UNION ALL
        SELECT sort, 0, CASE sort WHEN 1 THEN t.start_time ELSE '-infinity' END, t.task_id, t.status, -1
        FROM tasks t CROSS JOIN (VALUES (1), (2)) AS sorts (sort) WHERE t.tenant_id = tenant
    ), placed AS (
        -- Status 0 marks where a piece begins; what lies before all of them is in piece 0, which must be empty too.
        SELECT e.*, count(*) FILTER (WHERE e.status = 0) OVER (PARTITION BY e.sort, e.level
            ORDER BY e.start_time, e.task_id, e.status ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS piece
        FROM entries e
    )
    SELECT count(*) FROM (
        SELECT FROM placed p GROUP BY p.sort, p.level, p.piece, p.status HAVING sum(p.count) <> 0) AS wrong
$$;
COMMENT ON FUNCTION task_counts_verify IS 'How many counts of a tenant differ from its tasks; 0 when all is well.';

-- What is there already is counted as if it had just come.
SELECT task_counts_rebuild(tenant_id) FROM tenants;
