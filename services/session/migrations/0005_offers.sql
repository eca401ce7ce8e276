-- What is put before an agent: a waiting session by assignment, a live one by a colleague who hands it over.
CREATE TABLE offer (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL REFERENCES session (name),
    -- assignment | transfer
    kind TEXT NOT NULL,
    -- open | accepted | declined | expired | withdrawn
    state TEXT NOT NULL,
    to_agent TEXT NOT NULL,
    to_name TEXT NOT NULL,
    from_agent TEXT,
    from_name TEXT,
    reason TEXT NOT NULL,
    note TEXT NOT NULL,
    -- JSON: why this agent; empty for a colleague's.
    explanation TEXT NOT NULL,
    -- The session's fence when it was made: once that has moved, there is nothing left to give.
    fence BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    answered_at BIGINT,
    answer_note TEXT NOT NULL
);
CREATE UNIQUE INDEX offer_open ON offer (session) WHERE state = 'open';
CREATE INDEX offer_due ON offer (expires_at) WHERE state = 'open';
CREATE INDEX offer_of_agent ON offer (to_agent, made_at) WHERE state = 'open';
CREATE INDEX offer_of_session ON offer (session, made_at, id);

-- What each agent has to know: a log of his own. The head's row is locked until the commit, so places are in its order.
CREATE TABLE agent_feed (
    agent TEXT PRIMARY KEY,
    head BIGINT NOT NULL
);
CREATE TABLE agent_entry (
    agent TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    session TEXT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (agent, seq)
);
CREATE INDEX agent_entry_by_time ON agent_entry (at);

-- Internal notes: a table of their own, so that no reader of the log can come across them.
CREATE TABLE note (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL REFERENCES session (name),
    author_id TEXT NOT NULL,
    author_name TEXT NOT NULL,
    body TEXT NOT NULL,
    -- JSON: ids of mentioned agents.
    mentions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    edited_at BIGINT
);
CREATE INDEX note_of_session ON note (session, id);

CREATE TABLE tag (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    color TEXT NOT NULL,
    icon TEXT NOT NULL,
    -- The place among the built-in ones; 0 for the shop's own.
    built_in BIGINT NOT NULL
);
CREATE UNIQUE INDEX tag_by_name ON tag (name);
-- The same as in the session's row, to be found by the tag. Kept in the same transaction.
CREATE TABLE session_tag (
    tag TEXT NOT NULL REFERENCES tag (id),
    session TEXT NOT NULL REFERENCES session (name),
    PRIMARY KEY (tag, session)
);
INSERT INTO tag (id, name, color, icon, built_in) VALUES
    ('tag_vip', 'VIP', '#F59E0B', '🟡', 1),
    ('tag_urgent', '紧急', '#EF4444', '🔴', 2),
    ('tag_technical', '技术', '#3B82F6', '🔵', 3),
    ('tag_refund', '退款', '#8B5CF6', '🟣', 4),
    ('tag_logistics', '物流', '#10B981', '🟢', 5),
    ('tag_complaint', '投诉', '#F97316', '🟠', 6);

-- How far each side of a session has come. No reference to the session: noting it must not wait for the log's writer.
CREATE TABLE receipt (
    session TEXT NOT NULL,
    -- customer | agent
    party TEXT NOT NULL,
    delivered BIGINT NOT NULL,
    read BIGINT NOT NULL,
    -- For agents: the customer's message that the owner was last told of; the next one waits until this one was read.
    told BIGINT NOT NULL,
    PRIMARY KEY (session, party)
);

-- What a repeated command answers with beside entries: the id of an offer or of a note.
ALTER TABLE replay ADD COLUMN object TEXT NOT NULL DEFAULT '';
