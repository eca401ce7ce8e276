//! When a provider is left alone for a while. Pure: the caller tells the time, chance decides only the jitter.
//!
//! Shut while it works; opens after some failures in a row or a share of failures in a window; lets exactly one probe
//! through when its backoff is over; shuts again when the probe succeeds, stays open twice as long when it fails.

use crate::BreakerConfig;
use parking_lot::Mutex;
use std::{fmt, sync::Arc, time::Duration};
use switchboard_domain::Rng;
use tokio::time::Instant;

/// The window is kept in so many slots; the oldest falls out as a whole.
const SLOTS: usize = 10;

/// One provider's breaker. Clones share their state.
#[derive(Debug, Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
}

struct Shared {
    config: BreakerConfig,
    rng: Arc<dyn Rng>,
    state: Mutex<State>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct State {
    /// Start of the newest slot.
    newest: Instant,
    slots: [Slot; SLOTS],
    in_a_row: u32,
    open: Option<Open>,
    /// How often it opened without a success in between.
    openings: u32,
    /// Counts openings and closings: verdicts on calls admitted before the last one say nothing any more.
    generation: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    calls: u32,
    failures: u32,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: Instant,
    probing: bool,
}

/// Leave for one call. Dropped without a verdict it counts for nothing and lets the next probe through.
#[derive(Debug)]
#[must_use = "a permit that is dropped says nothing about the call"]
pub struct Permit {
    shared: Arc<Shared>,
    generation: u64,
    probe: bool,
}

impl Breaker {
    /// A breaker that has seen nothing yet.
    pub fn new(config: BreakerConfig, rng: Arc<dyn Rng>, now: Instant) -> Self {
        let state = State {
            newest: now,
            slots: [Slot::default(); SLOTS],
            in_a_row: 0,
            open: None,
            openings: 0,
            generation: 0,
        };
        Self { shared: Arc::new(Shared { config, rng, state: Mutex::new(state) }) }
    }

    /// Asks for leave to call.
    ///
    /// # Errors
    /// The time after which to ask again, while the breaker is open or its probe is on the way.
    pub fn admit(&self, now: Instant) -> Result<Permit, Duration> {
        let mut state = self.shared.state.lock();
        let generation = state.generation;
        let Some(open) = &mut state.open else {
            return Ok(Permit { shared: Arc::clone(&self.shared), generation, probe: false });
        };
        if now < open.until {
            return Err(open.until - now);
        }
        if open.probing {
            return Err(self.shared.config.first_backoff);
        }
        open.probing = true;
        Ok(Permit { shared: Arc::clone(&self.shared), generation, probe: true })
    }

    /// Whether calls are refused or probing at present.
    pub fn is_open(&self) -> bool {
        self.shared.state.lock().open.is_some()
    }
}

impl Permit {
    /// The call succeeded.
    pub fn success(self, now: Instant) {
        let mut state = self.shared.state.lock();
        if state.generation != self.generation {
            return;
        }
        if self.probe {
            *state = State {
                newest: now,
                slots: [Slot::default(); SLOTS],
                in_a_row: 0,
                open: None,
                openings: 0,
                generation: state.generation + 1,
            };
            return;
        }
        state.in_a_row = 0;
        state.slot(now, self.shared.config.window).calls += 1;
    }

    /// The call failed in a way that speaks against the provider (see [`crate::ModelError::counts_for_breaker`]).
    pub fn failure(self, now: Instant) {
        let mut state = self.shared.state.lock();
        if state.generation != self.generation {
            return;
        }
        let config = &self.shared.config;
        let slot = state.slot(now, config.window);
        slot.calls += 1;
        slot.failures += 1;
        state.in_a_row += 1;
        if self.probe || state.is_too_much(config) {
            let backoff = backoff(config, state.openings, &*self.shared.rng);
            state.open = Some(Open { until: now + backoff, probing: false });
            state.openings = state.openings.saturating_add(1);
            state.generation += 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if self.probe
            && state.generation == self.generation
            && let Some(open) = &mut state.open
        {
            open.probing = false;
        }
    }
}

impl State {
    /// The slot of the present moment; those that fell out of the window are emptied.
    fn slot(&mut self, now: Instant, window: Duration) -> &mut Slot {
        let width = (window / u32::try_from(SLOTS).unwrap_or(u32::MAX)).max(Duration::from_millis(1));
        let passed = now.saturating_duration_since(self.newest).as_nanos() / width.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        let gone = usize::try_from(passed).unwrap_or(usize::MAX).min(SLOTS);
        self.slots.rotate_right(gone % SLOTS);
        self.slots[..gone].fill(Slot::default());
        self.newest += width * passed;
        &mut self.slots[0]
    }

    fn is_too_much(&self, config: &BreakerConfig) -> bool {
        let calls: u32 = self.slots.iter().map(|slot| slot.calls).sum();
        let failures: u32 = self.slots.iter().map(|slot| slot.failures).sum();
        self.in_a_row >= config.consecutive_failures
            || (calls >= config.min_calls
                && u64::from(failures) * 100 >= u64::from(calls) * u64::from(config.failure_percent))
    }
}

/// Doubles with every opening up to the limit; chance takes up to half of it away, so that replicas do not probe in step.
fn backoff(config: &BreakerConfig, openings: u32, rng: &dyn Rng) -> Duration {
    let whole = config.first_backoff.saturating_mul(2_u32.saturating_pow(openings)).min(config.max_backoff);
    let mut chance = [0_u8; 2];
    rng.fill(&mut chance);
    let share = f64::from(u16::from_le_bytes(chance)) / f64::from(u16::MAX);
    whole.mul_f64(1.0 - share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always gives the same byte: 0 means no jitter, 255 the most.
    #[derive(Debug)]
    struct Fixed(u8);

    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn breaker(chance: u8, now: Instant) -> Breaker {
        let config = BreakerConfig {
            consecutive_failures: 5,
            window: Duration::from_secs(10),
            min_calls: 20,
            failure_percent: 50,
            first_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_mins(1),
        };
        Breaker::new(config, Arc::new(Fixed(chance)), now)
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Plays calls given as milliseconds and `+` (success) or `-` (failure); tells how many were admitted.
    fn play(breaker: &Breaker, start: Instant, calls: impl IntoIterator<Item = (u64, char)>) -> usize {
        let mut admitted = 0;
        for (at, verdict) in calls {
            let now = start + ms(at);
            let Ok(permit) = breaker.admit(now) else { continue };
            admitted += 1;
            if verdict == '+' { permit.success(now) } else { permit.failure(now) }
        }
        admitted
    }

    fn every(step: u64, verdicts: &str) -> Vec<(u64, char)> {
        (0..).step_by(usize::try_from(step).unwrap()).zip(verdicts.chars()).collect()
    }

    #[test]
    fn when_it_opens() {
        let table = [
            ("four in a row", every(1, "----"), false),
            ("five in a row", every(1, "-----"), true),
            ("a success between", every(1, "----+----"), false),
            ("half of nineteen", every(100, "+-+-+-+-+-+-+-+-+-+"), false),
            ("half of twenty", every(100, "+-+-+-+-+-+-+-+-+-+-"), true),
            ("a third of thirty", every(100, &"++-".repeat(10)), false),
            ("half of twenty, but over twenty seconds", every(1000, "+-+-+-+-+-+-+-+-+-+-"), false),
        ];
        for (name, calls, open) in table {
            let start = Instant::now();
            let breaker = breaker(0, start);
            assert_eq!(play(&breaker, start, calls.clone()), calls.len(), "{name}: all are admitted before");
            assert_eq!(breaker.is_open(), open, "{name}");
        }
    }

    #[test]
    fn one_probe_at_a_time_and_a_success_shuts() {
        let start = Instant::now();
        let breaker = breaker(0, start);
        assert_eq!(play(&breaker, start, [(0, '-'); 10]), 5, "the sixth is not sent");
        assert_eq!(breaker.admit(start + ms(400)).unwrap_err(), ms(600));
        let probe = breaker.admit(start + ms(1000)).unwrap();
        assert_eq!(breaker.admit(start + ms(1000)).unwrap_err(), ms(1000), "the probe is on the way");
        probe.success(start + ms(1100));
        assert!(!breaker.is_open());
        assert_eq!(play(&breaker, start, [(1200, '-'); 4]), 4, "it forgot the failures from before");
        assert!(!breaker.is_open());
    }

    #[test]
    fn failed_probes_double_the_backoff_up_to_the_limit() {
        let start = Instant::now();
        let breaker = breaker(0, start);
        let mut now = start;
        play(&breaker, start, [(0, '-'); 5]);
        for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = breaker.admit(now).unwrap_err();
            assert_eq!(wait, Duration::from_secs(expected));
            now += wait;
            breaker.admit(now).unwrap().failure(now);
        }
    }

    #[test]
    fn jitter_takes_at_most_half() {
        let start = Instant::now();
        let breaker = breaker(255, start);
        play(&breaker, start, [(0, '-'); 5]);
        assert_eq!(breaker.admit(start).unwrap_err(), ms(500));
    }

    #[test]
    fn a_dropped_permit_is_neutral_and_releases_the_probe() {
        let start = Instant::now();
        let breaker = breaker(0, start);
        for _ in 0..50 {
            drop(breaker.admit(start).unwrap());
        }
        assert!(!breaker.is_open());
        play(&breaker, start, [(0, '-'); 5]);
        drop(breaker.admit(start + ms(1000)).unwrap());
        breaker.admit(start + ms(1001)).unwrap().success(start + ms(1001));
        assert!(!breaker.is_open());
    }

    #[test]
    fn late_verdicts_from_before_the_opening_say_nothing() {
        let start = Instant::now();
        let breaker = breaker(0, start);
        let (good, bad) = (breaker.admit(start).unwrap(), breaker.admit(start).unwrap());
        play(&breaker, start, [(0, '-'); 5]);
        good.success(start + ms(10));
        assert!(breaker.is_open());
        bad.failure(start + ms(20));
        assert_eq!(breaker.admit(start + ms(20)).unwrap_err(), ms(980), "the backoff is not prolonged");
    }
}
