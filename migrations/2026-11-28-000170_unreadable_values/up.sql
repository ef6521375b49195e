-- Labels, customers and the time of the last result in a form that the service can answer with. A task with another value,
-- such as NULL among its labels, was accepted from other programs that write to this table, and then no page that holds it
-- could be answered.
--
-- NOT VALID leaves out the scan that would hold the table locked; the lock lasts for a moment. So a task that has such a value
-- keeps it, and its next change must mend it.
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION task_labels_valid(labels text[])
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
DECLARE
    term text COLLATE "C";
    -- The key of the label before.
    last text COLLATE "C" := '';
    -- The key whose value comes next.
    key text COLLATE "C";
BEGIN
    IF array_ndims(labels) > 1 OR cardinality(labels) % 2 <> 0 OR cardinality(labels) > 64 THEN
        RETURN false;
    END IF;
    FOREACH term IN ARRAY labels LOOP
        IF key IS NULL THEN
            IF term IS NULL OR term <= last OR term !~ '^[a-z0-9][a-z0-9._/-]{0,62}$' THEN
                RETURN false;
            END IF;
            key := term;
        ELSE
            IF term IS NULL OR NOT starts_with(term, key || '=') OR char_length(term) > char_length(key) + 256 THEN
                RETURN false;
            END IF;
            last := key;
            key := NULL;
        END IF;
    END LOOP;
    RETURN true;
END $function$;
COMMENT ON FUNCTION task_labels_valid IS 'Whether tasks.labels may be this: for each label, in the order of the keys, the key and key=value.';

ALTER TABLE tasks
    ADD CONSTRAINT tasks_labels_check CHECK (task_labels_valid(labels)) NOT VALID,
    -- The type allows arrays of several dimensions and with NULL.
    ADD CONSTRAINT tasks_target_form_check CHECK (array_ndims(target) = 1 AND array_position(target, NULL) IS NULL) NOT VALID,
    ADD CONSTRAINT tasks_last_result_check
        CHECK (last_result_at >= '0001-01-01T00:00:00Z' AND last_result_at < '10000-01-01T00:00:00Z') NOT VALID;
