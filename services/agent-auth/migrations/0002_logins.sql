-- Logins, their tokens, and what an account is beyond its name. The table of accounts is made anew: its rule for roles
-- knew the built-in ones only.
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    -- As written.
    username TEXT NOT NULL,
    -- As compared: compatibility forms and letter case folded.
    username_key TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    -- PHC string, argon2id.
    password_hash TEXT NOT NULL,
    password_changed_at BIGINT NOT NULL,
    must_change_password BIGINT NOT NULL DEFAULT 0,
    -- A built-in role or one of table `role`.
    role TEXT NOT NULL,
    -- Grows whenever what the account may do changes.
    pv BIGINT NOT NULL DEFAULT 1,
    -- Access tokens issued before, in milliseconds at a whole second, do not count.
    valid_after BIGINT NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'offline',
    status_note TEXT NOT NULL DEFAULT '',
    status_at BIGINT NOT NULL,
    last_active_at BIGINT,
    max_sessions BIGINT NOT NULL DEFAULT 5,
    avatar_url TEXT NOT NULL DEFAULT '',
    -- JSON: category, level, tags of each.
    skills TEXT NOT NULL DEFAULT '[]',
    -- Base32. The pending one counts once a code of it was given.
    totp_secret TEXT,
    totp_pending TEXT,
    -- The step of the last code that was used: none counts twice.
    totp_step BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_login_at BIGINT,
    disabled_at BIGINT,
    deleted_at BIGINT,
    version BIGINT NOT NULL DEFAULT 1
);
INSERT INTO account (id, username, username_key, display_name, password_hash, password_changed_at,
    must_change_password, role, status_at, created_at, updated_at, disabled_at)
SELECT id, username, username_key, display_name, password_hash, created_at, must_change_password, role, created_at,
    created_at, created_at, disabled_at FROM agent;
DROP TABLE agent;
ALTER TABLE account RENAME TO agent;
CREATE INDEX agent_by_role ON agent (role);

-- Roles beside the built-in ones.
CREATE TABLE role (
    name TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    -- JSON: names.
    permissions TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- One login on one device: the family of its refresh tokens.
CREATE TABLE login (
    id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL,
    -- Successors are derived with it; base64url.
    family_key TEXT NOT NULL,
    device_id TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    ip TEXT NOT NULL,
    -- JSON: how the person proved who he is.
    amr TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    -- No token of it counts from here on.
    expires_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX login_by_agent ON login (agent_id, created_at);
CREATE INDEX login_by_expiry ON login (expires_at);

-- Used ones stay as long as their login: that one comes back tells of a theft.
CREATE TABLE refresh_token (
    -- SHA-256 in hexadecimal.
    hash TEXT PRIMARY KEY,
    login_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_token_by_login ON refresh_token (login_id);

CREATE TABLE recovery_code (
    agent_id TEXT NOT NULL,
    -- SHA-256 in hexadecimal.
    hash TEXT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (agent_id, hash)
);

-- Devices on which somebody logged in: strangers' failures do not hinder them.
CREATE TABLE known_device (
    agent_id TEXT NOT NULL,
    -- SHA-256 in hexadecimal.
    device TEXT NOT NULL,
    last_login_at BIGINT NOT NULL,
    PRIMARY KEY (agent_id, device)
);
CREATE INDEX known_device_by_age ON known_device (last_login_at);

-- Failed attempts, by account, known device and address.
CREATE TABLE throttle (
    subject TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    -- The next attempt is heard from here on.
    open_at BIGINT NOT NULL
);
CREATE INDEX throttle_by_age ON throttle (last_at);

-- What no longer counts although it has not expired. Numbers are given under the lock of the head, so that they are
-- visible in their order and without a gap.
CREATE TABLE revocation_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL
);
INSERT INTO revocation_head (id, seq) VALUES (1, 0);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('login', 'agent', 'api_key')),
    subject TEXT NOT NULL,
    before_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
CREATE INDEX revocation_by_age ON revocation (until_ms);

-- Keys of programs that act for an account.
CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The first characters of the key.
    hint TEXT NOT NULL,
    -- SHA-256 of the secret in hexadecimal.
    secret_hash TEXT NOT NULL,
    -- JSON: names.
    permissions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_key_by_agent ON api_key (agent_id, created_at);

-- Commands of people, each in the transaction of the command, chained by hashes.
CREATE TABLE audit_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    on_behalf_of TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    before_digest TEXT NOT NULL,
    after_digest TEXT NOT NULL,
    detail TEXT NOT NULL,
    ip TEXT NOT NULL,
    request_id TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at, seq);
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_object ON audit (object, seq);
