-- The form of tasks.labels, for a constraint: programs beside the service write to the table too, and a task whose labels
-- have another form could not be answered. Twice the maximum number of labels, keys and values: src/domain/labels.rs.
CREATE OR REPLACE FUNCTION task_labels_valid(labels text[])
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
