-- One thing to be sent to one place. Made in the transaction that takes its event into the inbox.
CREATE TABLE delivery (
    id TEXT PRIMARY KEY,
    -- What it tells of. Copied, so that it outlives the inbox.
    event_id TEXT NOT NULL,
    session TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    traceparent TEXT,
    -- mail_team | mail_customer | webhook:<endpoint id>
    channel TEXT NOT NULL,
    -- smtp | <endpoint id>: what shares a breaker and a number of slots.
    destination TEXT NOT NULL,
    -- queued | sending | done | dead | cancelled
    state TEXT NOT NULL,
    -- How often it was begun; the number of the present or last attempt.
    attempts BIGINT NOT NULL,
    -- Failures since it was queued or redriven: the place in the schedule of retries.
    failures BIGINT NOT NULL,
    -- When somebody may take it: the next attempt of a queued one, the end of the lease of one that is being sent.
    due_at BIGINT NOT NULL,
    last_error TEXT,
    -- The same in every attempt. Mail only.
    message_id TEXT,
    created_at BIGINT NOT NULL,
    done_at BIGINT,
    UNIQUE (event_id, channel)
);

CREATE INDEX delivery_due ON delivery (destination, due_at, id) WHERE done_at IS NULL;
CREATE INDEX delivery_done ON delivery (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 'dead';

-- What became of each attempt. One that is missing was cut off: the process died in it.
CREATE TABLE delivery_attempt (
    delivery TEXT NOT NULL REFERENCES delivery (id),
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- delivered | failed | refused | dropped
    outcome TEXT NOT NULL,
    duration_ms BIGINT NOT NULL,
    -- The reply code of the mail server or the status of the endpoint.
    code BIGINT,
    error TEXT,
    PRIMARY KEY (delivery, number)
);

-- Who is called when something happens.
CREATE TABLE endpoint (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- JSON list of kinds; "session.*" is a family; an empty list is everything.
    kinds TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    -- Why it is not: manual | failing
    disabled_reason TEXT,
    -- Since when every attempt fails.
    failing_since BIGINT,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Signing secrets, as they are: a signature cannot be made from a digest. Whoever reads this table can sign.
CREATE TABLE endpoint_secret (
    endpoint TEXT NOT NULL REFERENCES endpoint (id),
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Until when an old secret signs beside its successor.
    expires_at BIGINT,
    PRIMARY KEY (endpoint, secret)
);
