//! What agents are told: each has a log of his own. His head's row is locked until the commit, so that the order of
//! places is the order of commits and no reader can miss one.
//!
//! Whoever tells several agents in one transaction does so in the order of their ids, after the session, the roster and
//! offers, and before the audit log: [`Unit::tell`](super::unit::Unit::tell) sees to that.

use super::{Store, tally::rank};
use crate::{error::SessionError, hub::FloorCounts};
use serde_json::Value;
use switchboard_db::{Tx, sql};
use switchboard_domain::{AgentId, Status, Timestamp};

/// Something that an agent is told of with the commit.
#[derive(Debug, Clone)]
pub(crate) struct Telling {
    pub(crate) agent: AgentId,
    pub(crate) kind: &'static str,
    /// The fields of the wire contract's event of this kind.
    pub(crate) payload: Value,
}

/// A row of `agent_entry`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct AgentEntry {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) session: String,
    pub(crate) payload: String,
}

/// Adds an entry to an agent's log; gives its place. Holds the agent's head until the commit.
pub(crate) async fn tell(
    tx: &mut Tx,
    agent: AgentId,
    kind: &str,
    session: &str,
    payload_json: &str,
    now: Timestamp,
) -> Result<i64, SessionError> {
    const NEXT: &str = "INSERT INTO agent_feed (agent, head) VALUES ($1, 1) \
                        ON CONFLICT (agent) DO UPDATE SET head = agent_feed.head + 1 RETURNING head";
    const ADD: &str =
        "INSERT INTO agent_entry (agent, seq, at, kind, session, payload) VALUES ($1, $2, $3, $4, $5, $6)";
    let agent = agent.to_string();
    let (seq,): (i64,) = tx.fetch_one(sql(NEXT).bind(agent.as_str())).await?;
    let add = sql(ADD).bind(agent).bind(seq).bind(now.millis()).bind(kind).bind(session).bind(payload_json);
    tx.execute(add).await?;
    Ok(seq)
}

impl Store {
    /// The place of an agent's last entry, and of the oldest one that is kept.
    pub(crate) async fn agent_head(&self, agent: AgentId) -> Result<(i64, Option<i64>), SessionError> {
        const HEAD: &str = "SELECT f.head, (SELECT MIN(e.seq) FROM agent_entry e WHERE e.agent = f.agent) \
                            FROM agent_feed f WHERE f.agent = $1";
        let found: Option<(i64, Option<i64>)> =
            self.db.fetch_optional(sql(HEAD).bind(agent.to_string())).await?;
        Ok(found.unwrap_or((0, None)))
    }

    /// Entries of an agent's log after a place, oldest first.
    pub(crate) async fn agent_entries(
        &self,
        agent: AgentId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<AgentEntry>, SessionError> {
        const AFTER: &str = "SELECT seq, at, kind, session, payload FROM agent_entry \
                             WHERE agent = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(self.db.fetch_all(sql(AFTER).bind(agent.to_string()).bind(after).bind(limit)).await?)
    }

    /// How many customers wait, and how many talk to an agent.
    pub(crate) async fn floor_counts(&self) -> Result<FloorCounts, SessionError> {
        // Asked for about once a second: sixteen rows are read, however many sessions there are.
        let ranks = self.ranks().await?;
        let of = |status, vip| usize::try_from(rank(status, vip)).ok().and_then(|rank| ranks.get(rank));
        let count = |status: Status| {
            let both = [false, true].into_iter().filter_map(|vip| of(status, vip)).sum::<i64>();
            u32::try_from(both).unwrap_or_default()
        };
        Ok(FloorCounts { waiting: count(Status::PendingManual), live: count(Status::ManualLive) })
    }
}
