ALTER TABLE idempotency_keys DROP COLUMN command_hash;
