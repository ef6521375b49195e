-- One trigger for each kind of change of tasks. The counts, the change log, the names and the targets
-- were a call of a trigger function each. A call costs a writer some microseconds, and so does each
-- of its statements.
--
-- Services of an older version keep working: they name neither the triggers nor their functions.
-- The locks are held for a moment, but waiting for them would hold up all who come later: so they
-- are not waited for long.
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION tasks_after_insert() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    inserted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
    SELECT tenant_id, start_time, task_id, 0, status FROM new_tasks;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted > 1000 THEN
        INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM new_tasks;
    ELSE
        INSERT INTO task_log (tenant_id, task_id) SELECT tenant_id, task_id FROM new_tasks;
    END IF;
    INSERT INTO task_names (tenant_id, task_id, name) SELECT tenant_id, task_id, task_name_fold(name) FROM new_tasks;
    RETURN NULL;
END $$;

CREATE FUNCTION tasks_after_delete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    deleted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
    SELECT tenant_id, start_time, task_id, status, 0 FROM old_tasks;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 1000 THEN
        INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM old_tasks;
    ELSE
        INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name)
        SELECT tenant_id, task_id, status, start_time, end_time, created_at, updated_at, name FROM old_tasks;
    END IF;
    DELETE FROM task_names n USING old_tasks t WHERE n.tenant_id = t.tenant_id AND n.task_id = t.task_id;
    DELETE FROM task_targets g USING old_tasks t WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id;
    RETURN NULL;
END $$;

CREATE FUNCTION tasks_after_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name,
        targets_changed)
    VALUES (OLD.tenant_id, OLD.task_id, OLD.status, OLD.start_time, OLD.end_time, OLD.created_at, OLD.updated_at, OLD.name,
        NEW.target_count <> OLD.target_count);
    IF NEW.task_id <> OLD.task_id OR NEW.tenant_id <> OLD.tenant_id THEN
        INSERT INTO task_log (tenant_id, task_id) VALUES (NEW.tenant_id, NEW.task_id);
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.task_id, OLD.status, 0),
            (NEW.tenant_id, NEW.start_time, NEW.task_id, 0, NEW.status);
        UPDATE task_names n SET tenant_id = NEW.tenant_id, task_id = NEW.task_id, name = task_name_fold(NEW.name)
        WHERE n.tenant_id = OLD.tenant_id AND n.task_id = OLD.task_id;
        UPDATE task_targets g SET tenant_id = NEW.tenant_id, task_id = NEW.task_id
        WHERE g.tenant_id = OLD.tenant_id AND g.task_id = OLD.task_id;
        RETURN NULL;
    END IF;
    IF NEW.start_time <> OLD.start_time THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.task_id, OLD.status, 0),
            (NEW.tenant_id, NEW.start_time, NEW.task_id, 0, NEW.status);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.task_id, OLD.status, NEW.status);
    END IF;
    IF NEW.name <> OLD.name THEN
        UPDATE task_names n SET name = task_name_fold(NEW.name)
        WHERE n.tenant_id = NEW.tenant_id AND n.task_id = NEW.task_id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tasks_after_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE task_changes, task_segments, task_names, task_targets;
    INSERT INTO task_log (tenant_id) SELECT tenant_id FROM tenants;
    RETURN NULL;
END $$;

DROP TRIGGER tasks_inserted ON tasks;
DROP TRIGGER log_inserted ON tasks;
DROP TRIGGER names_inserted ON tasks;
DROP TRIGGER tasks_deleted ON tasks;
DROP TRIGGER log_deleted ON tasks;
DROP TRIGGER names_deleted ON tasks;
DROP TRIGGER targets_deleted ON tasks;
DROP TRIGGER tasks_updated ON tasks;
DROP TRIGGER log_updated ON tasks;
DROP TRIGGER names_changed ON tasks;
DROP TRIGGER targets_moved ON tasks;
DROP TRIGGER tasks_truncated ON tasks;
DROP TRIGGER log_truncated ON tasks;
DROP TRIGGER names_truncated ON tasks;
DROP TRIGGER targets_truncated ON tasks;
DROP FUNCTION task_changes_note, task_changes_note_update, task_log_note, task_names_follow, task_targets_follow, tasks_truncated;

CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks
    REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_after_insert();
CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks
    REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_after_delete();
CREATE TRIGGER tasks_updated AFTER UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION tasks_after_update();
CREATE TRIGGER tasks_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_after_truncate();
