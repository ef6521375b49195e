DROP TRIGGER log_truncated ON tasks;
DROP TRIGGER log_updated ON tasks;
DROP TRIGGER log_deleted ON tasks;
DROP TRIGGER log_inserted ON tasks;
DROP FUNCTION task_log_note();
DROP TABLE task_log;
ALTER TABLE tenants DROP COLUMN log_trimmed;
