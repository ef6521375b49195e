DROP INDEX task_targets_by_state, task_targets_by_customer;
ALTER TABLE task_targets DROP CONSTRAINT task_targets_state_check, DROP COLUMN state, DROP COLUMN attempt, DROP COLUMN result_at;
