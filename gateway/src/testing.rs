//! What the tests of the edge share: the default settings, a clock and dice that can be foreseen, peers in memory.

pub(crate) mod log;
pub(crate) mod peers;
pub(crate) mod token;
pub(crate) mod world;

use crate::config::{Config, Settings};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use switchboard_boot::{Sources, Tree};
use switchboard_domain::{Clock, Rng, Timestamp};

/// The instant at which tests begin, in milliseconds.
pub(crate) const START_MS: i64 = 1_795_383_375_000;

/// The default settings, on a port of the system's choice.
pub(crate) fn settings() -> Settings {
    let mut problems = Vec::new();
    let tree = Tree::load(&Sources::default(), &mut problems);
    let config: Config = tree.extract(&mut problems).unwrap_or_else(|| panic!("{problems:?}"));
    Settings { listen: "127.0.0.1:0".parse().unwrap(), ..config.gateway }
}

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicI64::new(START_MS))
    }
}

impl ManualClock {
    /// Moves it on.
    pub(crate) fn advance(&self, by: std::time::Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Dice that show another number each time.
#[derive(Debug, Default)]
pub(crate) struct CountingRng(AtomicU64);

impl Rng for CountingRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            chunk.copy_from_slice(&next.to_le_bytes()[..chunk.len()]);
        }
    }
}
