//! Rules as a document: plain data, written by people as YAML (of which JSON is a part), stored as JSON.
//!
//! Whatever a document leaves out is as in the built-in rules. [`RulesSource::parse`] reads one and checks it; what is wrong
//! is told with line and reason.

mod places;

use super::{
    names::Severity,
    rules::{Rules, RulesError, RulesVersion},
};
use crate::document::{self, DocumentError};
use places::Place;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rule document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesSource {
    /// Longer phrases within which another phrase means nothing: 人工 within 人工智能. Left out: the built-in ones but for
    /// those that would silence a phrase of this document.
    pub exceptions: Option<Vec<String>>,
    /// The rules.
    pub rules: RuleSet,
}

/// All rules, in the order of evaluation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSet {
    /// VIPs go to a human at once.
    pub vip: VipRule,
    /// A phrase in a customer's message.
    pub keyword: KeywordRule,
    /// A request for a human in other words.
    pub request: RequestRule,
    /// An angry customer.
    pub sentiment: SentimentRule,
    /// The same question again.
    pub repeated: RepeatedRule,
    /// No usable answer for too long.
    pub waiting: WaitingRule,
    /// Failing answers in a row.
    pub ai_failure: FailureRule,
}

/// See [`RuleSet::vip`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VipRule {
    /// Whether the rule applies.
    pub enabled: bool,
    /// How urgent an escalation by it is.
    pub severity: Severity,
}

/// See [`RuleSet::keyword`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeywordRule {
    /// Whether the rule applies.
    pub enabled: bool,
    /// How urgent an escalation by it is.
    pub severity: Severity,
    /// Phrases that call a human.
    pub phrases: Vec<String>,
}

/// See [`RuleSet::request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestRule {
    /// Whether the rule applies.
    pub enabled: bool,
    /// How urgent an escalation by it is.
    pub severity: Severity,
    /// Patterns of requests: `(can|may) i (please )?talk to someone`, `^agent$`.
    pub patterns: Vec<String>,
}

/// See [`RuleSet::sentiment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SentimentRule {
    /// Whether the rule applies.
    pub enabled: bool,
    /// How urgent an escalation by it is.
    pub severity: Severity,
    /// From which sum of weights in one turn on a customer is angry.
    pub threshold: u32,
    /// Terms of anger with their weights.
    pub negative: BTreeMap<String, u32>,
    /// Terms of content with theirs: they count against anger, negated for it.
    pub positive: BTreeMap<String, u32>,
    /// Words that negate the term they stand before.
    pub negators: Vec<String>,
    /// Words that strengthen it.
    pub intensifiers: Vec<String>,
}

/// See [`RuleSet::repeated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepeatedRule {
    /// Whether the rule applies.
    pub enabled: bool,
    /// How urgent an escalation by it is.
    pub severity: Severity,
    /// From which similarity on a text is the same question, in per cent.
    pub similarity: u32,
    /// How often the question was asked before.
    pub times: u32,
    /// Texts with fewer letters and digits say too little to be compared.
    pub min_chars: u32,
}

/// See [`RuleSet::waiting`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaitingRule {
    /// Whether the rule applies.
    pub enabled: bool,
    /// How urgent an escalation by it is.
    pub severity: Severity,
    /// So many seconds without a usable answer are too long; 0: no limit.
    pub after_seconds: u32,
    /// So many messages without a usable answer are too many; 0: no limit.
    pub after_messages: u32,
}

/// See [`RuleSet::ai_failure`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FailureRule {
    /// Whether the rule applies. Which answers count as failed is decided all the same.
    pub enabled: bool,
    /// How urgent an escalation by it is.
    pub severity: Severity,
    /// Phrases in an answer that say that the model could not help.
    pub phrases: Vec<String>,
    /// So many failing answers in a row lead to a human; at least 1.
    pub threshold: u32,
}

impl RulesSource {
    /// Reads a document and checks it; gives it with everything filled in, so that it means the same for ever.
    ///
    /// # Errors
    /// [`DocumentError`] with the line and the reason of the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let source: Self = document::parse(text)?;
        let settled = source.settled();
        match Rules::compile(RulesVersion::unnamed(), &settled) {
            Ok(_) => Ok(settled),
            Err(error) => Err(place(text, &error)),
        }
    }

    /// The same with the exceptions that apply written down.
    pub fn settled(mut self) -> Self {
        let exceptions = match self.exceptions.take() {
            Some(own) => own,
            None => super::builtin::exceptions_beside(&self.rules),
        };
        self.exceptions = Some(exceptions);
        self
    }
}

/// Where in a document that can be read the thing stands that an error is about.
fn place(text: &str, error: &RulesError) -> DocumentError {
    let reason = error.to_string();
    let Ok(root) = document::parse::<document::Located<Place>>(text) else {
        return DocumentError::whole(reason);
    };
    let found = places::find(&root, &error.path);
    DocumentError { line: found.line, column: found.column, reason }
}
