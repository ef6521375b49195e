-- Keeps task_names, the names without case that searches read, equal to the names in tasks.
CREATE OR REPLACE FUNCTION task_names_follow()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO task_names (tenant_id, task_id, name) SELECT tenant_id, task_id, task_name_fold(name) FROM new_tasks;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM task_names n USING gone_tasks t WHERE n.tenant_id = t.tenant_id AND n.task_id = t.task_id;
    ELSIF TG_OP = 'TRUNCATE' THEN
        TRUNCATE task_names;
    ELSIF (NEW.tenant_id, NEW.task_id, NEW.name) IS DISTINCT FROM (OLD.tenant_id, OLD.task_id, OLD.name) THEN
        UPDATE task_names n SET tenant_id = NEW.tenant_id, task_id = NEW.task_id, name = task_name_fold(NEW.name)
        WHERE n.tenant_id = OLD.tenant_id AND n.task_id = OLD.task_id;
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER names_changed AFTER UPDATE OF tenant_id, task_id, name ON tasks FOR EACH ROW EXECUTE FUNCTION task_names_follow();
CREATE TRIGGER names_deleted AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_names_follow();
CREATE TRIGGER names_inserted AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_names_follow();
CREATE TRIGGER names_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION task_names_follow();
