-- Makes room in the count index for two more sorts: 3 is (created_at, task_id), and 4 is (end_time, task_id).
-- For these sorts task_segments.start_time holds the time that the sort orders by.
--
-- NOT VALID skips a scan under the lock: the rules before were stricter. The next migration validates them. This is a
-- migration of its own because lists lock task_segments and task_changes in one order, and compactions in the other:
-- a transaction that locks both tables exclusively could deadlock with one of them.
SET LOCAL lock_timeout = '5s';
ALTER TABLE task_segments
    DROP CONSTRAINT task_segments_sort_check,
    DROP CONSTRAINT task_segments_check,
    ADD CONSTRAINT task_segments_sort_check CHECK (sort BETWEEN 1 AND 4) NOT VALID,
    ADD CONSTRAINT task_segments_check CHECK (sort <> 2 OR start_time = '-infinity') NOT VALID;
COMMENT ON COLUMN task_segments.sort IS '1: in the order of (start_time, task_id); 2: of task_id, with start_time -infinity; 3: of (created_at, task_id); 4: of (end_time, task_id).';
COMMENT ON COLUMN task_segments.start_time IS 'The time that the sort orders by; -infinity for sort 2.';
