-- The tsquery that the grams of every name with this part match: every fourth gram and the last one, which together
-- cover the whole part. For fewer than four characters, all grams that begin with them.
CREATE OR REPLACE FUNCTION task_name_query(tenant text, folded text)
 RETURNS tsquery
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    plain text := replace(folded, chr(1), chr(2));
    last integer := char_length(plain) - 3;
    quoted text := '''' || replace(replace(tenant || '/', '\', '\\'), '''', '''''');
BEGIN
    IF last < 1 THEN
        RETURN quoted || replace(replace(plain, '\', '\\'), '''', '''''') || ''':*';
    END IF;
    RETURN (SELECT string_agg(quoted || replace(replace(substr(plain, least(place, last), 4), '\', '\\'), '''', '''''') || '''', ' & ')
        FROM generate_series(1, last + 3, 4) AS places (place));
END $function$;

COMMENT ON FUNCTION task_name_query IS 'What the grams of every name that holds a text must match.';
