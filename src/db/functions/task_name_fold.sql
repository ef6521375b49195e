-- A name in the form that searches compare: without its case, width and composition (NFKC). ẞ, ß, SS and ss are equal, and so
-- are Σ, σ and ς, and İ, I, i and ı.
CREATE OR REPLACE FUNCTION task_name_fold(name text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
    -- ẞ, ß, SS and ss are one, and so are Σ, σ and ς, the last of which stands at the end of words alone. ICU's lower
    -- case of İ is i with a dot above it. The upper case of some letters is decomposed, and stays so in lower case.
    SELECT CASE WHEN octet_length(name) = char_length(name) THEN lower(name COLLATE "und-x-icu")
    ELSE normalize(replace(replace(lower(upper(replace(
        CASE WHEN name IS NFKC NORMALIZED THEN name ELSE normalize(name, NFKC) END,
        'ẞ', 'ß') COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ'), E'i\u0307', 'i'), NFKC) END
$function$;

COMMENT ON FUNCTION task_name_fold IS 'A text without its case, width and composition.';
