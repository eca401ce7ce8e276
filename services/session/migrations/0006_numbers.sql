-- When an agent's presence ended, or will end unless it is renewed.
ALTER TABLE roster ADD COLUMN gone_at BIGINT NOT NULL DEFAULT 0;

-- The list's order: 5 for a VIP, and 4 waiting, 3 live, 2 bot, 1 after hours, 0 closed.
ALTER TABLE session ADD COLUMN list_rank BIGINT NOT NULL DEFAULT 2;
-- Whether the customer used an urgent word or had to call before.
ALTER TABLE session ADD COLUMN pressing BIGINT NOT NULL DEFAULT 0;

-- What was written before these columns were there. Keys and values of the JSON are the program's own, and quotes in a
-- customer's words are escaped, so these patterns match nothing else.
UPDATE session SET vip = 1 WHERE profile LIKE '%"vip":true%';
UPDATE session SET due_at = updated_at WHERE status = 'pending_manual' AND due_at IS NULL;
UPDATE session SET list_rank = 5 * vip + CASE status WHEN 'pending_manual' THEN 4 WHEN 'manual_live' THEN 3
    WHEN 'bot_active' THEN 2 WHEN 'after_hours_email' THEN 1 ELSE 0 END;

CREATE INDEX session_by_rank ON session (list_rank, updated_at, name);
-- Two ranks are a status.
DROP INDEX session_by_status;
CREATE INDEX session_by_creation ON session (created_at, name);
CREATE INDEX session_waiting ON session (vip, pressing, due_at, name) WHERE due_at IS NOT NULL;
CREATE INDEX session_due ON session (due_at, name) WHERE due_at IS NOT NULL;

-- How many sessions there are of each rank; the sum over all shards counts. A session keeps to one shard.
CREATE TABLE tally (
    shard BIGINT PRIMARY KEY,
    n0 BIGINT NOT NULL DEFAULT 0,
    n1 BIGINT NOT NULL DEFAULT 0,
    n2 BIGINT NOT NULL DEFAULT 0,
    n3 BIGINT NOT NULL DEFAULT 0,
    n4 BIGINT NOT NULL DEFAULT 0,
    n5 BIGINT NOT NULL DEFAULT 0,
    n6 BIGINT NOT NULL DEFAULT 0,
    n7 BIGINT NOT NULL DEFAULT 0,
    n8 BIGINT NOT NULL DEFAULT 0,
    n9 BIGINT NOT NULL DEFAULT 0
);
INSERT INTO tally (shard) VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15);
UPDATE tally SET
    n0 = (SELECT COUNT(*) FROM session WHERE list_rank = 0), n1 = (SELECT COUNT(*) FROM session WHERE list_rank = 1),
    n2 = (SELECT COUNT(*) FROM session WHERE list_rank = 2), n3 = (SELECT COUNT(*) FROM session WHERE list_rank = 3),
    n4 = (SELECT COUNT(*) FROM session WHERE list_rank = 4), n5 = (SELECT COUNT(*) FROM session WHERE list_rank = 5),
    n6 = (SELECT COUNT(*) FROM session WHERE list_rank = 6), n7 = (SELECT COUNT(*) FROM session WHERE list_rank = 7),
    n8 = (SELECT COUNT(*) FROM session WHERE list_rank = 8), n9 = (SELECT COUNT(*) FROM session WHERE list_rank = 9)
    WHERE shard = 0;

-- Spans that a session spent waiting for a human, waiting for the shop to open, or with one agent. Each begins and ends
-- with a status entry of the log, in its transaction.
CREATE TABLE stretch (
    session TEXT NOT NULL REFERENCES session (name),
    -- The entry that began it.
    seq BIGINT NOT NULL,
    -- wait | after_hours | service
    kind TEXT NOT NULL,
    -- For service.
    agent_id TEXT,
    -- Why a human was called; empty when nobody called (a supervisor took it from the bot).
    reason TEXT NOT NULL,
    -- 1: a human was called by this; 0: it follows another stretch, or a supervisor came uncalled.
    called BIGINT NOT NULL,
    -- For called: customer's messages since a human last had the session, or since its beginning.
    messages BIGINT,
    -- For service: how long the customer had been due when it began; NULL when he did not wait.
    waited BIGINT,
    from_at BIGINT NOT NULL,
    -- For service: the agent's first message.
    answered_at BIGINT,
    to_at BIGINT,
    to_seq BIGINT,
    -- taken | cancelled | hours_ended | reopened | released | closed | transferred | taken_away | owner_lost
    outcome TEXT,
    PRIMARY KEY (session, seq)
);
CREATE UNIQUE INDEX stretch_open ON stretch (session) WHERE to_at IS NULL;
CREATE INDEX stretch_now ON stretch (kind, reason) WHERE to_at IS NULL;
CREATE INDEX stretch_begun ON stretch (from_at);
CREATE INDEX stretch_ended ON stretch (to_at) WHERE to_at IS NOT NULL;
CREATE INDEX stretch_taken ON stretch (from_at) WHERE waited IS NOT NULL;
CREATE INDEX stretch_of_agent ON stretch (agent_id, from_at) WHERE agent_id IS NOT NULL;
CREATE INDEX stretch_ended_of_agent ON stretch (agent_id, to_at) WHERE agent_id IS NOT NULL AND to_at IS NOT NULL;

-- Those that are going on; the past stays uncounted.
INSERT INTO stretch (session, seq, kind, agent_id, reason, called, from_at)
    SELECT name, 0,
        CASE status WHEN 'pending_manual' THEN 'wait' WHEN 'manual_live' THEN 'service' ELSE 'after_hours' END,
        agent_id,
        CASE WHEN escalation LIKE '%"reason":"keyword"%' THEN 'keyword'
            WHEN escalation LIKE '%"reason":"fail_loop"%' THEN 'fail_loop'
            WHEN escalation LIKE '%"reason":"sentiment"%' THEN 'sentiment'
            WHEN escalation LIKE '%"reason":"vip"%' THEN 'vip'
            WHEN escalation LIKE '%"reason":"manual"%' THEN 'manual' ELSE '' END,
        0, COALESCE(manual_since, due_at, updated_at)
    FROM session WHERE status IN ('pending_manual', 'manual_live', 'after_hours_email');

CREATE INDEX turn_finished ON turn (finished_at, state, started_at) WHERE finished_at IS NOT NULL;
