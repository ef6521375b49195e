-- Row-level security: a role that does not own the tables reaches the rows of one tenant only, the one in the setting
-- outbound_tasks.tenant. Without the setting its statements fail. The owner is not restricted, so a service that connects
-- as the owner works as before. docs/how-to/row-security.md says how to use it, and src/db/row_security.rs how the
-- service does.
SET LOCAL lock_timeout = '5s';

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_targets ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_segments ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_search ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY one_tenant ON tenants USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON api_keys USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON tasks USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON task_targets USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON task_changes USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON task_segments USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON task_search USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON task_log USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON task_events USING (tenant_id = current_setting('outbound_tasks.tenant'));
CREATE POLICY one_tenant ON idempotency_keys USING (tenant_id = current_setting('outbound_tasks.tenant'));

-- The functions below run as the owner. None takes a tenant as an argument, and none returns more than ids and times.
-- Their search_path is that of the migration: that of a caller could lead them to other tables.

CREATE FUNCTION tenants_all(OUT tenant_id text, OUT created_at timestamptz) RETURNS SETOF record LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path FROM CURRENT AS $function$
    SELECT t.tenant_id, t.created_at FROM tenants t ORDER BY t.tenant_id
$function$;
COMMENT ON FUNCTION tenants_all IS 'The ids of all tenants, in order, and when they were created.';

CREATE FUNCTION tenants_due() RETURNS SETOF text LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path FROM CURRENT AS $function$
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

CREATE FUNCTION task_names_find_own(part text) RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 100
    SECURITY DEFINER SET search_path FROM CURRENT AS $function$
BEGIN
    RETURN QUERY SELECT f.task_id FROM task_names_find(current_setting('outbound_tasks.tenant'), part) AS f (task_id);
END $function$;
COMMENT ON FUNCTION task_names_find_own IS 'The ids of the tasks of the tenant that is set whose name holds a text.';

REVOKE EXECUTE ON FUNCTION tenants_all, tenants_due, task_names_find_own FROM PUBLIC;

CREATE OR REPLACE FUNCTION task_names_find(tenant text, part text) RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 100
    SET enable_seqscan = off SET enable_indexscan = on SET enable_indexonlyscan = on SET enable_bitmapscan = on
    SET work_mem = '64MB' AS $function$
DECLARE
    folded text := task_name_fold(part);
    grams tsquery := task_name_query(tenant, folded);
BEGIN
    IF row_security_active('task_search') THEN
        -- A policy keeps the search from the index of grams: @@ could reveal rows of others, as PostgreSQL sees it.
        IF tenant = current_setting('outbound_tasks.tenant') THEN
            RETURN QUERY SELECT f.task_id FROM task_names_find_own(part) AS f (task_id);
        END IF;
        RETURN;
    END IF;
    RETURN QUERY WITH pending AS MATERIALIZED (
        -- In the order of the primary key, so that its entries of deleted deltas are read once only. A
        -- bitmap scan would read them until a vacuum.
        SELECT DISTINCT c.task_id FROM (
            SELECT c.task_id FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending
            ORDER BY c.change_id OFFSET 0) AS c
    ), found AS (
        SELECT n.tenant_id, n.task_id FROM task_search n
        WHERE task_name_grams4(n.tenant_id, n.name) @@ grams AND strpos(n.name, folded) > 0 OFFSET 0
    )
    SELECT f.task_id FROM found f
    WHERE f.tenant_id = tenant AND f.task_id NOT IN (SELECT p.task_id FROM pending p)
    UNION ALL
    SELECT p.task_id FROM pending p CROSS JOIN LATERAL (
        SELECT t.name FROM tasks t
        WHERE t.tenant_id = tenant AND t.task_id >= p.task_id AND t.task_id <= p.task_id
        ORDER BY t.task_id LIMIT 1) AS t
    WHERE strpos(task_name_fold(t.name), folded) > 0;
END $function$;

-- All functions in PL/pgSQL that read or change tables find them in this schema, whatever the search_path of the session.
-- Those in SQL are part of the statement that calls them, and a search_path of their own would keep them from it.
DO $do$
DECLARE
    name regprocedure;
BEGIN
    FOR name IN SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = current_schema()::regnamespace AND l.lanname = 'plpgsql' AND p.provolatile <> 'i' LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path FROM CURRENT', name);
    END LOOP;
END $do$;
ALTER FUNCTION task_counts_verify SET search_path FROM CURRENT;
