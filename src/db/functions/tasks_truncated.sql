-- Empties the count index with the tasks.
CREATE OR REPLACE FUNCTION tasks_truncated()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    TRUNCATE task_changes, task_segments;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_truncated();
