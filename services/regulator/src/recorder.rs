//! Decisions on their way into the store: gathered, written in batches, never waited for. What does not fit is counted.

use crate::store::{NewDecision, Store};
use std::time::Duration;
use switchboard_boot::Lifecycle;
use switchboard_mesh::reply::chain;
use tokio::{sync::mpsc, time::Instant};

/// Most decisions that one transaction writes.
const BATCH: usize = 256;

/// Takes decisions to be recorded. Clones share a queue.
#[derive(Debug, Clone)]
pub(crate) struct Recorder(mpsc::Sender<NewDecision>);

/// The other end of the queue.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Receiver<NewDecision>,
    store: Store,
    interval: Duration,
    tasks: Lifecycle,
}

/// A queue of `length`, and what empties it.
pub(crate) fn queue(length: usize, interval: Duration, store: Store, tasks: Lifecycle) -> (Recorder, Writer) {
    let (sender, queue) = mpsc::channel(length);
    (Recorder(sender), Writer { queue, store, interval, tasks })
}

impl Recorder {
    /// Hands a decision over without waiting.
    pub(crate) fn record(&self, decision: NewDecision) {
        if self.0.try_send(decision).is_err() {
            lost(1);
        }
    }
}

impl Writer {
    /// Writes until the soft stop, and then what is still there.
    pub(crate) async fn run(mut self) {
        let stopping = self.tasks.stopping();
        tokio::pin!(stopping);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                _ = self.queue.recv_many(&mut batch, BATCH) => {}
                () = &mut stopping => break,
            }
            let next = Instant::now() + self.interval;
            self.write(&mut batch).await;
            if self.queue.len() < BATCH {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = &mut stopping => break,
                }
            }
        }
        self.queue.close();
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            self.write(&mut batch).await;
        }
    }

    async fn write(&self, batch: &mut Vec<NewDecision>) {
        let decisions = std::mem::take(batch);
        let count = decisions.len();
        if let Err(error) = self.store.keep(decisions).await {
            tracing::warn!(count, error = chain(&error), "decisions not recorded");
            lost(count);
        }
    }
}

fn lost(count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    metrics::counter!("switchboard_regulator_unrecorded_decisions_total").increment(count);
}
