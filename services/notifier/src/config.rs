//! What an operator can set.

use serde::Deserialize;
use std::time::Duration;
use switchboard_boot::Configured;

/// Longest wait that the session service grants an empty lease.
const LEASE_WAIT_MAX: Duration = Duration::from_secs(30);
/// Most events of one lease: they are stored in one transaction and held in memory.
const LEASE_LIMIT_MAX: u32 = 1000;

/// The configuration of the notifier.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[notifier]`.
    pub notifier: Settings,
}

/// Table `[notifier]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Events taken at once at most.
    pub lease_limit: u32,
    /// How long the session service may wait for an event before it answers with none.
    #[serde(with = "humantime_serde")]
    pub lease_wait: Duration,
    /// How much longer than [`Self::lease_wait`] its answer may take before it counts as lost.
    #[serde(with = "humantime_serde")]
    pub lease_grace: Duration,
    /// Pause after a first failure; doubles with each further one.
    #[serde(with = "humantime_serde")]
    pub retry_min: Duration,
    /// Longest pause between two attempts.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["notifier"];

    fn check(&self) -> Vec<(&'static str, String)> {
        let settings = &self.notifier;
        let mut problems = Vec::new();
        if !(1..=LEASE_LIMIT_MAX).contains(&settings.lease_limit) {
            problems.push(("notifier.lease_limit", format!("between 1 and {LEASE_LIMIT_MAX}")));
        }
        if settings.lease_wait > LEASE_WAIT_MAX {
            problems
                .push(("notifier.lease_wait", "at most 30s: the session service waits no longer".to_owned()));
        }
        if settings.retry_min.is_zero() {
            problems.push((
                "notifier.retry_min",
                "more than 0, or a peer that is away is asked without end".into(),
            ));
        }
        if settings.retry_max < settings.retry_min {
            problems.push(("notifier.retry_max", "at least notifier.retry_min".to_owned()));
        }
        problems
    }
}
