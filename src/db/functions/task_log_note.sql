-- Writes the change log that watches read. Each row carries its transaction number: commits do not follow the order of a
-- sequence or a clock, so a reader keeps a snapshot as its position. A statement that inserts or deletes more than 1,000
-- tasks is logged as one row per tenant, and watches list again.
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
