-- What stands once for somebody who opens an event stream without headers. Lives for seconds.
CREATE TABLE event_ticket (
    -- SHA-256 of the ticket, in hexadecimal.
    digest TEXT PRIMARY KEY,
    -- Whose events: a session's name; empty: the agent's own.
    session TEXT NOT NULL,
    -- The origin of the page; empty: the edge's own.
    origin TEXT NOT NULL,
    -- Who holds it, in the edge's words.
    holder_json TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX event_ticket_by_expiry ON event_ticket (expires_at);
