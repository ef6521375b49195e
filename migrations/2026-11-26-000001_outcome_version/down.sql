ALTER TABLE idempotency_keys DROP COLUMN outcome_version;
