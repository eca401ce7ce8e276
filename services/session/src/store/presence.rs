//! How far the roster can be believed. Agent-auth tells of it every few seconds; while nothing is heard, and until those
//! whom it could not hear have had the time to come again, the roster stands as it was heard of last.

use super::Store;
use crate::error::SessionError;
use switchboard_db::{Tx, sql};
use switchboard_domain::{AgentId, Timestamp};

impl Store {
    /// The moment at which it is known who is there: now, unless agent-auth is not heard of or was not lately.
    pub(crate) async fn roster_as_of(&self) -> Result<Timestamp, SessionError> {
        const FEED: &str = "SELECT heard_at, since, before_gap FROM roster_feed WHERE id = 1";
        let (heard_at, since, before_gap): (i64, i64, i64) = self.db.fetch_one(sql(FEED)).await?;
        let now = self.clock.now().millis();
        let routing = &self.settings.routing;
        let known = if heard_at == 0 {
            now // nobody tells; what there is was written otherwise
        } else if heard_at < now.saturating_sub(millis(routing.roster_stale_after)) {
            heard_at
        } else if since > now.saturating_sub(millis(routing.owner_grace)) {
            before_gap
        } else {
            now
        };
        Ok(Timestamp::from_millis(known))
    }

    /// Notes that agent-auth was heard of. The last write of its transaction.
    pub(super) async fn note_feed(&self, tx: &mut Tx, now: Timestamp) -> Result<(), SessionError> {
        // A first word ends no gap. Not every word is written down: a quarter of the time is exact enough.
        const HEARD: &str = "UPDATE roster_feed SET \
                             before_gap = CASE WHEN heard_at < $2 THEN heard_at ELSE before_gap END, \
                             since = CASE WHEN heard_at = 0 THEN 0 WHEN heard_at < $2 THEN $1 ELSE since END, \
                             heard_at = $1 WHERE id = 1 AND heard_at < $3";
        let stale = millis(self.settings.routing.roster_stale_after);
        let heard = sql(HEARD)
            .bind(now.millis())
            .bind(now.millis().saturating_sub(stale))
            .bind(now.millis().saturating_sub(stale / 4));
        tx.execute(heard).await?;
        Ok(())
    }
}

/// An agent does something: whatever is known of his presence, he is there now. After the session, before everything
/// else that is locked.
pub(super) async fn seen(tx: &mut Tx, agent: AgentId, now: Timestamp) -> Result<(), SessionError> {
    const SEEN: &str =
        "UPDATE roster SET gone_at = $2 WHERE agent_id = $1 AND lease_until <= $2 AND gone_at < $2";
    tx.execute(sql(SEEN).bind(agent.to_string()).bind(now.millis())).await?;
    Ok(())
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
