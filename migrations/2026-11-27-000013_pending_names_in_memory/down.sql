ALTER FUNCTION task_names_find RESET work_mem;
