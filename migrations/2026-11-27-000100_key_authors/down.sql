SET LOCAL lock_timeout = '5s';
DO $do$
DECLARE
    service text;
BEGIN
    FOR service IN SELECT DISTINCT a.grantee::regrole::text FROM pg_attribute t CROSS JOIN aclexplode(t.attacl) AS a
        WHERE t.attrelid = 'api_keys'::regclass AND t.attname = 'revoked_by' AND a.privilege_type = 'UPDATE'
        AND a.grantee <> 0 LOOP
        EXECUTE format('REVOKE INSERT, UPDATE (revoked_at) ON api_keys FROM %s', service);
    END LOOP;
END $do$;
ALTER TABLE api_keys DROP COLUMN revoked_by, DROP COLUMN created_by;
