-- The tasks of some statuses in one bucket, deltas apart.
CREATE OR REPLACE FUNCTION task_segment_count(segment task_segments, statuses smallint[])
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE WHEN 1 = ANY (statuses) THEN segment.pending ELSE 0 END
        + CASE WHEN 2 = ANY (statuses) THEN segment.running ELSE 0 END
        + CASE WHEN 3 = ANY (statuses) THEN segment.paused ELSE 0 END
        + CASE WHEN 4 = ANY (statuses) THEN segment.completed ELSE 0 END
        + CASE WHEN 5 = ANY (statuses) THEN segment.stopped ELSE 0 END
        + CASE WHEN 6 = ANY (statuses) THEN segment.failed ELSE 0 END
$function$;

COMMENT ON FUNCTION task_segment_count IS 'How many tasks of these statuses a segment holds, changes apart.';
