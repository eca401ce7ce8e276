-- Whose call made an account, with which idempotency key, and what that call said (without the password).
ALTER TABLE agent ADD COLUMN made_by TEXT;
ALTER TABLE agent ADD COLUMN made_key TEXT;
ALTER TABLE agent ADD COLUMN made_fingerprint TEXT;
CREATE UNIQUE INDEX agent_made ON agent (made_by, made_key) WHERE made_key IS NOT NULL;

-- The same of an API key: of the idempotency key a SHA-256, and what the secret is derived from together with it. Both are
-- forgotten after a day.
ALTER TABLE api_key ADD COLUMN made_key TEXT;
ALTER TABLE api_key ADD COLUMN made_fingerprint TEXT;
ALTER TABLE api_key ADD COLUMN made_salt TEXT;
CREATE UNIQUE INDEX api_key_made ON api_key (agent_id, made_key) WHERE made_key IS NOT NULL;
CREATE INDEX api_key_made_by_age ON api_key (created_at) WHERE made_key IS NOT NULL;
