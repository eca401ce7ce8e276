-- Portable between SQLite and Postgres: TEXT ids and JSON, BIGINT milliseconds and flags.

-- Grows when the database is restored from a backup: positions of an older epoch mean nothing any more.
CREATE TABLE log_epoch (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
);

CREATE TABLE session (
    name TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    fence BIGINT NOT NULL,
    version BIGINT NOT NULL,
    head BIGINT NOT NULL,
    agent_id TEXT,
    agent_name TEXT,
    escalation TEXT,
    profile TEXT NOT NULL,
    conversation TEXT,
    memory_from BIGINT NOT NULL,
    covered BIGINT NOT NULL,
    uncovered BIGINT NOT NULL,
    ai_failures BIGINT NOT NULL,
    turn_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    manual_since BIGINT,
    manual_ended_at BIGINT,
    -- The idempotency key of the call that made the session: proof, for a few minutes, that a repeat is the same client.
    opened_key TEXT
);

CREATE INDEX session_by_update ON session (updated_at, name);
CREATE INDEX session_by_status ON session (status, updated_at, name);
-- Messages that wait for a turn nobody has begun: short, the sweeper reads it every second.
CREATE INDEX session_uncovered ON session (updated_at) WHERE uncovered > 0;

CREATE TABLE entry (
    session TEXT NOT NULL REFERENCES session (name),
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- message | status | turn | conversation
    kind TEXT NOT NULL,
    -- user | assistant | agent | system, for messages
    sender TEXT,
    client_message_id TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (session, seq)
);

-- The same id means the same intent, for ever.
CREATE UNIQUE INDEX entry_client_message ON entry (session, sender, client_message_id)
    WHERE client_message_id IS NOT NULL;

CREATE TABLE turn (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL REFERENCES session (name),
    state TEXT NOT NULL,
    fence BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    covers TEXT NOT NULL,
    partial TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    begun_seq BIGINT NOT NULL,
    -- What the end of the turn wrote: entries from..=to.
    ended_from BIGINT,
    ended_to BIGINT
);

CREATE INDEX turn_running ON turn (lease_until) WHERE state = 'accepted';

-- First answers to repeatable commands.
CREATE TABLE replay (
    session TEXT NOT NULL REFERENCES session (name),
    method TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    from_seq BIGINT NOT NULL,
    to_seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (session, method, key)
);

CREATE TABLE outbox (
    event_id TEXT PRIMARY KEY,
    session TEXT NOT NULL REFERENCES session (name),
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    traceparent TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    done_at BIGINT
);

CREATE INDEX outbox_open ON outbox (leased_until, event_id) WHERE done_at IS NULL;
