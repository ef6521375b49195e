SET LOCAL lock_timeout = '5s';
COMMENT ON COLUMN task_events.changes IS 'List of [field, value before, value after], as text.';
ALTER TABLE task_events
    DROP CONSTRAINT task_events_kind_check,
    DROP CONSTRAINT task_events_changes_check,
    DROP CONSTRAINT task_events_at_check,
    DROP CONSTRAINT task_events_customer_ids_check;
