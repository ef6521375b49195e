-- A task's targets go when it goes, and follow it to another id, whoever changes it: else the next task of that id
-- would find them there. Triggers instead of a foreign key, whose check of every target would cost an import more than
-- the rows themselves.
CREATE FUNCTION task_targets_follow() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$;
CREATE TRIGGER targets_deleted AFTER DELETE ON tasks
    REFERENCING OLD TABLE AS gone_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_targets_follow();
CREATE TRIGGER targets_moved AFTER UPDATE OF tenant_id, task_id ON tasks
    FOR EACH ROW EXECUTE FUNCTION task_targets_follow();
CREATE TRIGGER targets_truncated AFTER TRUNCATE ON tasks
    FOR EACH STATEMENT EXECUTE FUNCTION task_targets_follow();

-- Those that were left behind before.
DELETE FROM task_targets g
WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.tenant_id = g.tenant_id AND t.task_id = g.task_id);
