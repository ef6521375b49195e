DROP FUNCTION tenants_waiting;
