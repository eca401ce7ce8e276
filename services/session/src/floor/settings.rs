//! What an operator can set about the floor.

use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};
use switchboard_domain::{Language, limits::PAGE_MAX, routing};

/// Table `[session.routing]`: who gets a waiting session.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingSettings {
    /// Whether waiting sessions are offered to agents; otherwise agents take them themselves.
    pub auto_assign: bool,
    /// How long an offer waits for its answer.
    #[serde(with = "humantime_serde")]
    pub offer_timeout: Duration,
    /// After so long a wait an agent without the skills will do.
    #[serde(with = "humantime_serde")]
    pub relax_after: Duration,
    /// For so long a wait the agent who served the session last comes first.
    #[serde(with = "humantime_serde")]
    pub sticky_for: Duration,
    /// How long an agent who declined a session, or did not answer, is not asked for it again.
    #[serde(with = "humantime_serde")]
    pub ask_again_after: Duration,
    /// How long after the end of his presence an agent keeps his sessions; then they wait for another one.
    #[serde(with = "humantime_serde")]
    pub owner_grace: Duration,
    /// When agent-auth was not heard of for so long, it is no longer known who is there: nobody loses his sessions.
    #[serde(with = "humantime_serde")]
    pub roster_stale_after: Duration,
    /// Shortest time between two looks at the queue.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
    /// Longest time between two looks at the queue, in case another replica did not live to do its part.
    #[serde(with = "humantime_serde")]
    pub safety_interval: Duration,
    /// Sessions at the head of the queue that one look tries to place.
    pub batch: u32,
    /// The customer's last messages in which skills and urgent words are looked for.
    pub heard_messages: u32,
    /// Languages that every agent speaks: BCP 47 tags. Another one becomes a need.
    pub common_languages: Vec<String>,
    /// For each skill the phrases that ask for it.
    pub skills: BTreeMap<String, Phrases>,
}

/// Phrases of one skill.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Phrases {
    /// As a list.
    List(Vec<String>),
    /// In one text, with commas between them: from the environment or the command line.
    Text(String),
}

impl Phrases {
    /// Each by itself.
    pub(crate) fn list(&self) -> Vec<String> {
        match self {
            Self::List(phrases) => phrases.clone(),
            Self::Text(text) => text.split(',').map(|phrase| phrase.trim().to_owned()).collect(),
        }
    }
}

/// Table `[session.queue]`: in which order, and what customers are told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// A longer wait is urgent.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Words that make a session more pressing.
    pub urgent_words: Vec<String>,
    /// So many at the head of the queue are told their place.
    pub told_places: u32,
    /// Shortest time between two times that customers are told their places.
    #[serde(with = "humantime_serde")]
    pub told_every: Duration,
    /// Take-overs from which the wait is estimated, the last ones.
    pub estimated_from: u32,
}

/// Table `[session.find]`: how far a search goes for one page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindSettings {
    /// Sessions that are looked at.
    pub scan_sessions: u32,
    /// Messages that are looked at for a keyword.
    pub scan_messages: u32,
}

impl RoutingSettings {
    pub(crate) fn rules(&self) -> routing::Settings {
        routing::Settings { relax_after: self.relax_after, sticky_for: self.sticky_for }
    }

    pub(crate) fn common(&self) -> Vec<Language> {
        self.common_languages.iter().filter_map(|tag| Language::from_tag(tag)).collect()
    }

    pub(crate) fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.offer_timeout < Duration::from_secs(1) {
            problems.push(("session.routing.offer_timeout", "at least 1s".into()));
        }
        if self.roster_stale_after < Duration::from_secs(1) {
            problems.push(("session.routing.roster_stale_after", "at least 1s".into()));
        }
        if self.safety_interval.is_zero() {
            problems.push(("session.routing.safety_interval", "more than 0s".into()));
        }
        if self.batch == 0 {
            problems.push(("session.routing.batch", "at least 1".into()));
        }
        if let Some(tag) = self.common_languages.iter().find(|tag| Language::from_tag(tag).is_none()) {
            problems.push(("session.routing.common_languages", format!("{tag} is not a known language")));
        }
        problems
    }
}

impl FindSettings {
    pub(crate) fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if (self.scan_sessions as usize) < PAGE_MAX {
            problems.push(("session.find.scan_sessions", format!("at least {PAGE_MAX}, a page")));
        }
        if self.scan_messages == 0 {
            problems.push(("session.find.scan_messages", "at least 1".into()));
        }
        problems
    }
}
