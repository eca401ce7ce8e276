//! The names that escalations carry: why, how urgent, by which rule.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why a conversation goes to a human.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The customer asked for a human.
    Keyword,
    /// The model does not get on.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleId {
    /// VIPs are served by humans.
    Vip,
    /// A phrase of the keyword list.
    Keyword,
    /// The customer asks for a human in other words.
    Request,
    /// The customer is angry.
    Sentiment,
    /// The customer asks the same thing again.
    Repeated,
    /// The customer has had no usable answer for too long.
    Waiting,
    /// Failing answers in a row.
    AiFailure,
}

/// A name that stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no {set} of this name")]
pub struct UnknownName {
    /// What was looked for.
    pub set: &'static str,
}

impl RuleId {
    /// The reason that this rule gives. The wire has five reasons; the rule's own name stands beside it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Vip => Reason::Vip,
            Self::Keyword | Self::Request => Reason::Keyword,
            Self::Sentiment => Reason::Sentiment,
            Self::Repeated | Self::Waiting | Self::AiFailure => Reason::FailLoop,
        }
    }
}

macro_rules! named {
    ($set:literal, $type:ident, $count:literal, $($name:ident $text:literal),+) => {
        impl $type {
            /// All of them.
            pub const ALL: [Self; $count] = [$(Self::$name),+];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(UnknownName { set: $set })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named!(
    "escalation reason", Reason, 5,
    Keyword "keyword", FailLoop "fail_loop", Sentiment "sentiment", Vip "vip", Manual "manual"
);
named!("severity", Severity, 3, Low "low", Medium "medium", High "high");
named!(
    "rule", RuleId, 7,
    Vip "vip", Keyword "keyword", Request "request", Sentiment "sentiment", Repeated "repeated",
    Waiting "waiting", AiFailure "ai_failure"
);
