DROP TRIGGER targets_deleted ON tasks;
DROP TRIGGER targets_moved ON tasks;
DROP TRIGGER targets_truncated ON tasks;
DROP FUNCTION task_targets_follow;
