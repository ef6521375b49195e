-- The grams of a name: the four characters (fewer at the end) from each of its positions, each with the tenant before
-- it. Four texts, cut into fours from the first to the fourth character on, since a query per position would take
-- longer. chr(1) separates the grams, so chr(2) stands for it inside them; the search compares the name itself
-- in the end.
CREATE OR REPLACE FUNCTION task_name_grams4(tenant text, folded text)
 RETURNS tsvector
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    plain text := replace(folded, chr(1), chr(2));
    gram text := chr(1) || tenant || '/\&';
BEGIN
    RETURN array_to_tsvector(string_to_array(substr(concat(
        regexp_replace(plain, '.{1,4}', gram, 'g'),
        regexp_replace(substr(plain, 2), '.{1,4}', gram, 'g'),
        regexp_replace(substr(plain, 3), '.{1,4}', gram, 'g'),
        regexp_replace(substr(plain, 4), '.{1,4}', gram, 'g')), 2), chr(1)));
END $function$;

COMMENT ON FUNCTION task_name_grams4 IS 'The grams of a name, four characters each, behind their tenant.';
