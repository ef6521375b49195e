-- Rebuilds the counts of a tenant from all of its tasks.
CREATE OR REPLACE FUNCTION task_counts_rebuild(tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    PERFORM task_counts_lock(tenant, true);
    LOCK TABLE tasks IN ACCESS SHARE MODE;
    PERFORM task_names_follow(tenant);
    DELETE FROM task_segments s WHERE s.tenant_id = tenant;
    DELETE FROM task_label_counts n WHERE n.tenant_id = tenant;
    PERFORM task_segments_cut(tenant, '{1,2,3,4}', '-infinity', '', 'infinity', task_key_end(), true);
    FOR depth IN 1..3 LOOP
        FOR sorted IN 1..4 LOOP
            PERFORM task_segments_group(tenant, sorted, depth, '', task_key_end());
        END LOOP;
    END LOOP;
END $function$;

COMMENT ON FUNCTION task_counts_rebuild IS 'Counts all of a tenant''s tasks anew.';
