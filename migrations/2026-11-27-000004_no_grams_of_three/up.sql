-- No function reads this index. In a migration of its own: the lock that it takes must not be asked for
-- by a transaction that has built another index.
SET LOCAL lock_timeout = '5s';
DROP INDEX task_names_by_gram;
DROP FUNCTION task_name_grams;
