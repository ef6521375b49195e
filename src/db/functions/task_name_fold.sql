-- A name without its case. ẞ, ß, SS and ss are equal, and so are Σ, σ and ς.
CREATE OR REPLACE FUNCTION task_name_fold(name text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
    -- ẞ, ß, SS and ss are one, and so are Σ, σ and ς, the last of which stands at the end of words alone.
    SELECT replace(lower(upper(replace(name, 'ẞ', 'ß') COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ')
$function$;

COMMENT ON FUNCTION task_name_fold IS 'A text without its case.';
