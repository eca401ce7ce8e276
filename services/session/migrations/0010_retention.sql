-- What is old is deleted a little at a time, the oldest first.
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX replay_by_time ON replay (at);
CREATE INDEX offer_answered ON offer (answered_at) WHERE answered_at IS NOT NULL;
