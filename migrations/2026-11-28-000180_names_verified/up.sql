-- The names that searches read are verified as the counts are. Functions only: nobody waits.
CREATE FUNCTION task_names_damaged(tenant text)
 RETURNS SETOF text
 LANGUAGE sql
 STABLE
 SET work_mem TO '64MB'
 SET search_path FROM CURRENT
AS $function$
    -- A task and its row of task_search are two entries with the same name, in one snapshot.
    SELECT e.task_id FROM (
        SELECT t.task_id, task_name_fold(t.name) AS name, 1 AS count FROM tasks t WHERE t.tenant_id = tenant
        UNION ALL
        SELECT n.task_id, n.name, -1 FROM task_search n WHERE n.tenant_id = tenant
    ) AS e
    WHERE e.task_id NOT IN (SELECT c.task_id FROM task_changes c WHERE c.tenant_id = tenant AND c.name_pending)
    GROUP BY e.task_id
    HAVING sum(e.count) <> 0 OR min(e.name COLLATE "C") <> max(e.name COLLATE "C")
$function$;
COMMENT ON FUNCTION task_names_damaged IS 'The ids whose name a search would miss or find wrongly: task_search lacks them, has another name, or has no task for them.';

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
    ), label_entries AS (
        -- The counts of each label and the deltas, against the rows of labels.
        SELECT 1 AS side, n.label, s.status, NULL::timestamptz AS start_time, NULL AS task_id, s.count
        FROM task_label_counts n CROSS JOIN LATERAL (VALUES 
            (1, n.pending), (2, n.running), (3, n.paused), (4, n.completed), (5, n.stopped), (6, n.failed)
        ) AS s (status, count)
        WHERE n.tenant_id = tenant
        UNION ALL
        SELECT 1, l.label, d.status, NULL, NULL, d.count FROM task_changes c CROSS JOIN unnest(c.labels) AS l (label)
        CROSS JOIN LATERAL (VALUES (c.status, 1), (c.was, -1)) AS d (status, count)
        WHERE c.tenant_id = tenant AND d.status > 0
        UNION ALL
        SELECT 1, g.label, g.status, NULL, NULL, -1 FROM task_labels g WHERE g.tenant_id = tenant
        UNION ALL
        -- The rows of labels against the tasks.
        SELECT 2, g.label, g.status, g.start_time, g.task_id, 1 FROM task_labels g WHERE g.tenant_id = tenant
        UNION ALL
        SELECT 2, l.label, t.status, t.start_time, t.task_id, -1 FROM tasks t CROSS JOIN unnest(t.labels) AS l (label)
        WHERE t.tenant_id = tenant AND t.labels IS NOT NULL
    )
    SELECT (SELECT count(*) FROM (
            SELECT FROM placed p GROUP BY p.sort, p.level, p.piece, p.status HAVING sum(p.count) <> 0) AS wrong)
        + (SELECT count(*) FROM (
            SELECT FROM label_entries e GROUP BY e.side, e.label, e.status, e.start_time, e.task_id
            HAVING sum(e.count) <> 0) AS wrong)
        + (SELECT count(*) FROM task_names_damaged(tenant))
$function$;

COMMENT ON FUNCTION task_counts_verify IS 'How many counts of a tenant differ from its tasks; 0 when all is well.';
