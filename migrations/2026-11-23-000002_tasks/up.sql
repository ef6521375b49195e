-- Tasks refer to no other table by a foreign key: its check would lock the tenant's one row at every insert, and the
-- check of the targets would cost an import more than the rows themselves. Writers go through one transaction instead.
CREATE TABLE tasks (
    tenant_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL CHECK (char_length(task_id) BETWEEN 1 AND 128),
    name text COLLATE "C" NOT NULL CHECK (char_length(name) BETWEEN 1 AND 256),
    start_time timestamptz NOT NULL,
    end_time timestamptz NOT NULL CHECK (end_time >= start_time),
    status smallint NOT NULL CHECK (status BETWEEN 1 AND 6),
    progress smallint NOT NULL CHECK (progress BETWEEN 0 AND 100),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    target_count integer NOT NULL CHECK (target_count >= 0),
    target text[] COLLATE "C" NOT NULL CHECK (cardinality(target) <= 100),
    window_class smallint NOT NULL GENERATED ALWAYS AS (
        status * 16::smallint + width_bucket(extract(epoch FROM end_time - start_time), ARRAY[3600, 14400, 57600, 230400, 921600, 3686400,
            14745600, 58982400, 235929600]::numeric[])::smallint) STORED,
    PRIMARY KEY (tenant_id, task_id)
);
COMMENT ON TABLE tasks IS 'Outbound-call tasks (外呼任务).';
COMMENT ON COLUMN tasks.status IS '1 pending, 2 running, 3 paused, 4 completed, 5 stopped, 6 failed: the numbers of the contract''s TaskStatus.';
COMMENT ON COLUMN tasks.progress IS 'Percent done.';
COMMENT ON COLUMN tasks.target_count IS 'How many rows the task has in task_targets.';
COMMENT ON COLUMN tasks.target IS 'The first 100 customer ids, for lists; task_targets has all.';
COMMENT ON COLUMN tasks.window_class IS 'Status times 16, plus how long the window is: 0 below an hour, then four times as long from class to class, 9 from 7.5 years. Within a class, the tasks whose window overlaps a range lie close together by start_time.';

-- A list without a status filter, in the two documented orders (the primary key serves the other).
CREATE INDEX tasks_by_start_time ON tasks (tenant_id, start_time, task_id);
-- Any order with any set of statuses: the lists of its statuses, merged. They serve ranges of time the same way.
CREATE INDEX tasks_by_status_task_id ON tasks (tenant_id, status, task_id);
CREATE INDEX tasks_by_status_start_time ON tasks (tenant_id, status, start_time, task_id);
CREATE INDEX tasks_by_status_end_time ON tasks (tenant_id, status, end_time, task_id);
CREATE INDEX tasks_by_status_created_at ON tasks (tenant_id, status, created_at, task_id);
CREATE INDEX tasks_by_status_updated_at ON tasks (tenant_id, status, updated_at, task_id);
CREATE INDEX tasks_by_status_name ON tasks (tenant_id, status, name, task_id);
CREATE INDEX tasks_by_status_progress ON tasks (tenant_id, status, progress, task_id);
-- Windows that overlap a range, one class after the other. The status is part of the class and no column of its own:
-- else the planner takes this index for lists by status and start_time, and reads all of a status through it.
CREATE INDEX tasks_by_window_class ON tasks (tenant_id, window_class, start_time) INCLUDE (end_time, task_id);

CREATE TABLE task_targets (
    tenant_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    position integer NOT NULL CHECK (position >= 0),
    customer_id text COLLATE "C" NOT NULL CHECK (char_length(customer_id) BETWEEN 1 AND 128),
    PRIMARY KEY (tenant_id, task_id, position)
);
COMMENT ON TABLE task_targets IS 'The customers of each task, all of them, in the task''s order.';
COMMENT ON COLUMN task_targets.position IS 'Place in the task''s order, from 0.';
