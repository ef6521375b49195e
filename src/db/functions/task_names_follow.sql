-- Brings the names that searches read in line with the tasks, for the tenant's deltas with name_pending, and clears that
-- flag. A delta that stands for a new name alone is deleted. Flags and names are read in one snapshot, so a name that changes
-- later has a delta that the next call takes. Names wait while an index of task_search is built, and between
-- the two commits of an import; counts do not. Of imports that were rolled back there it removes the names.
CREATE OR REPLACE FUNCTION task_names_follow(tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    BEGIN
        -- Names wait while an index is built. Counts do not.
        LOCK TABLE task_search IN ROW EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN;
    END;
    IF EXISTS (SELECT FROM task_changes c WHERE c.tenant_id = tenant AND c.names_ahead_of IS NOT NULL) THEN
        -- Imports that ended between their two commits. While another one is there now, its names look the same.
        WITH lost AS (
            DELETE FROM task_changes c WHERE c.tenant_id = tenant AND c.names_ahead_of IS NOT NULL AND NOT EXISTS (
                SELECT FROM task_changes o
                WHERE o.tenant_id = tenant AND o.names_ahead_of IS NOT NULL AND NOT task_import_is_lost(o.names_ahead_of))
            RETURNING c.change_id
        )
        INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
        SELECT tenant, now(), now(), now(), d.task_id, 1, 1, true FROM task_names_differing(tenant) AS d (task_id)
        WHERE EXISTS (SELECT FROM lost);
    END IF;
    -- One statement, so one snapshot: a statement that inserts many tasks and commits meanwhile is there with its tasks and
    -- its names, or with neither. Not between the two commits of an import, when names have no tasks yet. By ctid and in
    -- the order of an index, so that no plan reads all of a table.
    WITH renamed AS (
        DELETE FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending AND c.was = c.status
            AND NOT EXISTS (SELECT FROM task_changes o WHERE o.tenant_id = tenant AND o.names_ahead_of IS NOT NULL)
        RETURNING c.task_id
    ), others AS (
        UPDATE task_changes c SET name_pending = false
        WHERE c.tenant_id = tenant AND c.name_pending AND c.was <> c.status
            AND NOT EXISTS (SELECT FROM task_changes o WHERE o.tenant_id = tenant AND o.names_ahead_of IS NOT NULL)
        RETURNING c.task_id
    ), ids AS MATERIALIZED (
        SELECT r.task_id FROM renamed r UNION SELECT o.task_id FROM others o
    ), gone AS (
        DELETE FROM task_search n WHERE n.ctid = ANY (ARRAY(
            SELECT s.ctid FROM ids k CROSS JOIN LATERAL (
                SELECT s.ctid FROM task_search s
                WHERE s.tenant_id = tenant AND s.task_id >= k.task_id AND s.task_id <= k.task_id
                ORDER BY s.task_id OFFSET 0) AS s))
    )
    INSERT INTO task_search (tenant_id, task_id, name)
    SELECT tenant, k.task_id, task_name_fold(t.name) FROM ids k CROSS JOIN LATERAL (
        SELECT t.name FROM tasks t
        WHERE t.tenant_id = tenant AND t.task_id >= k.task_id AND t.task_id <= k.task_id
        ORDER BY t.task_id LIMIT 1) AS t;
END $function$;

COMMENT ON FUNCTION task_names_follow IS 'Brings the names of tasks with a pending delta in line, unless an index of them is being built. The caller holds task_counts_lock.';
