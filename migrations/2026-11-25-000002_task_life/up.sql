-- The life of a task: versions for etags, why and since when its status is what it is, how far its targets are, who
-- changed what, and answers kept for callers that try again.
--
-- Every column has a constant default, so no table is written anew; NOT VALID leaves out the scan that would hold the
-- table locked, and the defaults are valid.
CREATE SEQUENCE task_revisions;
ALTER TABLE tasks
    ADD COLUMN revision bigint NOT NULL DEFAULT 0,
    ADD COLUMN status_reason text NOT NULL DEFAULT '',
    ADD COLUMN status_changed_at timestamptz,
    ADD COLUMN targets_answered integer NOT NULL DEFAULT 0,
    ADD COLUMN targets_no_answer integer NOT NULL DEFAULT 0,
    ADD COLUMN targets_busy integer NOT NULL DEFAULT 0,
    ADD COLUMN targets_failed integer NOT NULL DEFAULT 0,
    ADD COLUMN targets_skipped integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT tasks_status_reason_check CHECK (char_length(status_reason) <= 1024) NOT VALID,
    ADD CONSTRAINT tasks_target_states_check CHECK (least(targets_answered, targets_no_answer, targets_busy, targets_failed,
        targets_skipped) >= 0 AND targets_answered + targets_no_answer + targets_busy + targets_failed + targets_skipped
        <= target_count) NOT VALID;
ALTER TABLE tasks ALTER COLUMN revision SET DEFAULT nextval('task_revisions');
COMMENT ON COLUMN tasks.revision IS 'Another one after every change, and never one that any task had before: the etag. 0 for a task unchanged since before there were revisions.';
COMMENT ON COLUMN tasks.status_reason IS 'Why the status is what it is, in the words of whoever changed it.';
COMMENT ON COLUMN tasks.status_changed_at IS 'When the status last changed; NULL as long as it is the one the task came with.';
COMMENT ON COLUMN tasks.targets_answered IS 'How many of its task_targets are in the state 2; the other states likewise. The rest are pending.';

-- Whoever changes a task, by whatever statement, makes older etags stale.
CREATE FUNCTION task_revise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := nextval('task_revisions');
    RETURN NEW;
END $$;
CREATE TRIGGER tasks_revised BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION task_revise();

-- No foreign key: events outlive their task.
CREATE TABLE task_events (
    tenant_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    event_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    key_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    changes jsonb NOT NULL,
    PRIMARY KEY (tenant_id, task_id, event_id)
);
CREATE INDEX task_events_by_time ON task_events (tenant_id, at);
COMMENT ON TABLE task_events IS 'Who changed what in which task, and when. Written in the transaction of the change itself.';
COMMENT ON COLUMN task_events.key_id IS 'The API key that did it; empty for the service itself.';
COMMENT ON COLUMN task_events.kind IS 'What was done: created, updated, deleted, started, …: the words of the contract''s TaskEventKind.';
COMMENT ON COLUMN task_events.changes IS 'List of [field, value before, value after], as text.';

CREATE TABLE idempotency_keys (
    tenant_id text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL CHECK (char_length(idempotency_key) BETWEEN 1 AND 128),
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    outcome text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, idempotency_key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (tenant_id, created_at);
COMMENT ON TABLE idempotency_keys IS 'Writes that were done, for callers that try again: the same key and request get the same answer for 24 hours.';
COMMENT ON COLUMN idempotency_keys.request_hash IS 'SHA-256 of the call''s name and message.';
COMMENT ON COLUMN idempotency_keys.outcome IS 'What the write came to, as JSON. Empty only within the transaction that writes it.';
