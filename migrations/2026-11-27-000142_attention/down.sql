SET LOCAL lock_timeout = '5s';
DROP INDEX tasks_empty;
DROP INDEX tasks_stalled;
