-- ẞ is equal to ß, SS and ss. ICU's upper case of ß is SS, but that of ẞ is ẞ, so it has to become ß first.
-- A folded name had a ß only where the task's name has a ẞ.
--
-- Statements that insert more than 1,000 tasks wait while this reads all folded names, about 1 s for a million of
-- them. Names are not compacted meanwhile.
SET LOCAL lock_timeout = '5s';
LOCK TABLE task_search IN SHARE ROW EXCLUSIVE MODE;
CREATE OR REPLACE FUNCTION task_name_fold(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $function$
    -- ẞ, ß, SS and ss are one, and so are Σ, σ and ς, the last of which stands at the end of words alone.
    SELECT replace(lower(upper(replace(name, 'ẞ', 'ß') COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ')
$function$;
UPDATE task_search SET name = replace(name, 'ß', 'ss') WHERE strpos(name, 'ß') > 0;
