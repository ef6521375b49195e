-- Whether an import that has committed its names will not commit its tasks. For a transaction in progress it is false, and for one
-- that commits just now too: its commit deletes the delta, which the snapshot still has.
CREATE OR REPLACE FUNCTION task_import_is_lost(transaction bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    number xid8 := transaction::text;
BEGIN
    RETURN coalesce(pg_xact_status(number), 'aborted') = 'aborted'
        -- Its commit would have deleted the delta that names it.
        OR pg_visible_in_snapshot(number, pg_current_snapshot());
EXCEPTION WHEN invalid_parameter_value THEN
    -- A number that is not given out yet.
    RETURN true;
END $function$;

COMMENT ON FUNCTION task_import_is_lost IS 'Whether names_ahead_of has a transaction that will bring no tasks: it was rolled back, or is one of another server, from which a dump came.';
