//! Events on their way out: rows that a reader leases, keeps in its own store, and acknowledges.

use super::Store;
use crate::error::SessionError;
use switchboard_db::{Engine, sql};

/// A row of `outbox`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct OutboxRow {
    pub(crate) event_id: String,
    pub(crate) session: String,
    pub(crate) seq: i64,
    pub(crate) kind: String,
    pub(crate) at: i64,
    pub(crate) traceparent: String,
    pub(crate) attempts: i64,
}

macro_rules! lease {
    ($lock:literal) => {
        concat!(
            "UPDATE outbox SET leased_until = $1, attempts = attempts + 1 WHERE event_id IN (SELECT event_id \
             FROM outbox WHERE done_at IS NULL AND leased_until < $2 ORDER BY event_id LIMIT $3",
            $lock,
            ") RETURNING event_id, session, seq, kind, at, traceparent, attempts"
        )
    };
}

impl Store {
    /// Leases up to `limit` events that nobody has, oldest first. No cursor: a row that was committed late is found.
    pub(crate) async fn lease_events(&self, limit: u32) -> Result<Vec<OutboxRow>, SessionError> {
        let now = self.clock.now();
        let until = now.plus(self.settings.outbox_lease);
        let text = match self.db.engine() {
            // Several readers at once pass each other's rows by.
            Engine::Postgres => lease!(" FOR UPDATE SKIP LOCKED"),
            Engine::Sqlite => lease!(""),
        };
        let mut rows: Vec<OutboxRow> = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let lease = sql(text).bind(until.millis()).bind(now.millis()).bind(i64::from(limit));
                    Ok::<_, SessionError>(tx.fetch_all(lease).await?)
                })
            })
            .await?;
        rows.sort_by(|one, other| one.event_id.cmp(&other.event_id));
        Ok(rows)
    }

    /// Marks events as done.
    pub(crate) async fn ack_events(&self, ids: Vec<String>) -> Result<(), SessionError> {
        let now = self.clock.now();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    const DONE: &str =
                        "UPDATE outbox SET done_at = $2 WHERE event_id = $1 AND done_at IS NULL";
                    for id in ids {
                        tx.execute(sql(DONE).bind(id).bind(now.millis())).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Whether anything waits to be leased.
    pub(crate) async fn has_events(&self) -> Result<bool, SessionError> {
        const ANY: &str = "SELECT event_id FROM outbox WHERE done_at IS NULL AND leased_until < $1 LIMIT 1";
        let found: Option<(String,)> =
            self.db.fetch_optional(sql(ANY).bind(self.clock.now().millis())).await?;
        Ok(found.is_some())
    }
}
