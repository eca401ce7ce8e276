-- What decides when, and to whom, a session is given.
ALTER TABLE session ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';
-- Since when it belongs to the queue; NULL when it does not.
ALTER TABLE session ADD COLUMN due_at BIGINT;
ALTER TABLE session ADD COLUMN vip BIGINT NOT NULL DEFAULT 0;
-- JSON: needs, urgent, repeats, last_agent, tags.
ALTER TABLE session ADD COLUMN desk TEXT NOT NULL DEFAULT '{}';

-- The queue, short however many sessions there are.
CREATE INDEX session_queue ON session (queue, due_at, name) WHERE due_at IS NOT NULL;
CREATE INDEX session_by_agent ON session (agent_id, updated_at, name) WHERE agent_id IS NOT NULL;

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
