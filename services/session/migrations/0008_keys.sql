-- What the call said that first used a key; NULL: it was not noted yet.
ALTER TABLE quick_reply_use ADD COLUMN fingerprint TEXT;

-- Whose call made a tag, with which idempotency key, and what that call said.
ALTER TABLE tag ADD COLUMN made_by TEXT;
ALTER TABLE tag ADD COLUMN made_key TEXT;
ALTER TABLE tag ADD COLUMN made_fingerprint TEXT;
CREATE UNIQUE INDEX tag_made ON tag (made_by, made_key) WHERE made_key IS NOT NULL;
