-- Tells a task from another one of the same id that was made after the first was deleted. Its times do not: an import sets them.
-- Two steps, so that the rows there are get a constant, and the table is not written anew; the ids that come later differ
-- from it and from each other. The lock is held for a moment, but waiting for it would hold up all who come later: so it is
-- not waited for long.
SET LOCAL lock_timeout = '5s';
ALTER TABLE tasks ADD COLUMN generation bigint NOT NULL DEFAULT 0;
ALTER TABLE tasks ALTER COLUMN generation SET DEFAULT nextval('task_revisions');
COMMENT ON COLUMN tasks.generation IS 'Given when the row is made, never changed, and never that of another task. 0 for a task from before there were generations.';
