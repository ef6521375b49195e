-- Finds a key close to a rank (from 0), which makes a page by number cheap at any depth: it descends the bucket levels,
-- and returns the key of the last bucket and how many matching tasks to skip from there. start_time is the time that the
-- sort orders by.
CREATE OR REPLACE FUNCTION task_seek(tenant text, sorted smallint, statuses smallint[], rank bigint, OUT start_time timestamp with time zone, OUT task_id text, OUT skip bigint)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$;

COMMENT ON FUNCTION task_seek IS 'A key close before the task of this rank (from 0), and how many tasks of these statuses lie between.';
