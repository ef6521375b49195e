CREATE OR REPLACE FUNCTION task_label_count(counts task_label_counts, statuses smallint[])
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE WHEN 1 = ANY (statuses) THEN counts.pending ELSE 0 END
        + CASE WHEN 2 = ANY (statuses) THEN counts.running ELSE 0 END
        + CASE WHEN 3 = ANY (statuses) THEN counts.paused ELSE 0 END
        + CASE WHEN 4 = ANY (statuses) THEN counts.completed ELSE 0 END
        + CASE WHEN 5 = ANY (statuses) THEN counts.stopped ELSE 0 END
        + CASE WHEN 6 = ANY (statuses) THEN counts.failed ELSE 0 END
$function$;

COMMENT ON FUNCTION task_label_count IS 'How many tasks of these statuses have a label, without the deltas.';
