//! What an operator can set.

use serde::Deserialize;
use std::time::Duration;
use switchboard_boot::Configured;

/// The configuration of the session service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[session]`.
    pub session: Settings,
}

/// Table `[session]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long a worker keeps a turn without renewing it; then another one may have it.
    #[serde(with = "humantime_serde")]
    pub turn_lease: Duration,
    /// How long a leased outbox event stays with its reader before it comes again.
    #[serde(with = "humantime_serde")]
    pub outbox_lease: Duration,
    /// How long the key that made a session proves that a repeat comes from the same client.
    #[serde(with = "humantime_serde")]
    pub reopen_window: Duration,
    /// How long first answers to repeatable commands are kept.
    #[serde(with = "humantime_serde")]
    pub replay_retention: Duration,
    /// How often old answers and delivered events are deleted.
    #[serde(with = "humantime_serde")]
    pub cleanup_interval: Duration,
    /// Entries that a subscriber may be behind before reading waits for it.
    pub subscriber_queue: usize,
    /// Entries kept in memory for each session that somebody listens to.
    pub live_tail: usize,
    /// How often a listener looks into the database although nobody woke it.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["session"];

    fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let settings = &self.session;
        if settings.turn_lease < Duration::from_millis(500) {
            problems.push((
                "session.turn_lease",
                "at least 500ms, or workers lose turns that they work on".into(),
            ));
        }
        if settings.replay_retention < Duration::from_hours(24) {
            problems.push(("session.replay_retention", "at least 24h: the contract promises it".into()));
        }
        for (key, value) in [
            ("session.subscriber_queue", settings.subscriber_queue),
            ("session.live_tail", settings.live_tail),
        ] {
            if value == 0 {
                problems.push((key, "at least 1".into()));
            }
        }
        problems
    }
}
