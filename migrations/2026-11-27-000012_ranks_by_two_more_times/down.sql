CREATE OR REPLACE FUNCTION task_rank(tenant text, statuses smallint[], before timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
AS $$
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

DROP FUNCTION task_range, task_rank_in;
