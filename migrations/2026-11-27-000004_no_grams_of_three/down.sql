CREATE FUNCTION task_name_grams(tenant text, folded text)
 RETURNS tsvector
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    plain text := replace(folded, chr(1), chr(2));
    gram text := chr(1) || tenant || '/\&';
BEGIN
    RETURN array_to_tsvector(string_to_array(substr(concat(
        regexp_replace(plain, '.{1,3}', gram, 'g'),
        regexp_replace(substr(plain, 2), '.{1,3}', gram, 'g'),
        regexp_replace(substr(plain, 3), '.{1,3}', gram, 'g')), 2), chr(1)));
END $function$;
COMMENT ON FUNCTION task_name_grams IS 'The grams of a name, each behind its tenant.';
CREATE INDEX task_names_by_gram ON task_search USING gin (task_name_grams(tenant_id, name)) WITH (fastupdate = on);
