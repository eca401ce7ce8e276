//! When things are sent, how often, and how long they are remembered.

use super::Problem;
use serde::Deserialize;
use std::time::Duration;

/// What recording an outcome may take beside the attempt itself.
const RECORDING: Duration = Duration::from_secs(5);

/// Table `[notifier.delivery]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Longest time for one attempt, from reading the session to the other side's answer.
    #[serde(with = "humantime_serde")]
    pub attempt_timeout: Duration,
    /// How long a delivery belongs to the process that sends it; then another one may.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Pauses before the second attempt, the third, …; after the last one it is given up.
    pub retries: Vec<Pause>,
    /// How far chance moves a pause, up or down, in percent.
    pub jitter_percent: u32,
    /// Attempts in all when the other side refuses for good; at least 1.
    pub permanent_attempts: u32,
    /// How often is looked for work that nobody woke this process for.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// How often old rows are deleted and the gauges are read.
    #[serde(with = "humantime_serde")]
    pub cleanup_interval: Duration,
    /// Rows deleted in one transaction at most.
    pub cleanup_batch: u32,
    /// How long a received event is kept, and so a repeat of it recognised.
    #[serde(with = "humantime_serde")]
    pub inbox_retention: Duration,
    /// How long what was delivered or cancelled is kept.
    #[serde(with = "humantime_serde")]
    pub done_retention: Duration,
    /// How long what was given up is kept.
    #[serde(with = "humantime_serde")]
    pub dead_retention: Duration,
}

/// One pause, `"5s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Pause(#[serde(with = "humantime_serde")] pub Duration);

impl Delivery {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.retries.is_empty() {
            problems.push(("notifier.delivery.retries", "at least one pause".to_owned()));
        }
        if self.jitter_percent > 100 {
            problems.push(("notifier.delivery.jitter_percent", "at most 100".to_owned()));
        }
        if self.permanent_attempts == 0 {
            problems.push(("notifier.delivery.permanent_attempts", "at least 1".to_owned()));
        }
        if self.lease < self.attempt_timeout + RECORDING {
            let told = "at least notifier.delivery.attempt_timeout + 5s, or two processes send the same";
            problems.push(("notifier.delivery.lease", told.to_owned()));
        }
        if self.poll_interval.is_zero() {
            problems.push(("notifier.delivery.poll_interval", "more than 0".to_owned()));
        }
        problems
    }
}
