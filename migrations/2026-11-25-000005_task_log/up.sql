-- What watchers are told of: every change of a task, written in the transaction that makes it.
--
-- Neither a sequence nor a clock follows the order of commits: a reader that goes by them passes over what commits late.
-- So each row carries its transaction's number, and a reader's place is a snapshot: the highest number that it has seen,
-- and which lower ones were open then. Later it reads the rows above the one and of the others. That loses nothing, waits
-- for no long transaction, and survives a crash: numbers that PostgreSQL gives out anew after one are above all that ever
-- committed.
ALTER TABLE tenants ADD COLUMN log_trimmed bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN tenants.log_trimmed IS 'The highest transaction number that was removed from task_log: a reader whose place is below has missed something.';

CREATE TABLE task_log (
    tenant_id text COLLATE "C" NOT NULL,
    xid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    log_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_id text COLLATE "C",
    was_status smallint,
    was_start_time timestamptz,
    was_end_time timestamptz,
    was_created_at timestamptz,
    was_updated_at timestamptz,
    was_name text COLLATE "C",
    targets_changed boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, xid, log_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE task_log IS 'Tasks that came, changed or went, and what a filter could ask of them before. Kept for --watch-retention.';
COMMENT ON COLUMN task_log.xid IS 'The transaction. Changes of one task follow each other by log_id, in whatever order their transactions began.';
COMMENT ON COLUMN task_log.task_id IS 'The task; NULL for more tasks than are told of one by one, as by an import.';
COMMENT ON COLUMN task_log.was_status IS 'What the task was before; NULL, as all that it was, where there was none.';
COMMENT ON COLUMN task_log.targets_changed IS 'Whether it may call other customers since.';

CREATE FUNCTION task_log_note() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$;
CREATE TRIGGER log_inserted AFTER INSERT ON tasks
    REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_log_note();
CREATE TRIGGER log_deleted AFTER DELETE ON tasks
    REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_log_note();
CREATE TRIGGER log_updated AFTER UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION task_log_note();
CREATE TRIGGER log_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION task_log_note();
