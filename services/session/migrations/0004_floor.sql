-- Who works here and who is there, as agent-auth tells it.
CREATE TABLE roster (
    agent_id TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    -- online | busy | break | lunch | training | offline
    status TEXT NOT NULL,
    max_sessions BIGINT NOT NULL,
    -- JSON: category, level, tags of each.
    skills TEXT NOT NULL,
    -- Until when the agent counts as there unless renewed; 0: not there.
    lease_until BIGINT NOT NULL,
    -- Grows with every change of this agent; older ones change nothing.
    version BIGINT NOT NULL,
    -- Whether the agent may serve sessions at all.
    serves BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    -- When a session was last offered to the agent; 0: never.
    offered_at BIGINT NOT NULL DEFAULT 0
);
-- A name may be given again after its account is gone.
CREATE INDEX roster_by_username ON roster (username) WHERE deleted = 0;
CREATE INDEX roster_there ON roster (lease_until) WHERE deleted = 0 AND lease_until > 0;
