SET LOCAL lock_timeout = '5s';
ALTER TABLE task_events DROP COLUMN customer_ids;
