-- A search leaves out the names that are pending. They are compared by a hash table if PostgreSQL expects
-- that it fits, and else one by one, which takes seconds while a hundred thousand are pending.
SET LOCAL lock_timeout = '5s';
ALTER FUNCTION task_names_find SET work_mem = '64MB';
