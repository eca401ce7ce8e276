-- Who is there, and what the session service is still to be told of it.

-- Until when somebody counts as there unless a beat renews it; 0 when he is offline.
ALTER TABLE agent ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0;
UPDATE agent SET status = 'offline' WHERE status <> 'offline';
-- Those who are there, few however many accounts there are. Renewing a lease does not touch it.
CREATE INDEX agent_there ON agent (id) WHERE status <> 'offline';
CREATE INDEX agent_by_age ON agent (created_at, id);

-- Every change of a status, for statistics; old ones are deleted.
CREATE TABLE presence_change (
    agent TEXT NOT NULL,
    at BIGINT NOT NULL,
    status TEXT NOT NULL
);
CREATE INDEX presence_change_by_agent ON presence_change (agent, at);
CREATE INDEX presence_change_by_age ON presence_change (at);

-- The outbox of the roster: one row for each account, written with every change of what the roster says.
CREATE TABLE roster_out (
    agent TEXT PRIMARY KEY,
    -- Grows with every change; the time in milliseconds if that is more, so that it goes on growing after a restore.
    version BIGINT NOT NULL,
    -- The last one that the session service took.
    sent_version BIGINT NOT NULL
);
CREATE INDEX roster_out_open ON roster_out (version) WHERE version > sent_version;

-- Its lock is taken first by every command that changes who may do what: what such a command counts stays true until it
-- is committed.
CREATE TABLE account_guard (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    commands BIGINT NOT NULL
);
INSERT INTO account_guard (id, commands) VALUES (1, 0);
