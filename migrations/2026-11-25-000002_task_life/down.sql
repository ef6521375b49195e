DROP TABLE idempotency_keys, task_events;
DROP TRIGGER tasks_revised ON tasks;
DROP FUNCTION task_revise;
ALTER TABLE tasks DROP CONSTRAINT tasks_target_states_check, DROP CONSTRAINT tasks_status_reason_check, DROP COLUMN revision,
    DROP COLUMN status_reason, DROP COLUMN status_changed_at, DROP COLUMN targets_answered, DROP COLUMN targets_no_answer,
    DROP COLUMN targets_busy, DROP COLUMN targets_failed, DROP COLUMN targets_skipped;
DROP SEQUENCE task_revisions;
