-- Keys with the scope admin create and revoke other keys of their tenant, and each key tells which key did it. Nullable
-- columns change no row, and services that do not know them go on. The lock is held for a moment; waiting for it would
-- hold up all calls whose key is not cached.
SET LOCAL lock_timeout = '5s';
ALTER TABLE api_keys ADD COLUMN created_by text COLLATE "C", ADD COLUMN revoked_by text COLLATE "C";
COMMENT ON COLUMN api_keys.created_by IS 'The key that created this one; NULL: the operator did.';
COMMENT ON COLUMN api_keys.revoked_by IS 'The key that revoked this one; NULL: the operator did, or it was not revoked.';

-- Roles that were granted what a service needs before this migration get what the new calls need. A service may write to
-- the column last_used_at, and nobody else has a reason to.
DO $do$
DECLARE
    service text;
BEGIN
    FOR service IN SELECT DISTINCT a.grantee::regrole::text FROM pg_attribute t CROSS JOIN aclexplode(t.attacl) AS a
        WHERE t.attrelid = 'api_keys'::regclass AND t.attname = 'last_used_at' AND a.privilege_type = 'UPDATE'
        AND a.grantee <> 0 LOOP
        EXECUTE format('GRANT INSERT, UPDATE (revoked_at, revoked_by) ON api_keys TO %s', service);
    END LOOP;
END $do$;
