-- Brings the names that searches read in line with the tasks, for the tenant's deltas with name_pending, and clears that
-- flag. A delta that stands for a new name alone is deleted. The flag is cleared before the names are read, so a name that
-- changes later has a delta that the next call takes. Names wait while an index of task_search is built; counts do not.
CREATE OR REPLACE FUNCTION task_names_follow(tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
