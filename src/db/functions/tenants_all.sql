-- All tenants. Runs as the owner, because row-level security shows a service the rows of one tenant at a time. Workers go
-- through them one after the other.
CREATE OR REPLACE FUNCTION tenants_all(OUT tenant_id text, OUT created_at timestamp with time zone)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    SELECT t.tenant_id, t.created_at FROM tenants t ORDER BY t.tenant_id
$function$;

COMMENT ON FUNCTION tenants_all IS 'The ids of all tenants, in order, and when they were created.';
