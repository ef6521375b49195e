SET LOCAL lock_timeout = '5s';
ALTER TABLE tasks DROP COLUMN last_result_at;
