-- Ranks, ranges and pages by number in the sorts by created_at and end_time. Services of an older version keep calling
-- task_rank and task_seek.

CREATE FUNCTION task_rank_in(tenant text, sorted smallint, statuses smallint[], before timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
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
END $$;
COMMENT ON FUNCTION task_rank_in IS 'How many tasks of these statuses lie before an instant in the order of sort 1, 3 or 4.';

CREATE OR REPLACE FUNCTION task_rank(tenant text, statuses smallint[], before timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN task_rank_in(tenant, 1::smallint, statuses, before);
END $$;

CREATE FUNCTION task_range(tenant text, sorted smallint, statuses smallint[], lower timestamptz, upper timestamptz,
    OUT first bigint, OUT last bigint, OUT indexed boolean)
LANGUAGE plpgsql STABLE AS $$
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
END $$;
COMMENT ON FUNCTION task_range IS 'How many tasks of these statuses lie before a range of a sort (first) and before its end (last), if indexed; else 0, and the tasks in the range.';

CREATE OR REPLACE FUNCTION task_seek(tenant text, sorted smallint, statuses smallint[], rank bigint, OUT start_time timestamp with time zone, OUT task_id text, OUT skip bigint)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
AS $$
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
                    SELECT d.key, NULL, NULL, d.count, false FROM (
                        SELECT task_key(sorted, task_change_time(c, sorted), c.task_id) AS key,
                            task_change_count(c, statuses) AS count
                        FROM task_changes c WHERE c.tenant_id = tenant OFFSET 0) AS d
                    WHERE d.key >= low_key AND d.key < high_key
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
