//! The inbox.

use crate::event::{Event, InboxRow};
use switchboard_db::{Db, DbError, sql};
use switchboard_domain::Timestamp;

/// Reads and writes table `inbox`.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: Db,
}

impl Store {
    /// Over an open, migrated database.
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }

    /// Stores `events` in one transaction and answers those that were not there yet.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction; after [`DbError::UnknownOutcome`] the same call may be repeated.
    pub(crate) async fn keep(&self, mut events: Vec<Event>, now: Timestamp) -> Result<Vec<Event>, DbError> {
        const KEEP: &str = "INSERT INTO inbox (event_id, session, seq, kind, at, received_at, traceparent)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (event_id) DO NOTHING";
        // In one order everywhere, or two readers with the same events could wait for each other.
        events.sort_by_key(|event| event.id);
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut new = Vec::with_capacity(events.len());
                    for event in events {
                        let statement = sql(KEEP)
                            .bind(event.id.to_string())
                            .bind(event.session.as_str())
                            .bind(event.seq)
                            .bind(event.kind.as_str())
                            .bind(event.at.millis())
                            .bind(now.millis())
                            .bind(event.trace.map(|trace| trace.to_string()));
                        if tx.execute(statement).await? == 1 {
                            new.push(event);
                        }
                    }
                    Ok(new)
                })
            })
            .await
    }

    /// The `limit` events that were stored last, newest first.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn newest(&self, limit: u32) -> Result<Vec<InboxRow>, DbError> {
        const NEWEST: &str = "SELECT event_id, session, seq, kind, at, received_at FROM inbox
            ORDER BY received_at DESC, event_id DESC LIMIT $1";
        self.db.fetch_all(sql(NEWEST).bind(limit)).await
    }

    /// How many events there are.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn count(&self) -> Result<i64, DbError> {
        const COUNT: &str = "SELECT COUNT(*) FROM inbox";
        self.db.fetch_one::<(i64,)>(sql(COUNT)).await.map(|(count,)| count)
    }
}
