SET LOCAL lock_timeout = '5s';
ALTER TABLE api_keys DROP COLUMN cost, DROP COLUMN rate;
