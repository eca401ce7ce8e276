//! Deletes what nobody asks for any more, a little at a time. Of many replicas each does so; they find what the others
//! left.

use super::Store;
use crate::error::SessionError;
use std::time::Duration;
use switchboard_db::sql;

/// Rows of one table that one transaction deletes at most.
const BATCH: u64 = 500;

const OUTBOX: &str = "DELETE FROM outbox WHERE event_id IN (SELECT event_id FROM outbox WHERE done_at IS NOT NULL \
                      AND done_at < $1 ORDER BY done_at LIMIT $2)";
const REPLAY: &str = "DELETE FROM replay WHERE (session, method, key) IN (SELECT session, method, key FROM replay \
                      WHERE at < $1 ORDER BY at LIMIT $2)";
const USES: &str = "DELETE FROM quick_reply_use WHERE (agent_id, key) IN (SELECT agent_id, key FROM quick_reply_use \
                    WHERE at < $1 ORDER BY at LIMIT $2)";
const FEED: &str = "DELETE FROM agent_entry WHERE (agent, seq) IN (SELECT agent, seq FROM agent_entry \
                    WHERE at < $1 ORDER BY at LIMIT $2)";
const OFFERS: &str = "DELETE FROM offer WHERE id IN (SELECT id FROM offer WHERE answered_at IS NOT NULL \
                      AND answered_at < $1 ORDER BY answered_at LIMIT $2) AND state <> 'open'";

impl Store {
    /// Deletes delivered events, first answers, agents' logs and ended offers past their time; tells how many rows.
    pub(crate) async fn clean_up(&self) -> Result<u64, SessionError> {
        let settings = &self.settings;
        let mut rows = 0;
        for (text, kept) in [
            (OUTBOX, settings.replay_retention),
            (REPLAY, settings.replay_retention),
            (USES, settings.replay_retention),
            (FEED, settings.agent_feed_retention),
            (OFFERS, settings.offer_retention),
        ] {
            rows += self.delete_older(text, kept).await?;
        }
        Ok(rows)
    }

    async fn delete_older(&self, text: &'static str, kept: Duration) -> Result<u64, SessionError> {
        let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        let before = self.clock.now().millis().saturating_sub(kept);
        let mut rows = 0;
        loop {
            let delete = sql(text).bind(before).bind(i64::try_from(BATCH).unwrap_or(i64::MAX));
            let deleted = self
                .db
                .transaction(move |tx| {
                    Box::pin(async move { Ok::<_, SessionError>(tx.execute(delete).await?) })
                })
                .await?;
            rows += deleted;
            if deleted < BATCH {
                return Ok(rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

    /// The oldest rows are found by their time: what is kept is not read.
    #[tokio::test]
    async fn what_is_kept_is_not_looked_at() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        crate::MIGRATIONS.run(&mut connection).await.unwrap();
        for (text, index) in [
            (OUTBOX, "outbox_done"),
            (REPLAY, "replay_by_time"),
            (USES, "quick_reply_use_by_time"),
            (FEED, "agent_entry_by_time"),
            (OFFERS, "offer_answered"),
        ] {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
            let steps: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(explain).fetch_all(&mut connection).await.unwrap();
            let told: Vec<String> = steps.into_iter().map(|step| step.3).collect();
            assert!(told.iter().any(|step| step.contains(index)), "{text}\n{told:?}");
            assert!(!told.iter().any(|step| step.starts_with("SCAN")), "{text}\n{told:?}");
        }
    }
}
