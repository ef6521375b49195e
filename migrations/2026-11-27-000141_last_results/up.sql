-- When a result of a call was last stored. A nullable column changes no row, and services that do not know it go on. The lock
-- is held for a moment; waiting for it would hold up all writes.
SET LOCAL lock_timeout = '5s';
ALTER TABLE tasks ADD COLUMN last_result_at timestamptz;
COMMENT ON COLUMN tasks.last_result_at IS 'When a result of a call was last stored; NULL if never, or not since there is this column.';
