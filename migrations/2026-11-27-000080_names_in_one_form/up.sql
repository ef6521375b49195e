-- Full-width and half-width characters, and composed and decomposed ones, are equal in searches by name (NFKC), and so are
-- İ and i. An ASCII text has one form only. Other texts mostly have it already, which is cheaper to see than to make.
--
-- Statements that insert more than 1,000 tasks wait while this folds all names again that are not ASCII: some seconds for a
-- million of them, and longer if many have full-width characters, since those are written anew. Names are not compacted
-- meanwhile. A folded name is not enough for that: accents may have joined other letters before.
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
COMMENT ON FUNCTION task_name_fold IS 'A text without its case, width and composition.';
UPDATE task_search s SET name = task_name_fold(t.name) FROM tasks t
WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id
    AND octet_length(s.name) <> char_length(s.name) AND s.name <> task_name_fold(t.name);
