SET LOCAL lock_timeout = '5s';
LOCK TABLE task_search IN SHARE ROW EXCLUSIVE MODE;
CREATE OR REPLACE FUNCTION task_name_fold(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $function$
    -- ẞ, ß, SS and ss are one, and so are Σ, σ and ς, the last of which stands at the end of words alone.
    SELECT replace(lower(upper(replace(name, 'ẞ', 'ß') COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ')
$function$;
COMMENT ON FUNCTION task_name_fold IS 'A text without its case.';
UPDATE task_search s SET name = task_name_fold(t.name) FROM tasks t
WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id AND s.name <> task_name_fold(t.name);
