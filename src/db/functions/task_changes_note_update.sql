-- Writes the deltas of one updated task. The trigger lists its columns, so an update of other columns costs nothing;
-- a WHEN condition would be parsed again by every statement.
CREATE OR REPLACE FUNCTION task_changes_note_update()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.tenant_id, NEW.start_time, NEW.task_id) IS DISTINCT FROM (OLD.tenant_id, OLD.start_time, OLD.task_id) THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.task_id, OLD.status, 0),
            (NEW.tenant_id, NEW.start_time, NEW.task_id, 0, NEW.status);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.task_id, OLD.status, NEW.status);
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_updated AFTER UPDATE OF tenant_id, start_time, task_id, status ON tasks FOR EACH ROW EXECUTE FUNCTION task_changes_note_update();
