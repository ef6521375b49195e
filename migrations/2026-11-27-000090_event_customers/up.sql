-- Events name the customers whose targets were added, removed or got a result. A nullable column changes no row, and
-- services that do not know it go on. The lock is held for a moment; waiting for it would hold up all writes.
SET LOCAL lock_timeout = '5s';
ALTER TABLE task_events ADD COLUMN customer_ids text[];
COMMENT ON COLUMN task_events.customer_ids IS 'The first 100 customers whose targets were added, removed or got a result, in the order of the request; NULL for other events.';
