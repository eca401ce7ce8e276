//! Carries hints between this process and the others: published in batches on the command connection, heard on one of its
//! own. While Redis is away hints are dropped, and after it came back everybody is told that some are missing.

use super::{Area, Hint};
use crate::{
    Error, Settings,
    redis::{Redis, chain},
};
use ::redis::Cmd;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use switchboard_domain::{Rng, backoff};
use tokio::sync::{broadcast, mpsc};

/// Shortest pause before the subscription is opened again; the longest is `retry_after`, or the ping's pace.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Hints that go out together at most.
const BATCH: usize = 256;

pub(super) struct Relay {
    redis: Arc<Redis>,
    here: broadcast::Sender<Hint>,
    areas: Vec<Area>,
    /// Marks what this process has told, so that it does not hear itself.
    me: u64,
    ping_interval: Duration,
    ping_timeout: Duration,
    retry_after: Duration,
    rng_seed: [u8; 8],
}

/// What travels.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    from: u64,
    hints: Vec<Hint>,
}

impl Relay {
    pub(super) fn new(
        redis: Arc<Redis>,
        here: broadcast::Sender<Hint>,
        areas: Vec<Area>,
        settings: &Settings,
        rng: &dyn Rng,
    ) -> Self {
        let mut me = [0; 8];
        rng.fill(&mut me);
        Self {
            redis,
            here,
            areas,
            me: u64::from_le_bytes(me),
            ping_interval: settings.ping_interval,
            ping_timeout: settings.connect_timeout,
            retry_after: settings.retry_after,
            rng_seed: me,
        }
    }

    /// Carries hints for ever.
    pub(super) async fn run(self, outgoing: mpsc::Receiver<Hint>) {
        if self.areas.is_empty() {
            self.send(outgoing).await;
        } else {
            tokio::join!(self.send(outgoing), self.hear());
        }
    }

    async fn send(&self, mut outgoing: mpsc::Receiver<Hint>) {
        let mut batch = Vec::new();
        while outgoing.recv_many(&mut batch, BATCH).await > 0 {
            for area in Area::ALL {
                let hints: Vec<Hint> =
                    batch.iter().filter(|hint| hint.area() == Some(area)).cloned().collect();
                if hints.is_empty() {
                    continue;
                }
                let Ok(letter) = serde_json::to_string(&Letter { from: self.me, hints }) else { continue };
                let mut publish = Cmd::new();
                publish.arg("PUBLISH").arg(self.channel(area)).arg(letter);
                if let Err(error) = self.redis.query::<i64>(&publish).await {
                    tracing::debug!(error = %chain(&error), "hints were not told");
                    metrics::counter!("switchboard_coord_hints_dropped").increment(1);
                }
            }
            batch.clear();
        }
        // All senders are gone: the process ends.
        std::future::pending::<()>().await;
    }

    async fn hear(&self) {
        let mut failures = 0_u32;
        loop {
            let heard = self.follow(&mut failures).await;
            failures = failures.saturating_add(1);
            if let Err(error) = heard {
                tracing::debug!(error = %chain(&error), "the subscription to hints has ended");
            }
            let pause = backoff(failures, SHORTEST_PAUSE, self.retry_after, &Fixed(self.rng_seed));
            tokio::time::sleep(pause).await;
        }
    }

    /// Hears until the subscription ends or does not answer any more.
    async fn follow(&self, failures: &mut u32) -> Result<(), Error> {
        let (mut ask, mut told) = {
            let mut subscription = self.redis.subscription().await?;
            for area in &self.areas {
                subscription.subscribe(self.channel(*area)).await?;
            }
            subscription.split()
        };
        *failures = 0;
        // What was told before this moment nobody here has heard.
        let _ = self.here.send(Hint::Gap);
        let mut ping = tokio::time::interval(self.ping_interval);
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                letter = told.next() => {
                    let Some(letter) = letter else { return Ok(()) };
                    self.open(letter.get_payload_bytes());
                }
                _ = ping.tick() => {
                    tokio::time::timeout(self.ping_timeout, ask.ping::<::redis::Value>())
                        .await
                        .map_err(|_elapsed| Error::Away)??;
                }
            }
        }
    }

    fn open(&self, letter: &[u8]) {
        // A newer release may tell what this one does not know: then there is something to look at.
        let Ok(letter) = serde_json::from_slice::<Letter>(letter) else {
            let _ = self.here.send(Hint::Gap);
            return;
        };
        if letter.from != self.me {
            for hint in letter.hints {
                let _ = self.here.send(hint);
            }
        }
    }

    fn channel(&self, area: Area) -> String {
        self.redis.key(&format!("hint:{}", area.as_str()))
    }
}

/// Each process has a pause of its own: all lose the same Redis at the same moment.
#[derive(Debug)]
struct Fixed([u8; 8]);

impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        for (byte, own) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *own;
        }
    }
}
