-- In which format an outcome is stored, for a service of another version that replays it. 1 is what all services before wrote.
-- A constant default, so the table is not written anew. The lock is held for a moment, but waiting for it would hold up all
-- who come later: so it is not waited for long.
SET LOCAL lock_timeout = '5s';
ALTER TABLE idempotency_keys ADD COLUMN outcome_version smallint NOT NULL DEFAULT 1;
COMMENT ON COLUMN idempotency_keys.outcome_version IS 'The format of outcome; 1: the types of src/app/outcome.rs.';
