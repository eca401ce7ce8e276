//! What an operator can set.

use crate::floor::{FindSettings, QueueSettings, RoutingSettings};
use serde::Deserialize;
use std::time::Duration;
use switchboard_boot::Configured;
use switchboard_domain::routing::Book;

/// The configuration of the session service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[session]`.
    pub session: Settings,
    /// Table `[hours]`.
    pub hours: crate::hours::HoursSettings,
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
    /// How long a colleague may think about taking a session that is handed to him.
    #[serde(with = "humantime_serde")]
    pub transfer_offer: Duration,
    /// How long what agents were told is kept for those who come back.
    #[serde(with = "humantime_serde")]
    pub agent_feed_retention: Duration,
    /// How long offers that have ended are kept: who was asked for a session, and what he said.
    #[serde(with = "humantime_serde")]
    pub offer_retention: Duration,
    /// Shortest time between two hints that the floor changed.
    #[serde(with = "humantime_serde")]
    pub floor_hint_interval: Duration,
    /// Shortest time between two signals that the same side is writing.
    #[serde(with = "humantime_serde")]
    pub typing_interval: Duration,
    /// Tags that there may be.
    pub tags_max: usize,
    /// Tags that one session may have.
    pub session_tags_max: usize,
    /// Colleagues that one note may mention.
    pub mentions_max: usize,
    /// Table `[session.routing]`.
    pub routing: RoutingSettings,
    /// Table `[session.queue]`.
    pub queue: QueueSettings,
    /// Table `[session.find]`.
    pub find: FindSettings,
}

impl Settings {
    /// What is listened for in customers' words.
    pub(crate) fn book(&self) -> Book {
        let skills = self.routing.skills.iter().map(|(name, phrases)| (name.clone(), phrases.list()));
        Book::new(self.queue.urgent_words.clone(), skills, self.routing.common())
    }
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["session", "hours"];

    fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.hours.check();
        let settings = &self.session;
        problems.extend(settings.routing.check());
        problems.extend(settings.find.check());
        if settings.turn_lease < Duration::from_millis(500) {
            problems.push((
                "session.turn_lease",
                "at least 500ms, or workers lose turns that they work on".into(),
            ));
        }
        if settings.replay_retention < Duration::from_hours(24) {
            problems.push(("session.replay_retention", "at least 24h: the contract promises it".into()));
        }
        if settings.transfer_offer < Duration::from_secs(1) {
            problems.push(("session.transfer_offer", "at least 1s, or nobody can answer".into()));
        }
        if settings.agent_feed_retention < Duration::from_hours(1) {
            problems.push((
                "session.agent_feed_retention",
                "at least 1h, or agents who were away for a moment lose their place".into(),
            ));
        }
        if settings.offer_retention < settings.routing.ask_again_after.max(Duration::from_hours(1)) {
            problems.push((
                "session.offer_retention",
                "at least 1h and session.routing.ask_again_after, or agents are asked again who have declined".into(),
            ));
        }
        if settings.floor_hint_interval < Duration::from_millis(10) {
            problems.push(("session.floor_hint_interval", "at least 10ms".into()));
        }
        for (key, value) in [
            ("session.subscriber_queue", settings.subscriber_queue),
            ("session.live_tail", settings.live_tail),
            ("session.tags_max", settings.tags_max),
            ("session.session_tags_max", settings.session_tags_max),
        ] {
            if value == 0 {
                problems.push((key, "at least 1".into()));
            }
        }
        problems
    }
}
