-- What waits for the workers, in all tenants: numbers for the operator's metrics. It takes no tenant and returns no ids.
CREATE FUNCTION tenants_waiting(OUT deltas bigint, OUT due bigint, OUT due_seconds double precision) LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path FROM CURRENT AS $function$
    SELECT (SELECT count(*) FROM (SELECT FROM task_changes LIMIT 100000) AS c),
        coalesce(sum(d.tasks), 0)::bigint,
        greatest(coalesce(extract(epoch FROM now() - min(d.since)), 0), 0)::double precision
    FROM tenants s CROSS JOIN LATERAL (
        SELECT count(*) AS tasks, min(t.due) AS since FROM (
            (SELECT t.start_time AS due FROM tasks t
            WHERE t.tenant_id = s.tenant_id AND t.status = 1 AND t.start_time <= now()
            ORDER BY t.start_time LIMIT 1000)
            UNION ALL
            (SELECT t.end_time FROM tasks t
            WHERE t.tenant_id = s.tenant_id AND t.status = 2 AND t.end_time <= now()
            ORDER BY t.end_time LIMIT 1000)
            UNION ALL
            (SELECT t.end_time FROM tasks t
            WHERE t.tenant_id = s.tenant_id AND t.status = 3 AND t.end_time <= now()
            ORDER BY t.end_time LIMIT 1000)) AS t) AS d
$function$;
COMMENT ON FUNCTION tenants_waiting IS 'Of all tenants: the deltas of the counts that are not compacted, up to 100,000; the tasks that are due to be started or ended, up to 1,000 of each tenant and status; and for how long the first of them has been due.';

REVOKE EXECUTE ON FUNCTION tenants_waiting FROM PUBLIC;
-- The roles of services that have been set up may call it, as they may call tenants_due.
DO $do$
DECLARE
    service regrole;
BEGIN
    FOR service IN SELECT a.grantee FROM pg_proc p CROSS JOIN aclexplode(p.proacl) AS a
        WHERE p.oid = 'tenants_due()'::regprocedure AND a.privilege_type = 'EXECUTE' AND a.grantee <> p.proowner
            AND a.grantee <> 0 LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION tenants_waiting TO %s', service);
    END LOOP;
END $do$;
