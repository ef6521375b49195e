ALTER TABLE tasks DROP COLUMN generation;
