-- The tenants whose change log came from another database, found with one query instead of one for each tenant. A function
-- only: nobody waits.
CREATE FUNCTION tenants_with_foreign_log() RETURNS SETOF text LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path FROM CURRENT AS $function$
    SELECT s.tenant_id FROM tenants s
    CROSS JOIN (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid) AS next
    WHERE s.log_trimmed >= next.xid
        OR EXISTS (SELECT FROM (
            SELECT FROM task_log l WHERE l.tenant_id = s.tenant_id AND l.xid >= next.xid
            ORDER BY l.xid LIMIT 1) AS first)
    ORDER BY s.tenant_id
$function$;
COMMENT ON FUNCTION tenants_with_foreign_log IS 'The ids of the tenants whose log has, or had, entries of transactions that this database has not begun: a dump of another one brought them.';

REVOKE EXECUTE ON FUNCTION tenants_with_foreign_log FROM PUBLIC;
-- The roles of services that have been set up may call it, as they may call tenants_due.
DO $do$
DECLARE
    service regrole;
BEGIN
    FOR service IN SELECT a.grantee FROM pg_proc p CROSS JOIN aclexplode(p.proacl) AS a
        WHERE p.oid = 'tenants_due()'::regprocedure AND a.privilege_type = 'EXECUTE' AND a.grantee <> p.proowner
            AND a.grantee <> 0 LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION tenants_with_foreign_log TO %s', service);
    END LOOP;
END $do$;
