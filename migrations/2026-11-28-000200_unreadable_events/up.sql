-- Events in a form that the service can answer with. One with another value was accepted from other programs that write to
-- this table, and then no page of its task's events that holds it could be answered. The migration unreadable_values does
-- the same for tasks.
--
-- NOT VALID leaves out the scan that would hold the table locked; the lock lasts for a moment. So an event that has such a
-- value keeps it.
SET LOCAL lock_timeout = '5s';

ALTER TABLE task_events
    ADD CONSTRAINT task_events_kind_check CHECK (kind IN ('created', 'updated', 'deleted', 'started', 'paused', 'resumed',
        'stopped', 'completed', 'failed', 'targets_added', 'targets_removed', 'results_reported')) NOT VALID,
    -- Three texts each, or three texts and two booleans. What is compared first decides, so that [0] always exists.
    ADD CONSTRAINT task_events_changes_check CHECK (jsonb_typeof(changes) = 'array' AND NOT changes @? 'strict $[*] ? (
        @.type() != "array" || @.size() != 3 && @.size() != 5
        || @[0, 1, 2].type() != "string" || @.size() == 5 && @[3, 4].type() != "boolean")') NOT VALID,
    ADD CONSTRAINT task_events_at_check
        CHECK (at >= '0001-01-01T00:00:00Z' AND at < '10000-01-01T00:00:00Z') NOT VALID,
    -- The type allows arrays of several dimensions and with NULL.
    ADD CONSTRAINT task_events_customer_ids_check
        CHECK (array_ndims(customer_ids) = 1 AND array_position(customer_ids, NULL) IS NULL) NOT VALID;
COMMENT ON COLUMN task_events.changes IS 'List of [field, value before, value after], as text; an empty text is no value. Where one of the values is an empty text, two booleans follow: whether there is a value before, and after.';
