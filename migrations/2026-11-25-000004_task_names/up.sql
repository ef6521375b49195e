-- Search in names: any part of them, any case, any script, without an extension.
--
-- A name's grams are what stands in it from each of its places on, three characters or what is left of them. Of every
-- name that holds a text of three characters or more, that text's own grams are among the grams; of every name that
-- holds a shorter one, a gram begins with it. So an inverted index (GIN) on the grams leads to the names that may match,
-- and a look at each tells which do. The tenant stands before each gram, so that a search reads no other tenant's.
--
-- In a table of its own, since an index of tasks gets a new entry whenever a status, a time or the progress changes.
--
-- Writers of tasks wait while this runs, about 30 s for a million of them; readers do not.
CREATE FUNCTION task_name_fold(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    -- ẞ, ß, SS and ss are one, and so are Σ, σ and ς, the last of which stands at the end of words alone.
    SELECT replace(lower(upper(name COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ')
$$;
COMMENT ON FUNCTION task_name_fold IS 'A text without its case.';

-- As three texts of threes, from the first, the second and the third character on: a query for each of its places would
-- take thrice the time. chr(1) separates the grams, so within them it stands as chr(2); a search looks at the name itself in the end.
CREATE FUNCTION task_name_grams(tenant text, folded text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    plain text := replace(folded, chr(1), chr(2));
    gram text := chr(1) || tenant || '/\&';
BEGIN
    RETURN array_to_tsvector(string_to_array(substr(concat(
        regexp_replace(plain, '.{1,3}', gram, 'g'),
        regexp_replace(substr(plain, 2), '.{1,3}', gram, 'g'),
        regexp_replace(substr(plain, 3), '.{1,3}', gram, 'g')), 2), chr(1)));
END $$;
COMMENT ON FUNCTION task_name_grams IS 'The grams of a name, each behind its tenant.';

-- Every third gram and the last one: together they hold all of the text, and the others would cost more than they spare.
CREATE FUNCTION task_name_query(tenant text, folded text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    plain text := replace(folded, chr(1), chr(2));
    last integer := char_length(plain) - 2;
    quoted text := '''' || replace(replace(tenant || '/', '\', '\\'), '''', '''''');
BEGIN
    IF last < 1 THEN
        RETURN quoted || replace(replace(plain, '\', '\\'), '''', '''''') || ''':*';
    END IF;
    RETURN (SELECT string_agg(quoted || replace(replace(substr(plain, least(place, last), 3), '\', '\\'), '''', '''''') || '''', ' & ')
        FROM generate_series(1, last + 2, 3) AS places (place));
END $$;
COMMENT ON FUNCTION task_name_query IS 'What the grams of every name that holds a text must match.';

CREATE TABLE task_names (
    tenant_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
);
COMMENT ON TABLE task_names IS 'The name of each task without its case, to be searched in. Kept by triggers on tasks.';

CREATE FUNCTION task_names_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO task_names (tenant_id, task_id, name) SELECT tenant_id, task_id, task_name_fold(name) FROM new_tasks;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM task_names n USING gone_tasks t WHERE n.tenant_id = t.tenant_id AND n.task_id = t.task_id;
    ELSIF TG_OP = 'TRUNCATE' THEN
        TRUNCATE task_names;
    ELSIF (NEW.tenant_id, NEW.task_id, NEW.name) IS DISTINCT FROM (OLD.tenant_id, OLD.task_id, OLD.name) THEN
        UPDATE task_names n SET tenant_id = NEW.tenant_id, task_id = NEW.task_id, name = task_name_fold(NEW.name)
        WHERE n.tenant_id = OLD.tenant_id AND n.task_id = OLD.task_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER names_inserted AFTER INSERT ON tasks
    REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_names_follow();
CREATE TRIGGER names_deleted AFTER DELETE ON tasks
    REFERENCING OLD TABLE AS gone_tasks FOR EACH STATEMENT EXECUTE FUNCTION task_names_follow();
CREATE TRIGGER names_changed AFTER UPDATE OF tenant_id, task_id, name ON tasks
    FOR EACH ROW EXECUTE FUNCTION task_names_follow();
CREATE TRIGGER names_truncated AFTER TRUNCATE ON tasks
    FOR EACH STATEMENT EXECUTE FUNCTION task_names_follow();

INSERT INTO task_names (tenant_id, task_id, name) SELECT tenant_id, task_id, task_name_fold(name) FROM tasks;

-- New grams are first put on a list that every search reads too, and sorted in from there, many at once. At 4 MB (2 ms
-- of a search, at most) a name costs its writer 30 µs, at 256 kB 75 µs, without a list 140 µs.
-- 4 MB is what a session has unless it says otherwise, as an import does, which sorts all in at its end.
CREATE INDEX task_names_by_gram ON task_names USING gin (task_name_grams(tenant_id, name)) WITH (fastupdate = on);

-- Its own settings, since the index can be read in one way only, and sessions of the service go without that way
-- everywhere else. OFFSET 0 keeps PostgreSQL from looking for the tenant in the primary key instead.
CREATE FUNCTION task_names_find(tenant text, part text) RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 100
    SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_bitmapscan = on AS $$
DECLARE
    folded text := task_name_fold(part);
    grams tsquery := task_name_query(tenant, folded);
BEGIN
    RETURN QUERY SELECT found.task_id FROM (
        SELECT n.tenant_id, n.task_id FROM task_names n
        WHERE task_name_grams(n.tenant_id, n.name) @@ grams AND strpos(n.name, folded) > 0 OFFSET 0) AS found
    WHERE found.tenant_id = tenant;
END $$;
COMMENT ON FUNCTION task_names_find IS 'The ids of a tenant''s tasks whose name holds a text, whatever its case.';
