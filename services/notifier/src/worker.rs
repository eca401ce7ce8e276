//! Takes deliveries that are due, tries them, records what became of them, until the process stops.
//!
//! Each destination has its own breaker and its own number of slots, so one that is dead or slow delays nobody else. A
//! delivery is leased and counted in one transaction, tried outside of any, and recorded under the number of its attempt:
//! a process that dies in between leaves a lease that runs out, and the next attempt tells the same story again, a mail
//! with the same Message-ID.

mod sender;

pub(crate) use sender::Sender;

use crate::{channel::Destination, config::Settings, store::Store};
use sender::Work;
use std::{collections::HashMap, sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_domain::Rng;
use switchboard_mesh::reply::chain;
use switchboard_model::{Breaker, Permit};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::Instant,
};

/// Finds work and hands it out.
pub(crate) struct Worker {
    pub(crate) store: Store,
    pub(crate) sender: Arc<Sender>,
    pub(crate) settings: Settings,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) life: Lifecycle,
    /// Somebody has made work.
    pub(crate) wake: Arc<Notify>,
}

/// What one destination has of its own.
#[derive(Debug)]
struct Lane {
    breaker: Breaker,
    slots: Arc<Semaphore>,
}

impl Worker {
    /// Works until the soft stop, then waits for what is under way.
    pub(crate) async fn run(self) {
        let mut lanes = HashMap::new();
        let mut running = JoinSet::new();
        let mut failures = 0_u32;
        while !self.life.is_stopping() {
            // Asked for before looking: what is made in between is not slept through.
            let woken = self.wake.notified();
            let pause = match self.look(&mut lanes, &mut running).await {
                Ok(pause) => {
                    failures = 0;
                    pause
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        tracing::warn!(error = chain(&error), "deliveries cannot be read, trying again");
                    }
                    self.settings.delivery.poll_interval
                }
            };
            tokio::select! {
                () = self.life.stopping() => {}
                () = woken => {}
                Some(ended) = running.join_next() => told(ended),
                () = tokio::time::sleep(pause) => {}
            }
        }
        while let Some(ended) = running.join_next().await {
            told(ended);
        }
    }

    /// Begins what can be begun; answers how long there is nothing more to begin.
    async fn look(
        &self,
        lanes: &mut HashMap<Destination, Lane>,
        running: &mut JoinSet<()>,
    ) -> Result<Duration, switchboard_db::DbError> {
        let due = self.store.due().await?;
        lanes.retain(|destination, lane| {
            due.iter().any(|(known, _)| known == destination)
                || lane.breaker.is_open()
                || lane.is_busy(self.slots(*destination))
        });
        let mut pause = self.settings.delivery.poll_interval;
        for (destination, at) in due {
            if !self.sender.serves(destination) {
                continue;
            }
            let wait = at.since(self.store.now());
            if !wait.is_zero() {
                pause = pause.min(wait);
                continue;
            }
            let lane = lanes.entry(destination).or_insert_with(|| self.lane(destination));
            pause = pause.min(self.begin(destination, lane, running).await?);
        }
        Ok(pause)
    }

    /// Begins what one destination has slots for; answers how long it takes no more.
    async fn begin(
        &self,
        destination: Destination,
        lane: &Lane,
        running: &mut JoinSet<()>,
    ) -> Result<Duration, switchboard_db::DbError> {
        let forever = self.settings.delivery.poll_interval;
        let (mut leave, mut wait) = (Vec::<Permit>::new(), forever);
        while leave.len() < lane.slots.available_permits() {
            match lane.breaker.admit(Instant::now()) {
                Ok(permit) => leave.push(permit),
                Err(pause) => {
                    wait = pause;
                    break;
                }
            }
        }
        measure_breaker(destination, lane);
        if leave.is_empty() {
            return Ok(wait);
        }
        let limit = u32::try_from(leave.len()).unwrap_or(u32::MAX);
        let leased = self.store.lease(destination, limit, self.settings.delivery.lease).await?;
        let taken = leased.len();
        for (delivery, permit) in leased.into_iter().zip(leave) {
            let Ok(slot) = Arc::clone(&lane.slots).try_acquire_owned() else { break };
            let work = Work { delivery, permit, slot };
            running.spawn(Arc::clone(&self.sender).run(work, Arc::clone(&self.rng)));
        }
        // All that were asked for: there may be more, and a slot that becomes free wakes this loop anyway.
        Ok(if taken == 0 { forever } else { wait })
    }

    fn lane(&self, destination: Destination) -> Lane {
        let breaker = Breaker::new(self.settings.breaker.clone(), Arc::clone(&self.rng), Instant::now());
        Lane { breaker, slots: Arc::new(Semaphore::new(self.slots(destination))) }
    }

    fn slots(&self, destination: Destination) -> usize {
        let slots = match destination {
            Destination::Smtp => self.settings.mail.concurrency,
            Destination::Endpoint(_) => self.settings.webhooks.concurrency,
        };
        usize::try_from(slots).unwrap_or(1)
    }
}

impl Lane {
    fn is_busy(&self, slots: usize) -> bool {
        self.slots.available_permits() < slots
    }
}

/// There is a bound to the endpoints, so there is one to the label.
fn measure_breaker(destination: Destination, lane: &Lane) {
    let open = if lane.breaker.is_open() { 1.0 } else { 0.0 };
    metrics::gauge!("switchboard_notifier_breaker_open", "destination" => destination.to_string()).set(open);
}

/// A task that panicked has recorded nothing: its lease runs out and it is tried again.
fn told(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an attempt panicked");
    }
}
