//! What nobody asks for any more, and figures about what waits.

use super::{Store, queue::DISABLED};
use crate::config::Delivery;
use std::time::Duration;
use switchboard_db::{DbError, sql};
use switchboard_domain::Timestamp;

/// What operators watch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Deliveries that wait or are being sent.
    pub(crate) open: i64,
    /// Since when the oldest of them waits.
    pub(crate) oldest: Option<Timestamp>,
    /// Deliveries that were given up.
    pub(crate) dead: i64,
}

impl Store {
    /// What operators watch.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn figures(&self) -> Result<Figures, DbError> {
        const OPEN: &str = "SELECT COUNT(*), MIN(created_at) FROM delivery WHERE done_at IS NULL";
        const DEAD: &str = "SELECT COUNT(*) FROM delivery WHERE state = 'dead'";
        let (open, oldest): (i64, Option<i64>) = self.db.fetch_one(sql(OPEN)).await?;
        let (dead,): (i64,) = self.db.fetch_one(sql(DEAD)).await?;
        Ok(Figures { open, oldest: oldest.map(Timestamp::from_millis), dead })
    }

    /// Deletes what is past its time, a batch of each; answers whether there may be more.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn clean_up(&self, settings: &Delivery) -> Result<bool, DbError> {
        // An event that came in while its endpoint was being disabled or deleted.
        const ORPHANS: &str = "UPDATE delivery SET state = 'dead', done_at = $1, last_error = $2 \
            WHERE done_at IS NULL AND destination <> 'smtp' \
            AND destination NOT IN (SELECT id FROM endpoint WHERE enabled = 1)";
        const SECRETS: &str = "DELETE FROM endpoint_secret WHERE expires_at IS NOT NULL AND expires_at < $1";
        const INBOX: &str = "DELETE FROM inbox WHERE event_id IN (SELECT event_id FROM inbox \
            WHERE received_at < $1 ORDER BY received_at, event_id LIMIT $2)";
        // Attempts first: they refer to the delivery. Both choose the same rows inside one transaction.
        const ATTEMPTS: &str = "DELETE FROM delivery_attempt WHERE delivery IN (SELECT id FROM delivery \
            WHERE done_at IS NOT NULL AND done_at < CASE WHEN state = 'dead' THEN $1 ELSE $2 END \
            ORDER BY id LIMIT $3)";
        const DELIVERIES: &str = "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery \
            WHERE done_at IS NOT NULL AND done_at < CASE WHEN state = 'dead' THEN $1 ELSE $2 END \
            ORDER BY id LIMIT $3)";
        let now = self.now();
        let before =
            |kept: Duration| now.millis().saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        let (inbox, done, dead) = (
            before(settings.inbox_retention),
            before(settings.done_retention),
            before(settings.dead_retention),
        );
        let batch = settings.cleanup_batch;
        let full = u64::from(batch);
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    tx.execute(sql(ORPHANS).bind(now.millis()).bind(DISABLED)).await?;
                    tx.execute(sql(SECRETS).bind(now.millis())).await?;
                    let events = tx.execute(sql(INBOX).bind(inbox).bind(batch)).await?;
                    tx.execute(sql(ATTEMPTS).bind(dead).bind(done).bind(batch)).await?;
                    let deliveries = tx.execute(sql(DELIVERIES).bind(dead).bind(done).bind(batch)).await?;
                    Ok(events >= full || deliveries >= full)
                })
            })
            .await
    }
}
