//! The numbers of the built-in rules.

use super::{VERSION, failure_phrases, keywords, mood, requests};
use crate::regulation::{
    FailureRule, KeywordRule, RepeatedRule, RequestRule, Rules, RulesSource, RulesVersion, SentimentRule,
    Severity, VipRule, WaitingRule, rules::RulesError,
};

impl Default for VipRule {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::High }
    }
}

impl Default for KeywordRule {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::High, phrases: keywords() }
    }
}

impl Default for RequestRule {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::High, patterns: requests::patterns() }
    }
}

impl Default for SentimentRule {
    fn default() -> Self {
        Self {
            enabled: true,
            severity: Severity::Medium,
            // One strong word with emphasis, or two of them, or three mild ones.
            threshold: 4,
            negative: mood::weighted(mood::NEGATIVE),
            positive: mood::weighted(mood::POSITIVE),
            negators: mood::words(mood::NEGATORS),
            intensifiers: mood::words(mood::INTENSIFIERS),
        }
    }
}

impl Default for RepeatedRule {
    fn default() -> Self {
        // The third time is once too often; below six letters everything is alike.
        Self { enabled: true, severity: Severity::Medium, similarity: 80, times: 2, min_chars: 6 }
    }
}

impl Default for WaitingRule {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Medium, after_seconds: 180, after_messages: 5 }
    }
}

impl Default for FailureRule {
    fn default() -> Self {
        // As in the original.
        Self { enabled: true, severity: Severity::Low, phrases: failure_phrases(), threshold: 3 }
    }
}

impl RulesSource {
    /// The built-in rules. They always compile.
    pub fn builtin() -> Self {
        Self::default().settled()
    }
}

impl Rules {
    /// The built-in rules, compiled: what decides while the regulator cannot be asked.
    ///
    /// # Errors
    /// None that could happen: a test compiles them.
    pub fn builtin() -> Result<Self, RulesError> {
        Self::compile(RulesVersion::parse(VERSION)?, &RulesSource::builtin())
    }
}
