DROP TABLE task_targets;
DROP TABLE tasks;
