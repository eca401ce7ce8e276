-- Portable between SQLite and Postgres: TEXT ids and JSON, BIGINT milliseconds and flags.

-- Rule documents; never changed, never deleted. A draft is one that was never published.
CREATE TABLE rule_document (
    ordinal BIGINT PRIMARY KEY,
    -- SHA-256 of the canonical form: what says the same is the same version.
    digest TEXT NOT NULL,
    -- As it was written, and as JSON with everything filled in.
    document TEXT NOT NULL,
    canonical TEXT NOT NULL,
    note TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- The last time that it was put into force.
    published_by TEXT,
    published_at BIGINT
);

CREATE UNIQUE INDEX rule_document_digest ON rule_document (digest);

-- One row: the last ordinal, the version in force, the one that decides beside it. Locked by every change.
CREATE TABLE rule_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    last BIGINT NOT NULL,
    published BIGINT NOT NULL REFERENCES rule_document (ordinal),
    shadow BIGINT REFERENCES rule_document (ordinal)
);

-- What was decided. Written in batches and thrown away after a while: an escalation's own record is in the session's log.
CREATE TABLE decision (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    session TEXT NOT NULL,
    turn TEXT NOT NULL,
    -- before_model | after_answer
    phase TEXT NOT NULL,
    version TEXT NOT NULL,
    -- Empty: no rule applied.
    rule TEXT NOT NULL,
    escalated BIGINT NOT NULL,
    answer_failed BIGINT NOT NULL,
    evidence TEXT NOT NULL,
    input_digest TEXT NOT NULL,
    shadow_version TEXT,
    shadow_rule TEXT,
    shadow_escalated BIGINT,
    shadow_evidence TEXT,
    -- Whether the shadow would have done something else.
    differs BIGINT NOT NULL
);

CREATE INDEX decision_by_time ON decision (at, id);
CREATE INDEX decision_by_session ON decision (session, at, id);
CREATE INDEX decision_by_shadow ON decision (shadow_version, at) WHERE shadow_version IS NOT NULL;

-- The audit log of this part; see switchboard_db::audit.
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
