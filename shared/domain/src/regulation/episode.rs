//! What the policy looks at, and what it says.

use super::{
    names::{Reason, RuleId, Severity},
    rules::RulesVersion,
};
use crate::Timestamp;
use std::fmt;

/// So many earlier messages are looked at, the last ones.
pub const EARLIER_MAX: usize = 20;

/// When in a turn the policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The customer has written and the model was not called yet.
    BeforeModel,
    /// The model has answered or has failed to.
    AfterAnswer,
}

/// Who said something earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speaker {
    /// The customer.
    Customer,
    /// The bot.
    Assistant,
}

/// Something that was said before, since the bot began to answer or a human stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// Who.
    pub speaker: Speaker,
    /// What.
    pub text: &'a str,
    /// When.
    pub at: Timestamp,
    /// Whether an answer stopped in the middle.
    pub broke_off: bool,
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
    /// What was said before this turn, oldest first; see [`EARLIER_MAX`].
    pub earlier: &'a [Earlier<'a>],
    /// The time of the question.
    pub now: Timestamp,
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
    /// What the rule found: phrases as the rules write them, in order of position, each once; terms with their weights;
    /// similarities; waiting times. Never words of the customer beyond those of the rules.
    pub evidence: Vec<String>,
}

/// What [`Decision::details`] says when no rule applies.
pub const NO_RULE_DETAILS: &str = "未触发任何监管规则";

impl Decision {
    /// What was decided, for people, in the words of the wire contract.
    pub fn details(&self) -> &str {
        self.escalate.as_ref().map_or(NO_RULE_DETAILS, |escalate| &escalate.details)
    }
}

impl<'a> Episode<'a> {
    /// The earlier messages that are looked at.
    pub fn earlier(&self) -> &'a [Earlier<'a>] {
        &self.earlier[self.earlier.len().saturating_sub(EARLIER_MAX)..]
    }
}

/// Shows the length of the text only: what people write does not belong in logs.
impl fmt::Debug for Earlier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Earlier")
            .field("speaker", &self.speaker)
            .field("text_bytes", &self.text.len())
            .field("at", &self.at)
            .field("broke_off", &self.broke_off)
            .finish()
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
            .field("earlier", &self.earlier.len())
            .field("now", &self.now)
            .finish()
    }
}
