-- The advisory lock of a tenant's count index: one transaction at a time changes it. The lock ends with the transaction.
-- Its number includes the table's oid, since other schemas of the database have count indexes of their own.
CREATE OR REPLACE FUNCTION task_counts_lock(tenant text, wait boolean)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    -- By the table itself: names are found by each session's own search_path.
    lock CONSTANT bigint := hashtextextended('task_segments'::regclass::oid || '/' || tenant, 7265830215);
BEGIN
    IF wait THEN
        PERFORM pg_advisory_xact_lock(lock);
        RETURN true;
    END IF;
    RETURN pg_try_advisory_xact_lock(lock);
END $function$;
