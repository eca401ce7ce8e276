//! The assignment task: looks at the queue whenever something on the floor changes here, and at the next moment at which
//! time alone changes something. Nothing is kept in memory between two looks, so a restart loses nothing, and several
//! replicas may do this at once.

use crate::{
    error::SessionError,
    store::{Store, assignment::Offered, or_next, queue::Waiter},
};
use std::time::Duration;
use switchboard_boot::Lifecycle;
use switchboard_domain::{
    Timestamp,
    routing::{Availability, Candidate, Needs, match_agent},
};

/// Assigns until the soft stop.
pub(crate) async fn keep(store: Store, tasks: Lifecycle) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    let mut floor = store.hub.floor();
    loop {
        // What changes from here on leads to another look.
        floor.mark_unchanged();
        let nap = look(&store).await.unwrap_or_else(|error| {
            tracing::warn!(error = switchboard_mesh::reply::chain(&error), "sessions cannot be assigned");
            store.settings.routing.safety_interval
        });
        let pause = store.settings.routing.pause;
        tokio::select! {
            () = async { tokio::time::sleep(pause).await; let _ = floor.changed().await; } => {}
            () = tokio::time::sleep(nap.max(pause)) => {}
            () = &mut stopping => return,
        }
    }
}

/// Looks at the floor once; gives the time until the next look.
async fn look(store: &Store) -> Result<Duration, SessionError> {
    store.withdraw_from_absent().await?;
    let requeued = store.requeue_abandoned().await?;
    if requeued > 0 {
        tracing::info!(sessions = requeued, "their owners have gone: they wait again");
    }
    let mut next = Next { at: None };
    next.add(store.next_absence().await?);
    if store.settings.routing.auto_assign {
        next.add(store.next_due().await?);
        place(store, &mut next).await?;
    }
    let (now, safety) = (store.clock.now(), store.settings.routing.safety_interval);
    Ok(next.at.map_or(safety, |at| at.since(now).min(safety)))
}

/// The earliest of several moments.
struct Next {
    at: Option<Timestamp>,
}

impl Next {
    fn add(&mut self, at: Option<Timestamp>) {
        self.at = self.at.into_iter().chain(at).min();
    }
}

/// Offers those at the head of the queue, the first first, as long as somebody has room.
async fn place(store: &Store, next: &mut Next) -> Result<(), SessionError> {
    let waiters = store.not_offered(store.settings.routing.batch).await?;
    if waiters.is_empty() {
        return Ok(());
    }
    let mut candidates = store.candidates().await?;
    for waiter in &waiters {
        if !candidates.iter().any(has_room) {
            return Ok(());
        }
        let placed = place_one(store, waiter, &mut candidates, next).await;
        or_next(placed, waiter.waiting.name.as_str(), "a session cannot be offered");
    }
    Ok(())
}

async fn place_one(
    store: &Store,
    waiter: &Waiter,
    candidates: &mut [Candidate],
    next: &mut Next,
) -> Result<(), SessionError> {
    let (rules, now) = (store.settings.routing.rules(), store.clock.now());
    let (refused, again) = store.refused(&waiter.waiting.name).await?;
    let needs = Needs {
        skills: waiter.needs.clone(),
        last_agent: waiter.last_agent.as_ref().map(|agent| agent.id),
        refused,
    };
    let waited = now.since(waiter.waiting.due_at);
    // Each agent who turns out to be full is not asked a second time: this ends.
    loop {
        let ranking = match_agent(&needs, candidates, waited, rules);
        let Some(agent) = ranking.chosen else {
            next.add(again);
            if !needs.skills.is_empty() && !ranking.relaxed {
                next.add(Some(waiter.waiting.due_at.plus(rules.relax_after)));
            }
            return Ok(());
        };
        let offered = store.offer_to(waiter, agent, &ranking).await?;
        let chosen = candidates.iter_mut().find(|candidate| candidate.id == agent);
        match (offered, chosen) {
            (Offered::Gone, _) | (_, None) => return Ok(()),
            (Offered::Yes, Some(chosen)) => {
                chosen.offered = chosen.offered.saturating_add(1);
                chosen.offered_at = Some(now);
                tracing::debug!(session = %waiter.waiting.name, %agent, reason = ranking.reason, "offered");
                return Ok(());
            }
            (Offered::Full, Some(chosen)) => chosen.offered = chosen.max_sessions,
        }
    }
}

fn has_room(candidate: &Candidate) -> bool {
    candidate.present
        && candidate.status == Availability::Online
        && candidate.live.saturating_add(candidate.offered) < candidate.max_sessions
}
