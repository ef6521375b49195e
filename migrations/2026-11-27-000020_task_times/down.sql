SET LOCAL lock_timeout = '5s';
ALTER TABLE tasks DROP CONSTRAINT tasks_times_check;
ALTER TABLE task_targets DROP CONSTRAINT task_targets_time_check;
