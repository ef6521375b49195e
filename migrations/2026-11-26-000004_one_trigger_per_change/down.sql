SET LOCAL lock_timeout = '5s';
DROP TRIGGER tasks_inserted ON tasks;
DROP TRIGGER tasks_deleted ON tasks;
DROP TRIGGER tasks_updated ON tasks;
DROP TRIGGER tasks_truncated ON tasks;
DROP FUNCTION tasks_after_insert, tasks_after_delete, tasks_after_update, tasks_after_truncate;

CREATE OR REPLACE FUNCTION task_changes_note()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        SELECT tenant_id, start_time, task_id, 0, status FROM new_tasks;
    ELSE
        INSERT INTO task_changes (tenant_id, start_time, task_id, was, status)
        SELECT tenant_id, start_time, task_id, status, 0 FROM old_tasks;
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();
CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_changes_note();

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

CREATE OR REPLACE FUNCTION tasks_truncated()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    TRUNCATE task_changes, task_segments;
    RETURN NULL;
END $function$;

CREATE TRIGGER tasks_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION tasks_truncated();

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

CREATE OR REPLACE FUNCTION task_log_note()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (SELECT count(*) FROM (SELECT FROM new_tasks LIMIT 1001) AS first) > 1000 THEN
            INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM new_tasks;
        ELSE
            INSERT INTO task_log (tenant_id, task_id) SELECT tenant_id, task_id FROM new_tasks;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF (SELECT count(*) FROM (SELECT FROM old_tasks LIMIT 1001) AS first) > 1000 THEN
            INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM old_tasks;
        ELSE
            INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name)
            SELECT tenant_id, task_id, status, start_time, end_time, created_at, updated_at, name FROM old_tasks;
        END IF;
    ELSIF TG_OP = 'TRUNCATE' THEN
        INSERT INTO task_log (tenant_id) SELECT tenant_id FROM tenants;
    ELSE
        INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name, targets_changed)
        VALUES (OLD.tenant_id, OLD.task_id, OLD.status, OLD.start_time, OLD.end_time, OLD.created_at, OLD.updated_at, OLD.name,
            NEW.target_count <> OLD.target_count);
        IF (NEW.tenant_id, NEW.task_id) <> (OLD.tenant_id, OLD.task_id) THEN
            INSERT INTO task_log (tenant_id, task_id) VALUES (NEW.tenant_id, NEW.task_id);
        END IF;
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER log_deleted AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_log_note();
CREATE TRIGGER log_inserted AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_log_note();
CREATE TRIGGER log_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION task_log_note();
CREATE TRIGGER log_updated AFTER UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION task_log_note();
