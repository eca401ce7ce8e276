-- Portable between SQLite and Postgres: TEXT ids, BIGINT milliseconds and flags.

-- Keys that tokens are signed with. Private ones never leave this table but into the memory of the service.
CREATE TABLE signing_key (
    -- RFC 7638 thumbprint of the public key.
    kid TEXT PRIMARY KEY,
    -- 1, 2, 3 …: that it is unique lets one of many replicas make the next key.
    generation BIGINT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL CHECK (algorithm = 'EdDSA'),
    -- PKCS#8 DER in base64.
    private_key TEXT NOT NULL,
    -- The public key as a JWK writes it: base64url.
    public_x TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Published before, signs from here on.
    not_before BIGINT NOT NULL,
    -- From here on its successor signs; it stays published until its last token has expired.
    retired_at BIGINT
);

CREATE TABLE agent (
    id TEXT PRIMARY KEY,
    -- As written.
    username TEXT NOT NULL,
    -- As compared: compatibility forms and letter case folded.
    username_key TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    -- PHC string, argon2id.
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('agent', 'supervisor', 'admin')),
    must_change_password BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);
