-- The tasks between two keys of some sorts, numbered from 0 in the order of each sort, for buckets of 256 each. PostgreSQL
-- inlines it. The tasks at high_time itself come from a part of their own: a scan that ends at (high_time, high_id)
-- would read all tasks of that time, and after an import these can be millions.
CREATE OR REPLACE FUNCTION task_numbered(tenant text, sorts smallint[], low_time timestamp with time zone, low_id text, high_time timestamp with time zone, high_id text)
 RETURNS TABLE(sort smallint, instant timestamp with time zone, task_id text, status smallint, number bigint)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT 1::smallint, k.start_time, k.task_id, k.status, row_number() OVER (ORDER BY k.start_time, k.task_id) - 1
    FROM unnest('{1,2,3,4,5,6}'::smallint[]) AS s (status) CROSS JOIN LATERAL (
        (SELECT t.start_time, t.task_id, t.status FROM tasks t
        WHERE 1 = ANY (sorts) AND t.tenant_id = tenant AND t.status = s.status
            AND (t.start_time, t.task_id) >= (low_time, low_id) AND t.start_time < high_time
        ORDER BY t.start_time, t.task_id OFFSET 0)
        UNION ALL
        (SELECT t.start_time, t.task_id, t.status FROM tasks t
        WHERE 1 = ANY (sorts) AND t.tenant_id = tenant AND t.status = s.status AND t.start_time = high_time
            AND t.task_id >= CASE WHEN low_time < high_time THEN '' ELSE low_id END AND t.task_id < high_id
        ORDER BY t.task_id OFFSET 0)) AS k
    UNION ALL
    SELECT 2::smallint, '-infinity', t.task_id, t.status, row_number() OVER (ORDER BY t.task_id) - 1
    FROM tasks t
    WHERE 2 = ANY (sorts) AND t.tenant_id = tenant AND t.task_id >= low_id AND t.task_id < high_id
    UNION ALL
    SELECT 3::smallint, k.created_at, k.task_id, k.status, row_number() OVER (ORDER BY k.created_at, k.task_id) - 1
    FROM unnest('{1,2,3,4,5,6}'::smallint[]) AS s (status) CROSS JOIN LATERAL (
        (SELECT t.created_at, t.task_id, t.status FROM tasks t
        WHERE 3 = ANY (sorts) AND t.tenant_id = tenant AND t.status = s.status
            AND (t.created_at, t.task_id) >= (low_time, low_id) AND t.created_at < high_time
        ORDER BY t.created_at, t.task_id OFFSET 0)
        UNION ALL
        (SELECT t.created_at, t.task_id, t.status FROM tasks t
        WHERE 3 = ANY (sorts) AND t.tenant_id = tenant AND t.status = s.status AND t.created_at = high_time
            AND t.task_id >= CASE WHEN low_time < high_time THEN '' ELSE low_id END AND t.task_id < high_id
        ORDER BY t.task_id OFFSET 0)) AS k
    UNION ALL
    SELECT 4::smallint, k.end_time, k.task_id, k.status, row_number() OVER (ORDER BY k.end_time, k.task_id) - 1
    FROM unnest('{1,2,3,4,5,6}'::smallint[]) AS s (status) CROSS JOIN LATERAL (
        (SELECT t.end_time, t.task_id, t.status FROM tasks t
        WHERE 4 = ANY (sorts) AND t.tenant_id = tenant AND t.status = s.status
            AND (t.end_time, t.task_id) >= (low_time, low_id) AND t.end_time < high_time
        ORDER BY t.end_time, t.task_id OFFSET 0)
        UNION ALL
        (SELECT t.end_time, t.task_id, t.status FROM tasks t
        WHERE 4 = ANY (sorts) AND t.tenant_id = tenant AND t.status = s.status AND t.end_time = high_time
            AND t.task_id >= CASE WHEN low_time < high_time THEN '' ELSE low_id END AND t.task_id < high_id
        ORDER BY t.task_id OFFSET 0)) AS k
$function$;

COMMENT ON FUNCTION task_numbered IS 'The tasks between two keys of some sorts, numbered from 0 in the order of each sort.';
