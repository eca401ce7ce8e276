//! The real clock and the real dice: the only place that asks the operating system for either.

use std::time::UNIX_EPOCH;
use switchboard_domain::{Clock, Rng, Timestamp};

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the Clock that everybody else is given")]
        let now = std::time::SystemTime::now();
        let ms = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
    }
}

/// The operating system's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness every id and every key could be guessed: there is nothing to go on with.
        if let Err(error) = getrandom::fill(bytes) {
            tracing::error!(%error, "the operating system gives no random numbers");
            std::process::abort();
        }
    }
}
