-- Splits a bucket that has become too large, then each parent that has more than 64 children.
CREATE OR REPLACE FUNCTION task_segments_split(tenant text, segment task_segments)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$;
