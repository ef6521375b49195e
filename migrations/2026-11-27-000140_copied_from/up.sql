-- A copy names the task that it was made from. A constant default changes no row, NOT VALID leaves out the scan, and services
-- that do not know the column go on. The lock is held for a moment; waiting for it would hold up all writes.
SET LOCAL lock_timeout = '5s';
ALTER TABLE tasks
    ADD COLUMN copied_from text COLLATE "C" NOT NULL DEFAULT '',
    ADD CONSTRAINT tasks_copied_from_check CHECK (char_length(copied_from) <= 128) NOT VALID;
COMMENT ON COLUMN tasks.copied_from IS 'The id of the task that it was copied from; empty if it is no copy.';
