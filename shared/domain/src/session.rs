//! The session: who it belongs to, who may speak, and what happens when something happens to it.
//!
//! ```text
//!  bot_active ──escalated (open)──▶ pending_manual ──taken over──▶ manual_live ──closed──▶ closed
//!    │  ▲ ▲                           │    │                        │                       │
//!    │  │ └────── wait cancelled ─────┘    └─ hours ended ─┐        │                       │
//!    │  └───────────────── released ──────────────────────┼────────┘                       │
//!    └──── escalated (shut) ───▶ after_hours_email ◀───────┘                                │
//!         owner lost: manual_live ─▶ pending_manual
//!         customer writes again: closed ─▶ bot_active ◀────────────────────────────────────┘
//! ```
//!
//! Two numbers guard it. [`Session::version`] grows with every commit and makes each write a compare-and-set.
//! [`Fence`] grows whenever the right to speak passes on; an answer that was begun under an older fence is refused, so a
//! bot cannot talk over a human.

mod machine;
#[cfg(test)]
mod tests;

pub use crate::entry::AgentRef;
pub use machine::{Change, Effect, Event, Refused, Reply, Step, Via, apply, finish_turn};

use crate::{
    Language, SessionName, Timestamp, TurnId,
    regulation::{Reason, Severity},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The bot answers.
    BotActive,
    /// A customer waits for a human.
    PendingManual,
    /// A human answers.
    ManualLive,
    /// The shop is shut; the request went out as an e-mail. The bot answers meanwhile.
    AfterHoursEmail,
    /// Over, until the customer writes again.
    Closed,
}

impl Status {
    /// All five, in the order of the contract.
    pub const ALL: [Self; 5] =
        [Self::BotActive, Self::PendingManual, Self::ManualLive, Self::AfterHoursEmail, Self::Closed];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BotActive => "bot_active",
            Self::PendingManual => "pending_manual",
            Self::ManualLive => "manual_live",
            Self::AfterHoursEmail => "after_hours_email",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// A text names no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no session status of this name")]
pub struct UnknownStatus;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(i64);

        impl $name {
            /// Before the first.
            pub const ZERO: Self = Self(0);

            /// From its number; negative numbers become zero.
            pub fn new(number: i64) -> Self {
                Self(number.max(0))
            }

            /// Its number.
            pub const fn get(self) -> i64 {
                self.0
            }

            /// The next one.
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

counters! {
    /// Grows whenever the right to speak passes on.
    Fence;
    /// Grows when a database is restored from a backup: sequence numbers of an older epoch mean nothing any more.
    LogEpoch;
    /// An entry's place in its session's log.
    Seq;
    /// Grows with every commit of a session.
    Version;
}

/// Why a human was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// The rule's kind.
    pub reason: Reason,
    /// How urgent.
    pub severity: Severity,
    /// In words, for the agent.
    pub details: String,
    /// When the customer began to wait. A repeated request does not move it.
    pub at: Timestamp,
    /// The rule that decided; empty when a person asked.
    pub rule: String,
    /// The version of the rules that decided; empty when a person asked.
    pub rules_version: String,
    /// What the rule found, in order of position.
    pub evidence: Vec<String>,
}

impl Escalation {
    /// Without a rule: a person asked, or nobody could answer.
    pub fn asked(reason: Reason, severity: Severity, details: String, at: Timestamp) -> Self {
        Self {
            reason,
            severity,
            details,
            at,
            rule: String::new(),
            rules_version: String::new(),
            evidence: Vec::new(),
        }
    }
}

/// Whether somebody can come when a human is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shop {
    /// Now.
    Open,
    /// Later, or never.
    Shut {
        /// When it opens next, if it does.
        opens: Option<Timestamp>,
        /// The same in the customer's words.
        promise: Option<String>,
    },
}

/// The queue that sessions wait in unless something else is said.
pub const DEFAULT_QUEUE: &str = "default";

/// What decides when, and to whom, a session is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// The queue it waits in; has its own hours.
    pub queue: String,
    /// Since when it is due: it belongs to the queue from here on, and until an agent owns it or the wait is over. In
    /// the future for a request that came out of hours.
    pub due_at: Option<Timestamp>,
    /// Skills that an agent should have.
    pub needs: Vec<String>,
    /// Urgent words that the customer used, in order of position.
    pub urgent: Vec<String>,
    /// How often a human was called in this session before.
    pub repeats: u32,
    /// Who served it last.
    pub last_agent: Option<AgentRef>,
    /// Ids of its tags.
    pub tags: Vec<String>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            queue: DEFAULT_QUEUE.to_owned(),
            due_at: None,
            needs: Vec::new(),
            urgent: Vec::new(),
            repeats: 0,
            last_agent: None,
            tags: Vec::new(),
        }
    }
}

/// What is known of the customer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Display name.
    pub nickname: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the shop says that this is a VIP.
    pub vip: bool,
    /// The language that notices are written in.
    pub language: Option<Language>,
}

/// A session as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name, the key.
    pub name: SessionName,
    /// Where it stands.
    pub status: Status,
    /// Who may speak.
    pub fence: Fence,
    /// How often it was written.
    pub version: Version,
    /// The last entry of its log.
    pub head: Seq,
    /// The agent who owns it; set exactly in [`Status::ManualLive`].
    pub agent: Option<AgentRef>,
    /// Why a human was called, kept after release.
    pub escalation: Option<Escalation>,
    /// The customer.
    pub profile: Profile,
    /// What decides when, and to whom, it is given.
    pub desk: Desk,
    /// The model vendor's id of the present conversation.
    pub conversation: Option<String>,
    /// The bot's memory starts after this entry.
    pub memory_from: Seq,
    /// Customer messages up to here are seen by a turn or by a human.
    pub covered: Seq,
    /// How many customer messages after [`Self::covered`] wait for a turn.
    pub uncovered: u32,
    /// AI answers in a row that failed.
    pub ai_failures: u32,
    /// The turn that runs.
    pub turn: Option<TurnId>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Since when a human owns it.
    pub manual_since: Option<Timestamp>,
    /// When a human last gave it back.
    pub manual_ended_at: Option<Timestamp>,
}

impl Session {
    /// A session that nothing has happened to.
    pub fn new(name: SessionName, now: Timestamp) -> Self {
        Self {
            name,
            status: Status::BotActive,
            fence: Fence::ZERO.next(),
            version: Version::ZERO,
            head: Seq::ZERO,
            agent: None,
            escalation: None,
            profile: Profile::default(),
            desk: Desk::default(),
            conversation: None,
            memory_from: Seq::ZERO,
            covered: Seq::ZERO,
            uncovered: 0,
            ai_failures: 0,
            turn: None,
            created_at: now,
            updated_at: now,
            manual_since: None,
            manual_ended_at: None,
        }
    }

    /// The language that notices to this customer are written in.
    pub fn language(&self) -> Language {
        self.profile.language.unwrap_or_default()
    }

    /// Whether the bot answers what the customer writes.
    pub fn bot_answers(&self) -> bool {
        match self.status {
            Status::BotActive | Status::AfterHoursEmail | Status::Closed => true,
            Status::PendingManual | Status::ManualLive => false,
        }
    }
}
