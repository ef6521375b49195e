-- The upper case of some letters with two marks is decomposed (ΐ, and seven more Greek ones), and so was their folded form, which
-- a search in upper case did not have. So the folded form is composed at the end.
--
-- Statements that insert more than 1,000 tasks wait while this looks at the names that are not ASCII: seconds for millions of them.
SET LOCAL lock_timeout = '5s';
LOCK TABLE task_search IN SHARE ROW EXCLUSIVE MODE;
CREATE OR REPLACE FUNCTION task_name_fold(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $function$
    -- ẞ, ß, SS and ss are one, and so are Σ, σ and ς, the last of which stands at the end of words alone. ICU's lower
    -- case of İ is i with a dot above it. The upper case of some letters is decomposed, and stays so in lower case.
    SELECT CASE WHEN octet_length(name) = char_length(name) THEN lower(name COLLATE "und-x-icu")
    ELSE normalize(replace(replace(lower(upper(replace(
        CASE WHEN name IS NFKC NORMALIZED THEN name ELSE normalize(name, NFKC) END,
        'ẞ', 'ß') COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ'), E'i\u0307', 'i'), NFKC) END
$function$;
UPDATE task_search SET name = normalize(name, NFKC)
WHERE octet_length(name) <> char_length(name) AND name IS NOT NFKC NORMALIZED;
