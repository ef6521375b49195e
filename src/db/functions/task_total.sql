-- The exact total of a list that filters by status alone: the top bucket plus the pending deltas. STABLE, so it sees the
-- snapshot of the statement that calls it. PL/pgSQL keeps the plan; a function in SQL with a subselect would be planned
-- at every call.
CREATE OR REPLACE FUNCTION task_total(tenant text, statuses smallint[])
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    RETURN coalesce((SELECT task_segment_count(s, statuses) FROM task_segments s
            WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = 3), 0)
        + coalesce((SELECT sum(task_change_count(c, statuses)) FROM task_changes c WHERE c.tenant_id = tenant), 0);
END $function$;

COMMENT ON FUNCTION task_total IS 'How many tasks have one of these statuses.';
