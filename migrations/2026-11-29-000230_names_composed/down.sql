SET LOCAL lock_timeout = '5s';
LOCK TABLE task_search IN SHARE ROW EXCLUSIVE MODE;
CREATE OR REPLACE FUNCTION task_name_fold(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $function$
    -- ẞ, ß, SS and ss are one, and so are Σ, σ and ς, the last of which stands at the end of words alone. ICU's lower
    -- case of İ is i with a dot above it.
    SELECT CASE WHEN octet_length(name) = char_length(name) THEN lower(name COLLATE "und-x-icu")
    ELSE replace(replace(lower(upper(replace(
        CASE WHEN name IS NFKC NORMALIZED THEN name ELSE normalize(name, NFKC) END,
        'ẞ', 'ß') COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ'), E'i\u0307', 'i') END
$function$;
UPDATE task_search s SET name = task_name_fold(t.name) FROM tasks t
WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id
    AND octet_length(s.name) <> char_length(s.name) AND s.name <> task_name_fold(t.name);
