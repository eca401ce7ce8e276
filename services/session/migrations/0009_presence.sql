-- Since when, and until when, the roster has been heard of without a gap: agent-auth tells of it every few seconds, even
-- when nothing has changed.
CREATE TABLE roster_feed (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- 0: never.
    heard_at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    -- When it was heard of last before the gap that ended at since.
    before_gap BIGINT NOT NULL
);
INSERT INTO roster_feed (id, heard_at, since, before_gap) VALUES (1, 0, 0, 0);
