-- What agents work with beside the conversation.
CREATE TABLE quick_reply (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    owner_name TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    category TEXT NOT NULL,
    -- Empty: none.
    shortcut TEXT NOT NULL,
    shared BIGINT NOT NULL,
    used BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_used_at BIGINT,
    -- The idempotency key of the call that made it, and what that call said.
    made_key TEXT,
    made_fingerprint TEXT
);
CREATE UNIQUE INDEX quick_reply_made ON quick_reply (owner_id, made_key) WHERE made_key IS NOT NULL;
CREATE UNIQUE INDEX quick_reply_shortcut ON quick_reply (owner_id, shortcut) WHERE shortcut <> '';
CREATE INDEX quick_reply_by_owner ON quick_reply (owner_id, used, id);
CREATE INDEX quick_reply_shared ON quick_reply (used, id) WHERE shared = 1;

-- A use is counted once, however often its call is repeated.
CREATE TABLE quick_reply_use (
    agent_id TEXT NOT NULL,
    key TEXT NOT NULL,
    reply_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (agent_id, key)
);
CREATE INDEX quick_reply_use_by_time ON quick_reply_use (at);

-- What agents noted of a customer; name, address and language stand in the session itself.
CREATE TABLE customer (
    session TEXT PRIMARY KEY REFERENCES session (name),
    -- JSON object of texts.
    attributes TEXT NOT NULL,
    remark TEXT NOT NULL,
    version BIGINT NOT NULL,
    edited_by TEXT NOT NULL,
    edited_at BIGINT NOT NULL
);

CREATE TABLE assist (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL REFERENCES session (name),
    requester_id TEXT NOT NULL,
    requester_name TEXT NOT NULL,
    assistant_id TEXT NOT NULL,
    assistant_name TEXT NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- NULL: nobody has answered.
    answered_at BIGINT,
    made_key TEXT,
    made_fingerprint TEXT
);
CREATE UNIQUE INDEX assist_made ON assist (requester_id, made_key) WHERE made_key IS NOT NULL;
CREATE INDEX assist_received ON assist (assistant_id, created_at, id);
CREATE INDEX assist_sent ON assist (requester_id, created_at, id);
