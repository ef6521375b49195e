-- The tenants whose change log came from another database. Runs as the owner, as tenants_all does. The order in the subselect
-- selects the index.
CREATE OR REPLACE FUNCTION tenants_with_foreign_log()
 RETURNS SETOF text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    SELECT s.tenant_id FROM tenants s
    CROSS JOIN (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid) AS next
    WHERE s.log_trimmed >= next.xid
        OR EXISTS (SELECT FROM (
            SELECT FROM task_log l WHERE l.tenant_id = s.tenant_id AND l.xid >= next.xid
            ORDER BY l.xid LIMIT 1) AS first)
    ORDER BY s.tenant_id
$function$;

COMMENT ON FUNCTION tenants_with_foreign_log IS 'The ids of the tenants whose log has, or had, entries of transactions that this database has not begun: a dump of another one brought them.';
