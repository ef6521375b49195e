-- The tenants with due tasks. Runs as the owner, as tenants_all does. The order in each subselect selects the index.
CREATE OR REPLACE FUNCTION tenants_due()
 RETURNS SETOF text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    SELECT s.tenant_id FROM tenants s WHERE EXISTS (SELECT FROM (
            SELECT FROM tasks t WHERE t.tenant_id = s.tenant_id AND t.status = 1 AND t.start_time <= now()
            ORDER BY t.start_time LIMIT 1) AS first)
        OR EXISTS (SELECT FROM (
            SELECT FROM tasks t WHERE t.tenant_id = s.tenant_id AND t.status = 2 AND t.end_time <= now()
            ORDER BY t.end_time LIMIT 1) AS first)
        OR EXISTS (SELECT FROM (
            SELECT FROM tasks t WHERE t.tenant_id = s.tenant_id AND t.status = 3 AND t.end_time <= now()
            ORDER BY t.end_time LIMIT 1) AS first)
    ORDER BY s.tenant_id
$function$;

COMMENT ON FUNCTION tenants_due IS 'The ids of the tenants with a pending task to be started, or a running or paused one to be ended.';
