SET LOCAL lock_timeout = '5s';
ALTER TABLE task_segments
    DROP CONSTRAINT task_segments_sort_check,
    DROP CONSTRAINT task_segments_check,
    ADD CONSTRAINT task_segments_sort_check CHECK (sort IN (1, 2)),
    ADD CONSTRAINT task_segments_check CHECK (sort = 1 OR start_time = '-infinity');
COMMENT ON COLUMN task_segments.sort IS '1: in the order of (start_time, task_id); 2: of task_id, with start_time -infinity.';
COMMENT ON COLUMN task_segments.start_time IS NULL;
