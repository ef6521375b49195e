SET LOCAL lock_timeout = '5s';
ALTER TABLE tasks
    DROP CONSTRAINT tasks_labels_check,
    DROP CONSTRAINT tasks_target_form_check,
    DROP CONSTRAINT tasks_last_result_check;
DROP FUNCTION task_labels_valid;
