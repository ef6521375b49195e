DROP TRIGGER tasks_inserted ON tasks;
DROP TRIGGER tasks_deleted ON tasks;
DROP TRIGGER tasks_updated ON tasks;
DROP TRIGGER tasks_truncated ON tasks;
DROP FUNCTION task_changes_note, task_changes_note_update, tasks_truncated, task_total, task_rank, task_seek,
    task_counts_fold, task_counts_rebuild, task_counts_verify, task_counts_lock, task_segments_cut,
    task_segments_group, task_segments_split, task_segment_count,
    task_change_count;
DROP TABLE task_changes, task_segments;
DROP FUNCTION task_key, task_key_end;
