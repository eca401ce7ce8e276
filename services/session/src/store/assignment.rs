//! Giving waiting sessions to agents: what the choice rests on, and the transactions that make an offer, take one back
//! and put a session without its owner into the queue again.
//!
//! An offer is made under the session's lock and the agent's roster line's lock, in this order; how many sessions the
//! agent has is counted after the second. So no two replicas offer a session twice or an agent more than he may have.

use super::{Store, offers, or_next, queue::Waiter, roster::RosterLine, unit::Unit};
use crate::error::SessionError;
use std::{collections::HashMap, time::Duration};
use switchboard_db::{Engine, Tx, sql};
use switchboard_domain::{
    AgentId, SessionName, Timestamp,
    offer::{OfferKind, OfferState},
    routing::{Candidate, Ranking},
    session::{Event, apply},
};

/// Sessions that one look takes back from agents who have gone.
const GONE_AT_ONCE: i64 = 200;

/// What became of an attempt to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It is offered.
    Yes,
    /// The session no longer waits, or is offered already.
    Gone,
    /// The agent cannot have it after all.
    Full,
}

impl Store {
    /// Everybody who is there, as the choice sees them.
    pub(crate) async fn candidates(&self) -> Result<Vec<Candidate>, SessionError> {
        const LIVE: &str =
            "SELECT agent_id, COUNT(*) FROM session WHERE agent_id IS NOT NULL GROUP BY agent_id";
        const OPEN: &str = "SELECT to_agent, COUNT(*) FROM offer WHERE state = 'open' GROUP BY to_agent";
        let there = self.there().await?;
        if there.is_empty() {
            return Ok(Vec::new());
        }
        let live: HashMap<String, i64> =
            self.db.fetch_all::<(String, i64)>(sql(LIVE)).await?.into_iter().collect();
        let open: HashMap<String, i64> =
            self.db.fetch_all::<(String, i64)>(sql(OPEN)).await?.into_iter().collect();
        let now = self.clock.now();
        let count = |counts: &HashMap<String, i64>, id: &str| {
            counts.get(id).and_then(|count| u32::try_from(*count).ok()).unwrap_or_default()
        };
        let candidate = |line: RosterLine| {
            let id = line.agent.id.to_string();
            Candidate {
                present: line.present(now),
                live: count(&live, &id),
                offered: count(&open, &id),
                id: line.agent.id,
                name: line.agent.name,
                status: line.status,
                max_sessions: line.max_sessions,
                skills: line.skills,
                offered_at: line.offered_at,
            }
        };
        Ok(there.into_iter().map(candidate).collect())
    }

    /// Who said no to a session, or did not answer, a short while ago; with the time from which all may be asked again.
    pub(crate) async fn refused(
        &self,
        session: &SessionName,
    ) -> Result<(Vec<AgentId>, Option<Timestamp>), SessionError> {
        const REFUSED: &str = "SELECT to_agent, answered_at FROM offer WHERE session = $1 AND kind = 'assignment' \
                               AND state IN ('declined', 'expired') AND answered_at > $2 ORDER BY made_at";
        let again = i64::try_from(self.settings.routing.ask_again_after.as_millis()).unwrap_or(i64::MAX);
        let since = self.clock.now().millis().saturating_sub(again);
        let refused = sql(REFUSED).bind(session.as_str()).bind(since);
        let rows: Vec<(String, i64)> = self.db.fetch_all(refused).await?;
        let first = rows.iter().map(|(_, at)| *at).min();
        let mut agents = Vec::with_capacity(rows.len());
        for (agent, _) in rows {
            let id = AgentId::parse(&agent).map_err(|_| SessionError::Corrupt { table: "offer" })?;
            if !agents.contains(&id) {
                agents.push(id);
            }
        }
        Ok((agents, first.map(|at| Timestamp::from_millis(at.saturating_add(again)))))
    }

    /// Offers a waiting session to the agent that was chosen, unless either is no longer free.
    pub(crate) async fn offer_to(
        &self,
        waiter: &Waiter,
        agent: AgentId,
        ranking: &Ranking,
    ) -> Result<Offered, SessionError> {
        let (store, name) = (self.clone(), waiter.waiting.name.clone());
        let explanation = super::rows::json(ranking);
        let reason = ranking.reason;
        let (offered, committed) = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &name, String::new()).await?;
                    let waits = unit.session.desk.due_at.is_some_and(|due_at| due_at <= unit.now);
                    if !waits || offers::open_of_session(unit.tx, &name).await?.is_some() {
                        return Ok((Offered::Gone, None));
                    }
                    let Some(line) = with_room(&mut unit, agent).await? else {
                        return Ok((Offered::Full, None));
                    };
                    let new = offers::NewOffer {
                        kind: OfferKind::Assignment,
                        to: line.agent,
                        from: None,
                        reason: reason.to_owned(),
                        note: String::new(),
                        explanation,
                        expires_at: unit.now.plus(unit.store.settings.routing.offer_timeout),
                    };
                    if offers::open(&mut unit, new).await?.is_none() {
                        return Ok((Offered::Gone, None));
                    }
                    Ok::<_, SessionError>((Offered::Yes, Some(unit.save_beside().await?)))
                })
            })
            .await?;
        if let Some(committed) = committed {
            self.announce(&committed);
        }
        Ok(offered)
    }

    /// Takes open offers back from agents who have gone; tells how many.
    pub(crate) async fn withdraw_from_absent(&self) -> Result<u64, SessionError> {
        const ABSENT: &str = "SELECT o.session FROM offer o JOIN roster r ON r.agent_id = o.to_agent \
                              WHERE o.state = 'open' AND (r.lease_until <= $1 OR r.deleted = 1) LIMIT $2";
        let absent = sql(ABSENT).bind(self.clock.now().millis()).bind(GONE_AT_ONCE);
        let sessions: Vec<(String,)> = self.db.fetch_all(absent).await?;
        let mut count = 0;
        for (session,) in sessions {
            let withdrawn = self.withdraw(&session).await;
            count += u64::from(or_next(withdrawn, &session, "an offer cannot be taken back"));
        }
        Ok(count)
    }

    async fn withdraw(&self, name: &str) -> Result<bool, SessionError> {
        let (store, name) = (self.clone(), SessionName::parse(name)?);
        let committed = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &name, String::new()).await?;
                    let Some(offer) = offers::open_of_session(unit.tx, &name).await? else { return Ok(None) };
                    let line = line(unit.tx, &unit.store, offer.to.id).await?;
                    if line.is_some_and(|line| line.present(unit.now)) {
                        return Ok(None);
                    }
                    offers::end(&mut unit, &offer, OfferState::Withdrawn, "").await?;
                    Ok::<_, SessionError>(Some(unit.save_beside().await?))
                })
            })
            .await?;
        Ok(committed.inspect(|committed| self.announce(committed)).is_some())
    }

    /// Puts sessions into the queue again whose owner has been away for too long; tells how many. Owners of whom nothing
    /// was ever told, or is not told any more, keep theirs.
    pub(crate) async fn requeue_abandoned(&self) -> Result<u64, SessionError> {
        const ABANDONED: &str = "SELECT s.name, s.agent_id FROM session s JOIN roster r ON r.agent_id = s.agent_id \
                                 WHERE s.agent_id IS NOT NULL AND r.lease_until <= $1 AND r.gone_at <= $2 LIMIT $3";
        let known = self.roster_as_of().await?.millis();
        let gone = known.saturating_sub(self.grace_ms());
        let abandoned = sql(ABANDONED).bind(known).bind(gone).bind(GONE_AT_ONCE);
        let sessions: Vec<(String, String)> = self.db.fetch_all(abandoned).await?;
        let mut count = 0;
        for (session, owner) in sessions {
            let requeued = self.requeue(&session, owner, gone).await;
            count += u64::from(or_next(requeued, &session, "a session cannot be taken back"));
        }
        Ok(count)
    }

    async fn requeue(&self, name: &str, owner: String, gone: i64) -> Result<bool, SessionError> {
        let (store, name) = (self.clone(), SessionName::parse(name)?);
        let committed = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &name, String::new()).await?;
                    let now = unit.session.agent.as_ref().map(|agent| agent.id.to_string());
                    const GONE: &str = "SELECT agent_id FROM roster WHERE agent_id = $1 AND gone_at <= $2";
                    let still = sql(GONE).bind(owner.as_str()).bind(gone);
                    let still: Option<(String,)> = unit.tx.fetch_optional(still).await?;
                    // He came back, or gave it away himself.
                    if now.as_deref() != Some(owner.as_str()) || still.is_none() {
                        return Ok(None);
                    }
                    let step = apply(&unit.session, Event::OwnerLost, unit.now)?;
                    unit.take(step).await?;
                    Ok::<_, SessionError>(Some(unit.save().await?))
                })
            })
            .await?;
        Ok(committed.inspect(|committed| self.announce(committed)).is_some())
    }

    /// When the next presence ends, or the next owner has been away for too long.
    pub(crate) async fn next_absence(&self) -> Result<Option<Timestamp>, SessionError> {
        const LEASE: &str = "SELECT MIN(lease_until) FROM roster WHERE deleted = 0 AND lease_until > 0 \
                             AND lease_until > $1";
        const GONE: &str = "SELECT MIN(r.gone_at) FROM roster r WHERE r.gone_at > $1 AND r.lease_until <= $2 \
                            AND EXISTS (SELECT 1 FROM session s WHERE s.agent_id = r.agent_id)";
        let now = self.clock.now().millis();
        let (lease,): (Option<i64>,) = self.db.fetch_one(sql(LEASE).bind(now)).await?;
        let gone = sql(GONE).bind(now.saturating_sub(self.grace_ms())).bind(now);
        let (gone,): (Option<i64>,) = self.db.fetch_one(gone).await?;
        let gone = gone.map(|at| at.saturating_add(self.grace_ms()));
        Ok(lease.into_iter().chain(gone).min().map(Timestamp::from_millis))
    }

    fn grace_ms(&self) -> i64 {
        let grace: Duration = self.settings.routing.owner_grace;
        i64::try_from(grace.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The agent's line under lock, if he may have one more session. Notes that he is asked.
async fn with_room(unit: &mut Unit<'_>, agent: AgentId) -> Result<Option<RosterLine>, SessionError> {
    const HAS: &str = "SELECT (SELECT COUNT(*) FROM session WHERE agent_id = $1) + \
                       (SELECT COUNT(*) FROM offer WHERE to_agent = $1 AND state = 'open')";
    const ASKED: &str = "UPDATE roster SET offered_at = $2 WHERE agent_id = $1";
    let Some(line) = line(unit.tx, &unit.store, agent).await? else { return Ok(None) };
    if !line.takes(unit.now) {
        return Ok(None);
    }
    let id = agent.to_string();
    let (has,): (i64,) = unit.tx.fetch_one(sql(HAS).bind(id.as_str())).await?;
    if has >= i64::from(line.max_sessions) {
        return Ok(None);
    }
    unit.tx.execute(sql(ASKED).bind(id).bind(unit.now.millis())).await?;
    Ok(Some(line))
}

async fn line(tx: &mut Tx, store: &Store, agent: AgentId) -> Result<Option<RosterLine>, SessionError> {
    super::roster::locked(tx, store.db.engine() == Engine::Postgres, agent).await
}
