CREATE OR REPLACE FUNCTION task_name_fold(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $function$
    -- ẞ, ß, SS and ss are one, and so are Σ, σ and ς, the last of which stands at the end of words alone.
    SELECT replace(lower(upper(name COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ')
$function$;
