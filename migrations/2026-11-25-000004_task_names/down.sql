DROP TRIGGER names_inserted ON tasks;
DROP TRIGGER names_deleted ON tasks;
DROP TRIGGER names_changed ON tasks;
DROP TRIGGER names_truncated ON tasks;
DROP FUNCTION task_names_follow, task_names_find;
DROP TABLE task_names;
DROP FUNCTION task_name_query, task_name_grams, task_name_fold;
