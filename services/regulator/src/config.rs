//! What an operator can set.

use crate::{RegulatorError, document::Document, service::AGENTS_MAX};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;
use switchboard_boot::Configured;

/// The configuration of the regulator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[regulator]`.
    pub regulator: Settings,
}

/// Table `[regulator]`. The first five make the rules of the first start; later rules are published, not configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Phrases in a customer's message that ask for a human; empty: the built-in list.
    pub keywords: Vec<String>,
    /// Longer phrases within which a keyword or a failure phrase means nothing; empty: the built-in list.
    pub exceptions: Vec<String>,
    /// Phrases in an answer that say that the model could not help; empty: the built-in list.
    pub failure_phrases: Vec<String>,
    /// So many failing answers in a row lead to a human; at least 1.
    pub failure_threshold: u32,
    /// Whether VIPs go to a human at once.
    pub vip_auto_escalate: bool,
    /// How old the rules that a replica decides with may be at most, after another one has published.
    #[serde(with = "humantime_serde")]
    pub rules_max_age: Duration,
    /// Decisions that may wait to be recorded; further ones are counted and not recorded.
    pub record_queue: usize,
    /// How long decisions are gathered before they are recorded together.
    #[serde(with = "humantime_serde")]
    pub record_interval: Duration,
    /// How long recorded decisions are kept.
    #[serde(with = "humantime_serde")]
    pub record_retention: Duration,
    /// How often old ones are deleted, and how many one transaction deletes.
    #[serde(with = "humantime_serde")]
    pub cleanup_interval: Duration,
    /// See `cleanup_interval`.
    pub cleanup_batch: u32,
    /// The replay of past sessions.
    pub what_if: WhatIf,
}

/// Table `[regulator.what_if]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatIf {
    /// Replays that may run at once; further ones are refused.
    pub concurrency: usize,
    /// Longest time for one.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Sessions that one replays at most, newest first.
    pub max_sessions: u32,
    /// Cases that a report lists at most in each of its lists; it counts all of them.
    pub max_cases: usize,
    /// Characters of a message that a case shows.
    pub excerpt_chars: usize,
    /// Agents who serve at once in the predicted queue; at most 10 000.
    pub agents: u32,
    /// How long one takes where the past does not tell.
    #[serde(with = "humantime_serde")]
    pub handling: Duration,
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["regulator"];

    fn check(&self) -> Vec<(&'static str, String)> {
        let settings = &self.regulator;
        let mut problems = Vec::new();
        for (key, zero) in [
            ("regulator.record_queue", settings.record_queue == 0),
            ("regulator.cleanup_batch", settings.cleanup_batch == 0),
            ("regulator.what_if.concurrency", settings.what_if.concurrency == 0),
            ("regulator.what_if.max_sessions", settings.what_if.max_sessions == 0),
            ("regulator.what_if.agents", settings.what_if.agents == 0),
        ] {
            if zero {
                problems.push((key, "at least 1".to_owned()));
            }
        }
        if settings.what_if.agents > AGENTS_MAX {
            problems.push(("regulator.what_if.agents", format!("at most {AGENTS_MAX}")));
        }
        for (key, zero) in [
            ("regulator.rules_max_age", settings.rules_max_age.is_zero()),
            ("regulator.record_interval", settings.record_interval.is_zero()),
            ("regulator.cleanup_interval", settings.cleanup_interval.is_zero()),
            ("regulator.what_if.timeout", settings.what_if.timeout.is_zero()),
            ("regulator.what_if.handling", settings.what_if.handling.is_zero()),
        ] {
            if zero {
                problems.push((key, "more than 0".to_owned()));
            }
        }
        if let Err(RegulatorError::InvalidRules(error)) = first_document(settings) {
            problems.push((key(&error.reason), error.reason));
        }
        problems
    }
}

/// The key whose value is wrong.
fn key(reason: &str) -> &'static str {
    for (place, key) in [
        ("rules.keyword.", "regulator.keywords"),
        ("exceptions", "regulator.exceptions"),
        ("rules.ai_failure.phrases", "regulator.failure_phrases"),
        ("rules.ai_failure.threshold", "regulator.failure_threshold"),
    ] {
        if reason.starts_with(place) {
            return key;
        }
    }
    "regulator"
}

/// The document that is published at the first start.
///
/// # Errors
/// [`RegulatorError::InvalidRules`] when the settings cannot be used.
pub(crate) fn first_document(settings: &Settings) -> Result<Document, RegulatorError> {
    let mut keyword = Map::new();
    if !settings.keywords.is_empty() {
        keyword.insert("phrases".to_owned(), json!(settings.keywords));
    }
    let mut ai_failure = Map::new();
    ai_failure.insert("threshold".to_owned(), json!(settings.failure_threshold));
    if !settings.failure_phrases.is_empty() {
        ai_failure.insert("phrases".to_owned(), json!(settings.failure_phrases));
    }
    let mut document = Map::new();
    if !settings.exceptions.is_empty() {
        document.insert("exceptions".to_owned(), json!(settings.exceptions));
    }
    let vip = json!({ "enabled": settings.vip_auto_escalate });
    document.insert("rules".to_owned(), json!({ "vip": vip, "keyword": keyword, "ai_failure": ai_failure }));
    Document::parse(&serde_json::to_string_pretty(&Value::Object(document))?)
}
