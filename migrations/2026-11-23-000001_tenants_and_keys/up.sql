CREATE TABLE tenants (
    tenant_id text COLLATE "C" PRIMARY KEY CHECK (tenant_id ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    page_token_key bytea NOT NULL CHECK (length(page_token_key) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tenants IS 'The companies whose tasks these are.';
COMMENT ON COLUMN tenants.page_token_key IS 'Random key of the checksum in the tenant''s page tokens.';

CREATE TABLE api_keys (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants,
    key_id text COLLATE "C" NOT NULL CHECK (starts_with(key_id, tenant_id || '.')),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 256),
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'write', 'admin'] AND cardinality(scopes) > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, key_id)
);
COMMENT ON TABLE api_keys IS 'What lets a caller in: a key names its tenant and what it may do.';
COMMENT ON COLUMN api_keys.key_id IS 'The public part of the key, <tenant>.<8 characters>.';
COMMENT ON COLUMN api_keys.secret_hash IS 'SHA-256 of the whole key; the key itself is kept nowhere.';
COMMENT ON COLUMN api_keys.last_used_at IS 'Last use, written at most once a minute.';
