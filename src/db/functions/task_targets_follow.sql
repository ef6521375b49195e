-- Keeps task_targets with their task: they are deleted with it and follow it to another id. Triggers, since a foreign key
-- would check every target, which costs an import more than the rows themselves.
CREATE OR REPLACE FUNCTION task_targets_follow()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM task_targets g USING gone_tasks t WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id;
    ELSIF TG_OP = 'TRUNCATE' THEN
        TRUNCATE task_targets;
    ELSIF (NEW.tenant_id, NEW.task_id) IS DISTINCT FROM (OLD.tenant_id, OLD.task_id) THEN
        UPDATE task_targets g SET tenant_id = NEW.tenant_id, task_id = NEW.task_id
        WHERE g.tenant_id = OLD.tenant_id AND g.task_id = OLD.task_id;
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER targets_deleted AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_targets_follow();
CREATE TRIGGER targets_moved AFTER UPDATE OF tenant_id, task_id ON tasks FOR EACH ROW EXECUTE FUNCTION task_targets_follow();
CREATE TRIGGER targets_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION task_targets_follow();
