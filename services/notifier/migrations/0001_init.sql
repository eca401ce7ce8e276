-- Portable between SQLite and Postgres: TEXT ids, BIGINT milliseconds.

-- Events of the session service's outbox, each once, however often it was delivered.
CREATE TABLE inbox (
    event_id TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- When it happened.
    at BIGINT NOT NULL,
    -- When it was first stored here.
    received_at BIGINT NOT NULL,
    -- W3C trace context of the request that caused it.
    traceparent TEXT
);

CREATE INDEX inbox_by_time ON inbox (received_at, event_id);
