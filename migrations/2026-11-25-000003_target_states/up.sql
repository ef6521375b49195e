-- What came of calling each customer. Beside the tasks' own migration, since building the indexes locks this table for
-- its writers, which must not hold those of tasks up.
ALTER TABLE task_targets
    ADD COLUMN state smallint NOT NULL DEFAULT 1,
    ADD COLUMN attempt integer NOT NULL DEFAULT 0,
    ADD COLUMN result_at timestamptz,
    ADD CONSTRAINT task_targets_state_check CHECK (state BETWEEN 1 AND 6 AND attempt >= 0
        AND (state = 1) = (result_at IS NULL)) NOT VALID;
COMMENT ON COLUMN task_targets.state IS '1 pending, 2 answered, 3 no answer, 4 busy, 5 failed, 6 skipped: the numbers of the contract''s TargetState.';
COMMENT ON COLUMN task_targets.attempt IS 'Which call the state is the result of, from 1; 0 while pending.';
COMMENT ON COLUMN task_targets.result_at IS 'When that call ended; NULL while pending.';

-- Which tasks call a customer; that each does so once; and the way to one target of a task.
CREATE UNIQUE INDEX task_targets_by_customer ON task_targets (tenant_id, customer_id, task_id);
-- The targets of a task in one state, in the task's order.
CREATE INDEX task_targets_by_state ON task_targets (tenant_id, task_id, state, position);
