-- Working hours that were published; the greatest version counts. Without a row the configuration counts.
CREATE TABLE hours_document (
    version BIGINT PRIMARY KEY,
    document TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- The fence under which the opening of the shop was told for a request that came while it was shut.
ALTER TABLE session ADD COLUMN followed_up BIGINT NOT NULL DEFAULT 0;

-- Requests that wait for the shop to open: short, the keeper of the hours reads it every few seconds.
CREATE INDEX session_follow_up ON session (queue, due_at, name)
    WHERE status = 'after_hours_email' AND followed_up < fence;
