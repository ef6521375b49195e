-- Limits that a key has instead of those of the service. The lock is held for a moment; waiting for it would hold up all
-- calls whose key is not cached.
SET LOCAL lock_timeout = '5s';
ALTER TABLE api_keys
    ADD COLUMN rate text CHECK (rate ~ '^(off|[1-9][0-9]*/[1-9][0-9]*(s|m|h))$'),
    ADD COLUMN cost text CHECK (cost ~ '^(off|[1-9][0-9]*(ms|s|m|h)/[1-9][0-9]*(s|m|h))$');
COMMENT ON COLUMN api_keys.rate IS 'The maximum rate of calls, as 100/1s; off: no limit; NULL: the limit of the service.';
COMMENT ON COLUMN api_keys.cost IS 'The maximum database time of calls, as 2s/1s; off: no limit; NULL: the limit of the service.';
