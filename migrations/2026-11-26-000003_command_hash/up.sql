-- Which write an idempotency key stands for, whatever transport it came by: src/domain/idempotency.rs says how it is compared.
-- request_hash stays beside it, as services from before this migration know no other, and may run for as long as an upgrade lasts.
-- Nullable, without a default and without a check, so the table is neither rewritten nor read. The lock is held for a moment, but
-- whoever comes later queues behind a wait for it: so it is not waited for long.
SET LOCAL lock_timeout = '5s';
ALTER TABLE idempotency_keys ADD COLUMN command_hash bytea;
COMMENT ON COLUMN idempotency_keys.command_hash IS 'SHA-256 over the hash of the checked write and request_hash; NULL in rows of services from before this column.';
