//! What an operator can set.

use crate::rules;
use serde::Deserialize;
use switchboard_boot::Configured;
use switchboard_domain::regulation::{ListName, RulesError};

/// The configuration of the regulator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[regulator]`.
    pub regulator: Settings,
}

/// Table `[regulator]`.
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
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["regulator"];

    fn check(&self) -> Vec<(&'static str, String)> {
        match rules::compile(&self.regulator) {
            Ok(_) => Vec::new(),
            Err(error) => vec![(key(&error), error.to_string())],
        }
    }
}

/// The key whose value is wrong.
fn key(error: &RulesError) -> &'static str {
    match error {
        RulesError::TooMany { list, .. } | RulesError::Phrase { list, .. } => match list {
            ListName::Keywords => "regulator.keywords",
            ListName::Exceptions => "regulator.exceptions",
            ListName::FailurePhrases => "regulator.failure_phrases",
        },
        RulesError::Threshold => "regulator.failure_threshold",
        RulesError::Version => "regulator",
    }
}
