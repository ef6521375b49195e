-- Grams of four characters instead of three: ten times fewer names have those of a number, so a search
-- reads ten times fewer. Texts of one to three characters are looked up as beginnings of grams.
--
-- Searches, and writers of single tasks, do not wait while this runs, about 30 s for a million names.
-- Statements that insert more than 1,000 tasks do, and names are not compacted meanwhile.
SET LOCAL lock_timeout = '5s';
CREATE FUNCTION task_name_grams4(tenant text, folded text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE AS $function$
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

CREATE INDEX task_search_by_gram ON task_search USING gin (task_name_grams4(tenant_id, name)) WITH (fastupdate = on);

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

CREATE OR REPLACE FUNCTION task_names_find(tenant text, part text) RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 100
    SET enable_seqscan = off SET enable_indexscan = on SET enable_indexonlyscan = on SET enable_bitmapscan = on AS $function$
DECLARE
    folded text := task_name_fold(part);
    grams tsquery := task_name_query(tenant, folded);
BEGIN
    RETURN QUERY WITH pending AS MATERIALIZED (
        SELECT DISTINCT c.task_id FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending
    ), found AS (
        SELECT n.tenant_id, n.task_id FROM task_search n
        WHERE task_name_grams4(n.tenant_id, n.name) @@ grams AND strpos(n.name, folded) > 0 OFFSET 0
    )
    SELECT f.task_id FROM found f
    WHERE f.tenant_id = tenant AND f.task_id NOT IN (SELECT p.task_id FROM pending p)
    UNION ALL
    SELECT p.task_id FROM pending p CROSS JOIN LATERAL (
        SELECT t.name FROM tasks t
        WHERE t.tenant_id = tenant AND t.task_id >= p.task_id AND t.task_id <= p.task_id
        ORDER BY t.task_id LIMIT 1) AS t
    WHERE strpos(task_name_fold(t.name), folded) > 0;
END $function$;
