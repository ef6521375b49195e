SET LOCAL lock_timeout = '5s';

DO $do$
BEGIN
    EXECUTE format($format$CREATE OR REPLACE FUNCTION tasks_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    inserted bigint;
BEGIN
    INSERT INTO %1$I.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
    SELECT tenant_id, start_time, created_at, end_time, task_id, 0, status, (SELECT count(*) <= 1000 FROM (SELECT FROM new_tasks LIMIT 1001) AS first)
    FROM new_tasks;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted > 1000 THEN
        INSERT INTO %1$I.task_log (tenant_id) SELECT DISTINCT tenant_id FROM new_tasks;
        INSERT INTO %1$I.task_search (tenant_id, task_id, name) SELECT tenant_id, task_id, %1$I.task_name_fold(name) FROM new_tasks;
    ELSE
        INSERT INTO %1$I.task_log (tenant_id, task_id) SELECT tenant_id, task_id FROM new_tasks;
    END IF;
    RETURN NULL;
END $function$$format$, current_schema());
END $do$;

CREATE OR REPLACE FUNCTION tasks_after_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
DECLARE
    deleted bigint;
BEGIN
    INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
    SELECT tenant_id, start_time, created_at, end_time, task_id, status, 0, true FROM old_tasks;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 1000 THEN
        INSERT INTO task_log (tenant_id) SELECT DISTINCT tenant_id FROM old_tasks;
    ELSE
        INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name)
        SELECT tenant_id, task_id, status, start_time, end_time, created_at, updated_at, name FROM old_tasks;
    END IF;
    DELETE FROM task_targets g USING old_tasks t WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION tasks_after_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
BEGIN
    TRUNCATE task_changes, task_segments, task_search, task_targets;
    INSERT INTO task_log (tenant_id) SELECT tenant_id FROM tenants;
    RETURN NULL;
END $function$;

DO $do$
BEGIN
    EXECUTE format($format$CREATE OR REPLACE FUNCTION tasks_after_update()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    INSERT INTO %1$I.task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, was_updated_at, was_name,
        targets_changed)
    VALUES (OLD.tenant_id, OLD.task_id, OLD.status, OLD.start_time, OLD.end_time, OLD.created_at, OLD.updated_at, OLD.name,
        NEW.target_count <> OLD.target_count);
    IF NEW.task_id <> OLD.task_id OR NEW.tenant_id <> OLD.tenant_id THEN
        INSERT INTO %1$I.task_log (tenant_id, task_id) VALUES (NEW.tenant_id, NEW.task_id);
        INSERT INTO %1$I.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.created_at, OLD.end_time, OLD.task_id, OLD.status, 0, true),
            (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, 0, NEW.status, true);
        UPDATE %1$I.task_targets g SET tenant_id = NEW.tenant_id, task_id = NEW.task_id
        WHERE g.tenant_id = OLD.tenant_id AND g.task_id = OLD.task_id;
        RETURN NULL;
    END IF;
    IF NEW.start_time <> OLD.start_time OR NEW.created_at <> OLD.created_at OR NEW.end_time <> OLD.end_time THEN
        INSERT INTO %1$I.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status)
        VALUES (OLD.tenant_id, OLD.start_time, OLD.created_at, OLD.end_time, OLD.task_id, OLD.status, 0),
            (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, 0, NEW.status);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO %1$I.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, OLD.status, NEW.status);
    END IF;
    IF NEW.name <> OLD.name THEN
        INSERT INTO %1$I.task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
        VALUES (NEW.tenant_id, NEW.start_time, NEW.created_at, NEW.end_time, NEW.task_id, NEW.status, NEW.status, true);
    END IF;
    RETURN NULL;
END $function$$format$, current_schema());
END $do$;

CREATE OR REPLACE FUNCTION task_counts_fold(tenant text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
DECLARE
    pending_changes bigint;
    all_tasks bigint;
    is_counted boolean;
    segment task_segments;
    grown task_segments[] := '{}';
    any_names boolean;
BEGIN
    IF NOT task_counts_lock(tenant, false) THEN
        RETURN 0;
    END IF;
    -- TRUNCATE tasks locks the tables in this order too.
    LOCK TABLE tasks IN ACCESS SHARE MODE;
    SELECT count(*) FILTER (WHERE c.was <> c.status), bool_or(c.name_pending) INTO pending_changes, any_names
    FROM task_changes c WHERE c.tenant_id = tenant;
    IF any_names THEN
        PERFORM task_names_follow(tenant);
    END IF;
    -- False after a migration or TRUNCATE, and for a new tenant: deltas from then may lack what a sort orders by.
    is_counted := EXISTS (SELECT FROM task_segments s WHERE s.tenant_id = tenant AND s.sort = 3 AND s.level = 3)
        AND EXISTS (SELECT FROM task_segments s WHERE s.tenant_id = tenant AND s.sort = 4 AND s.level = 3);
    IF pending_changes = 0 AND is_counted THEN
        RETURN 0;
    END IF;
    SELECT pending + running + paused + completed + stopped + failed INTO all_tasks FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = 1 AND s.level = 3;
    IF NOT FOUND OR NOT is_counted OR pending_changes > greatest(all_tasks / 4, 10000) THEN
        -- For the first time, or after an import: counting anew is cheaper.
        PERFORM task_counts_rebuild(tenant);
        RETURN pending_changes;
    END IF;
    FOR segment IN
        WITH gone AS (
            DELETE FROM task_changes c WHERE c.tenant_id = tenant AND NOT (c.name_pending AND c.was = c.status)
            RETURNING c.start_time, c.created_at, c.end_time, c.task_id, c.was, c.status, c.name_pending
        ), kept AS (
            -- These came after task_names_follow, or it could not run. The next one takes them.
            INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
            SELECT tenant, g.start_time, g.created_at, g.end_time, g.task_id, greatest(g.was, g.status), greatest(g.was, g.status), true
            FROM gone g WHERE g.name_pending
        ), changed AS (
            SELECT k.sort, task_key(k.sort, k.instant, g.task_id) AS key,
                count(*) FILTER (WHERE g.status = 1) - count(*) FILTER (WHERE g.was = 1) AS pending,
                count(*) FILTER (WHERE g.status = 2) - count(*) FILTER (WHERE g.was = 2) AS running,
                count(*) FILTER (WHERE g.status = 3) - count(*) FILTER (WHERE g.was = 3) AS paused,
                count(*) FILTER (WHERE g.status = 4) - count(*) FILTER (WHERE g.was = 4) AS completed,
                count(*) FILTER (WHERE g.status = 5) - count(*) FILTER (WHERE g.was = 5) AS stopped,
                count(*) FILTER (WHERE g.status = 6) - count(*) FILTER (WHERE g.was = 6) AS failed
            FROM gone g CROSS JOIN LATERAL (
                VALUES (1, g.start_time), (2, '-infinity'), (3, g.created_at), (4, g.end_time)) AS k (sort, instant)
            GROUP BY k.sort, k.instant, g.task_id
        ), segments AS (
            SELECT c.sort, 0 AS level, s.key,
                sum(c.pending) AS pending, sum(c.running) AS running, sum(c.paused) AS paused,
                sum(c.completed) AS completed, sum(c.stopped) AS stopped, sum(c.failed) AS failed
            FROM changed c CROSS JOIN LATERAL (
                SELECT s.key FROM task_segments s
                WHERE s.tenant_id = tenant AND s.sort = c.sort AND s.level = 0 AND s.key <= c.key
                ORDER BY s.key DESC LIMIT 1) AS s
            GROUP BY c.sort, s.key
        ), groups AS (
            SELECT u.sort, levels.level, s.key,
                sum(u.pending) AS pending, sum(u.running) AS running, sum(u.paused) AS paused,
                sum(u.completed) AS completed, sum(u.stopped) AS stopped, sum(u.failed) AS failed
            FROM segments u CROSS JOIN (VALUES (1), (2), (3)) AS levels (level) CROSS JOIN LATERAL (
                SELECT s.key FROM task_segments s
                WHERE s.tenant_id = tenant AND s.sort = u.sort AND s.level = levels.level AND s.key <= u.key
                ORDER BY s.key DESC LIMIT 1) AS s
            GROUP BY u.sort, levels.level, s.key
        ), nodes AS (
            SELECT * FROM segments UNION ALL SELECT * FROM groups
        )
        UPDATE task_segments s SET pending = s.pending + n.pending, running = s.running + n.running,
            paused = s.paused + n.paused, completed = s.completed + n.completed, stopped = s.stopped + n.stopped,
            failed = s.failed + n.failed
        FROM nodes n
        WHERE s.tenant_id = tenant AND s.sort = n.sort AND s.level = n.level AND s.key = n.key
        RETURNING s.*
    LOOP
        IF segment.level = 0 AND segment.pending + segment.running + segment.paused + segment.completed
            + segment.stopped + segment.failed > 512 THEN
            grown := grown || segment;
        END IF;
    END LOOP;
    -- Each split passes over all changes, also those just added, which PostgreSQL keeps until the end.
    IF cardinality(grown) * pending_changes > greatest(16 * all_tasks, 1000000) THEN
        PERFORM task_counts_rebuild(tenant);
        RETURN pending_changes;
    END IF;
    FOREACH segment IN ARRAY grown LOOP
        PERFORM task_segments_split(tenant, segment);
    END LOOP;
    RETURN pending_changes;
END $function$;

CREATE OR REPLACE FUNCTION task_segments_cut(tenant text, sorts smallint[], low_time timestamp with time zone, low_id text, high_time timestamp with time zone, high_id text, consume boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET work_mem TO '64MB'
 SET search_path FROM CURRENT
AS $function$
BEGIN
    DELETE FROM task_segments s
    WHERE s.tenant_id = tenant AND s.sort = ANY (sorts) AND s.level = 0
        AND s.key >= task_key(s.sort, low_time, low_id) AND s.key < task_key(s.sort, high_time, high_id);
    IF consume THEN
        WITH gone AS (
            DELETE FROM task_changes c
            WHERE c.tenant_id = tenant AND NOT (c.name_pending AND c.was = c.status)
            RETURNING c.start_time, c.created_at, c.end_time, c.task_id, c.was, c.status, c.name_pending
        ), kept AS (
            -- As in task_counts_fold.
            INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
            SELECT tenant, g.start_time, g.created_at, g.end_time, g.task_id, greatest(g.was, g.status),
                greatest(g.was, g.status), true
            FROM gone g WHERE g.name_pending
        ), entries AS (
            SELECT sort, 0::bigint AS piece, low_time AS start_time, low_id AS first_id, 0 AS status, 0 AS count
            FROM unnest(sorts) AS sort
            UNION ALL
            SELECT n.sort, n.number / 256, n.instant, CASE WHEN n.number % 256 = 0 AND n.number > 0 THEN n.task_id END,
                n.status, 1
            FROM task_numbered(tenant, sorts, low_time, low_id, high_time, high_id) n
        )
        INSERT INTO task_segments (tenant_id, sort, level, start_time, task_id, pending, running, paused, completed,
            stopped, failed)
        SELECT tenant, e.sort, 0, min(e.start_time), min(e.first_id),
            coalesce(sum(e.count) FILTER (WHERE e.status = 1), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 2), 0),
            coalesce(sum(e.count) FILTER (WHERE e.status = 3), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 4), 0),
            coalesce(sum(e.count) FILTER (WHERE e.status = 5), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 6), 0)
        FROM entries e GROUP BY e.sort, e.piece;
        RETURN;
    END IF;
    WITH numbered AS (
        SELECT * FROM task_numbered(tenant, sorts, low_time, low_id, high_time, high_id)
    ), placed AS (
        -- A change that stays lies in the piece of the last task before it, or at it.
        SELECT e.sort, max(e.number) OVER (PARTITION BY e.sort ORDER BY e.instant, e.task_id) AS number,
            e.status, e.count
        FROM (
            SELECT n.sort, n.instant, n.task_id, n.number, 0 AS status, 0 AS count FROM numbered n
            UNION ALL
            SELECT k.sort, k.instant, c.task_id, NULL, d.status, d.count
            FROM task_changes c CROSS JOIN unnest(sorts) AS sort CROSS JOIN LATERAL (
                SELECT sort, task_change_time(c, sort) AS instant) AS k
            CROSS JOIN LATERAL (VALUES (c.status, -1), (c.was, 1)) AS d (status, count)
            WHERE c.tenant_id = tenant AND d.status > 0
                AND (k.instant, c.task_id) >= (low_time, low_id) AND (k.instant, c.task_id) < (high_time, high_id)
        ) AS e
    ), entries AS (
        -- The first piece begins where the span does, not at its first task.
        SELECT sort, 0::bigint AS piece, low_time AS start_time, low_id AS first_id, 0 AS status, 0 AS count
        FROM unnest(sorts) AS sort
        UNION ALL
        SELECT n.sort, n.number / 256, n.instant, CASE WHEN n.number % 256 = 0 AND n.number > 0 THEN n.task_id END,
            n.status, 1
        FROM numbered n
        UNION ALL
        SELECT p.sort, coalesce(p.number / 256, 0), NULL, NULL, p.status, p.count FROM placed p WHERE p.count <> 0
    )
    INSERT INTO task_segments (tenant_id, sort, level, start_time, task_id, pending, running, paused, completed,
        stopped, failed)
    SELECT tenant, e.sort, 0, min(e.start_time), min(e.first_id),
        coalesce(sum(e.count) FILTER (WHERE e.status = 1), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 2), 0),
        coalesce(sum(e.count) FILTER (WHERE e.status = 3), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 4), 0),
        coalesce(sum(e.count) FILTER (WHERE e.status = 5), 0), coalesce(sum(e.count) FILTER (WHERE e.status = 6), 0)
    FROM entries e GROUP BY e.sort, e.piece;
END $function$;

CREATE OR REPLACE FUNCTION task_counts_rebuild(tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path FROM CURRENT
AS $function$
BEGIN
    PERFORM task_counts_lock(tenant, true);
    LOCK TABLE tasks IN ACCESS SHARE MODE;
    PERFORM task_names_follow(tenant);
    DELETE FROM task_segments s WHERE s.tenant_id = tenant;
    PERFORM task_segments_cut(tenant, '{1,2,3,4}', '-infinity', '', 'infinity', task_key_end(), true);
    FOR depth IN 1..3 LOOP
        FOR sorted IN 1..4 LOOP
            PERFORM task_segments_group(tenant, sorted, depth, '', task_key_end());
        END LOOP;
    END LOOP;
END $function$;

CREATE OR REPLACE FUNCTION task_counts_verify(tenant text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET work_mem TO '64MB'
 SET search_path FROM CURRENT
AS $function$
    -- Every segment against its tasks, and every group against what it is made of; one snapshot.
    WITH sorts AS (
        -- A sort that was never counted has no segments, and its lists do not use it.
        SELECT sort FROM (VALUES (1), (2), (3), (4)) AS known (sort)
        WHERE sort <= 2 OR EXISTS (SELECT FROM task_segments s WHERE s.tenant_id = tenant AND s.sort = known.sort)
    ), counts AS (
        SELECT s.sort, s.level, s.start_time, s.task_id, n.status, n.count FROM task_segments s CROSS JOIN LATERAL (
            VALUES (1, s.pending), (2, s.running), (3, s.paused), (4, s.completed), (5, s.stopped), (6, s.failed)
        ) AS n (status, count)
        WHERE s.tenant_id = tenant
    ), entries AS (
        SELECT s.sort, s.level, s.start_time, s.task_id, 0 AS status, 0 AS count FROM task_segments s
        WHERE s.tenant_id = tenant
        UNION ALL SELECT c.* FROM counts c
        UNION ALL SELECT c.sort, c.level + 1, c.start_time, c.task_id, c.status, -c.count FROM counts c WHERE c.level < 3
        UNION ALL
        SELECT sort, 0, task_change_time(c, sort), c.task_id, n.status, n.count
        FROM task_changes c CROSS JOIN sorts
        CROSS JOIN LATERAL (VALUES (c.status, 1), (c.was, -1)) AS n (status, count)
        WHERE c.tenant_id = tenant AND n.status > 0
        UNION ALL
        SELECT sort, 0, CASE sort WHEN 1 THEN t.start_time WHEN 3 THEN t.created_at WHEN 4 THEN t.end_time
            ELSE '-infinity' END, t.task_id, t.status, -1
        FROM tasks t CROSS JOIN sorts WHERE t.tenant_id = tenant
    ), placed AS (
        -- Status 0 marks where a piece begins; what lies before all of them is in piece 0, which must be empty too.
        SELECT e.*, count(*) FILTER (WHERE e.status = 0) OVER (PARTITION BY e.sort, e.level
            ORDER BY e.start_time, e.task_id, e.status ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS piece
        FROM entries e
    )
    SELECT count(*) FROM (
        SELECT FROM placed p GROUP BY p.sort, p.level, p.piece, p.status HAVING sum(p.count) <> 0) AS wrong
$function$;

DROP FUNCTION task_label_count;
DROP TABLE task_labels, task_label_counts;
ALTER TABLE task_log DROP COLUMN was_labels;
ALTER TABLE task_changes DROP COLUMN labels;
ALTER TABLE tasks DROP COLUMN labels;
