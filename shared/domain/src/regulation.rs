//! Must a human take over? The escalation policy as one pure function, [`decide`], over rules that were compiled once.
//!
//! Two questions are asked of every turn. Before the model is called: is this a VIP, or does the customer ask for a
//! human in words of the keyword list? After the answer: has the model now failed too often in a row? The first rule
//! that applies wins, in the order VIP, keyword, AI failure.
//!
//! To add a rule: add its [`RuleId`], follow the compiler, call it from [`decide`] at its place in the order, add its
//! settings to [`RulesSource`], then add rows to the table in `regulation/tests.rs`.

mod builtin;
mod normal;
mod phrase;
mod rules;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

pub use phrase::{Phrase, PhraseList};
pub use rules::{
    ListName, PHRASE_CHARS_MAX, PHRASES_MAX, PhraseFault, Rules, RulesError, RulesSource, RulesVersion,
    VERSION_CHARS_MAX,
};

/// Why a conversation goes to a human.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The customer used a phrase of the keyword list.
    Keyword,
    /// The model failed too often in a row.
    FailLoop,
    /// The customer is angry.
    Sentiment,
    /// The customer is a VIP.
    Vip,
    /// Somebody pressed the button.
    Manual,
}

/// How urgent an escalation is; later variants are more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Can wait.
    Low,
    /// Should not wait long.
    Medium,
    /// First in the queue.
    High,
}

/// Which rule of the policy led to an escalation; the order of [`Self::ALL`] is the order of evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleId {
    /// VIPs are served by humans.
    Vip,
    /// A phrase that asks for a human.
    Keyword,
    /// Failing answers in a row.
    AiFailure,
}

/// When in a turn the policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The customer has written and the model was not called yet: VIP and keyword rules.
    BeforeModel,
    /// The model has answered or has failed to: the AI failure rule.
    AfterAnswer,
}

/// Everything the policy looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Episode<'a> {
    /// When in the turn this is.
    pub phase: Phase,
    /// All customer messages that this turn newly covers, joined by line feeds.
    pub customer_text: &'a str,
    /// The model's complete answer, where there is one.
    pub answer: Option<&'a str>,
    /// Whether the provider failed, so that the customer got no answer worth the name (an empty one included).
    pub answer_failed_hard: bool,
    /// How many answers in a row had failed before this one.
    pub ai_failures: u32,
    /// Whether the customer's profile says VIP.
    pub vip: bool,
    /// Whether the parameters of the request say VIP.
    pub vip_parameter: bool,
}

/// The order to hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalate {
    /// Why.
    pub reason: Reason,
    /// How urgent.
    pub severity: Severity,
    /// The same for people, in the words of the wire contract.
    pub details: String,
}

/// What the policy says, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The order to hand over; `None` means that the bot goes on.
    pub escalate: Option<Escalate>,
    /// Whether the answer counts as a failure: the next count in a row is one more, otherwise zero.
    pub answer_failed: bool,
    /// The rule that escalated.
    pub rule: Option<RuleId>,
    /// The version of the rules that were applied.
    pub rules_version: RulesVersion,
    /// The phrases that were found, as the rules write them, in order of position, each once.
    pub evidence: Vec<String>,
}

/// What [`Decision::details`] says when no rule applies.
pub const NO_RULE_DETAILS: &str = "未触发任何监管规则";

/// Decides whether a human must take over. Pure and total: every episode has exactly one decision.
pub fn decide(rules: &Rules, episode: &Episode<'_>) -> Decision {
    let mut decision = Decision {
        escalate: None,
        answer_failed: false,
        rule: None,
        rules_version: rules.version.clone(),
        evidence: Vec::new(),
    };
    match episode.phase {
        Phase::BeforeModel => before_model(rules, episode, &mut decision),
        Phase::AfterAnswer => after_answer(rules, episode, &mut decision),
    }
    decision
}

fn before_model(rules: &Rules, episode: &Episode<'_>, decision: &mut Decision) {
    if rules.vip_auto_escalate && (episode.vip || episode.vip_parameter) {
        decision.hand_over(RuleId::Vip, "VIP 用户,自动转人工".to_owned());
        return;
    }
    decision.evidence = phrase::find(&rules.keywords, &rules.exceptions, episode.customer_text);
    if !decision.evidence.is_empty() {
        decision.hand_over(RuleId::Keyword, format!("命中关键词: {}", decision.evidence.join(", ")));
    }
}

fn after_answer(rules: &Rules, episode: &Episode<'_>, decision: &mut Decision) {
    if let Some(answer) = episode.answer {
        decision.evidence = phrase::find(&rules.failure_phrases, &rules.exceptions, answer);
    }
    decision.answer_failed = episode.answer_failed_hard || !decision.evidence.is_empty();
    if !decision.answer_failed {
        return;
    }
    let failures = episode.ai_failures.saturating_add(1);
    if failures >= rules.failure_threshold {
        let threshold = rules.failure_threshold;
        decision.hand_over(RuleId::AiFailure, format!("AI 连续失败 {failures} 次,已达阈值 {threshold}"));
    }
}

impl Decision {
    /// What was decided, for people, in the words of the wire contract.
    pub fn details(&self) -> &str {
        self.escalate.as_ref().map_or(NO_RULE_DETAILS, |escalate| &escalate.details)
    }

    fn hand_over(&mut self, rule: RuleId, details: String) {
        self.escalate = Some(Escalate { reason: rule.reason(), severity: rule.severity(), details });
        self.rule = Some(rule);
    }
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::Keyword, Self::FailLoop, Self::Sentiment, Self::Vip, Self::Manual];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::FailLoop => "fail_loop",
            Self::Sentiment => "sentiment",
            Self::Vip => "vip",
            Self::Manual => "manual",
        }
    }
}

impl Severity {
    /// All severities, from the least to the most urgent.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl RuleId {
    /// All rules, in the order of evaluation.
    pub const ALL: [Self; 3] = [Self::Vip, Self::Keyword, Self::AiFailure];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vip => "vip",
            Self::Keyword => "keyword",
            Self::AiFailure => "ai_failure",
        }
    }

    /// The reason that this rule gives.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Vip => Reason::Vip,
            Self::Keyword => Reason::Keyword,
            Self::AiFailure => Reason::FailLoop,
        }
    }

    /// How urgent an escalation by this rule is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Vip | Self::Keyword => Severity::High,
            Self::AiFailure => Severity::Low,
        }
    }
}

/// A text is the wire name of nothing in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no {set} of this name")]
pub struct UnknownName {
    /// What was looked for.
    pub set: &'static str,
}

impl FromStr for Reason {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let set = "escalation reason";
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownName { set })
    }
}

impl FromStr for Severity {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let set = "severity";
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or(UnknownName { set })
    }
}

impl FromStr for RuleId {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let set = "rule";
        Self::ALL.into_iter().find(|rule| rule.as_str() == text).ok_or(UnknownName { set })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shows the lengths of the texts only: what people write does not belong in logs.
impl fmt::Debug for Episode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Episode")
            .field("phase", &self.phase)
            .field("customer_text_bytes", &self.customer_text.len())
            .field("answer_bytes", &self.answer.map(str::len))
            .field("answer_failed_hard", &self.answer_failed_hard)
            .field("ai_failures", &self.ai_failures)
            .field("vip", &self.vip)
            .field("vip_parameter", &self.vip_parameter)
            .finish()
    }
}
