//! Chance that can be repeated.

use std::{
    env,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Kills in a run of the whole test suite.
const KILLS: usize = 10;

/// Random moments and victims.
#[derive(Debug)]
pub(crate) struct Moments {
    seed: u64,
    state: u64,
}

/// How often to kill.
pub(crate) fn kills() -> usize {
    env::var("CHAOS_KILLS").map_or(KILLS, |text| text.parse().expect("CHAOS_KILLS is a number"))
}

impl Moments {
    /// From `CHAOS_SEED`, else from the clock.
    pub(crate) fn new() -> Self {
        let seed = env::var("CHAOS_SEED").map_or_else(
            |_| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap()
            },
            |text| text.parse().expect("CHAOS_SEED is a number"),
        );
        Self { seed, state: seed }
    }

    /// What repeats this run.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// A moment between now and `longest`.
    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap();
        Duration::from_micros(self.next() % micros)
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let count = u64::try_from(from.len()).unwrap();
        &from[usize::try_from(self.next() % count).unwrap()]
    }

    /// The generator `splitmix64`.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
