//! The order of the queue.

use crate::{SessionName, Timestamp};
use serde::Serialize;
use std::time::Duration;

/// How pressing a waiting session is; later variants are more pressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Like everybody.
    Normal,
    /// Used an urgent word, or had to call a human before.
    High,
    /// A VIP, or waits for too long.
    Urgent,
}

impl Level {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

/// What of a session decides its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub name: SessionName,
    /// Whether the shop says that this is a VIP.
    pub vip: bool,
    /// Since when it is due.
    pub due_at: Timestamp,
    /// Urgent words that the customer used.
    pub urgent: Vec<String>,
    /// How often a human was called before.
    pub repeats: u32,
}

/// How pressing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priority {
    /// All in one word.
    pub level: Level,
    /// A VIP.
    pub vip: bool,
    /// How long it waits.
    pub wait: Duration,
    /// Waits longer than the timeout.
    pub timeout: bool,
    /// A human was called before.
    pub repeat: bool,
    /// Urgent words that the customer used.
    pub urgent_words: Vec<String>,
}

/// A place in the queue: the smaller one is served first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    vip_last: bool,
    calm: std::cmp::Reverse<Level>,
    due_at: Timestamp,
    name: String,
}

impl Waiting {
    /// How pressing it is at `now`, when more than `timeout` is too long a wait.
    pub fn priority(&self, now: Timestamp, timeout: Duration) -> Priority {
        let wait = now.since(self.due_at);
        let (late, repeat) = (wait > timeout, self.repeats > 0);
        let level = if self.vip || late {
            Level::Urgent
        } else if repeat || !self.urgent.is_empty() {
            Level::High
        } else {
            Level::Normal
        };
        Priority { level, vip: self.vip, wait, timeout: late, repeat, urgent_words: self.urgent.clone() }
    }

    /// Its place at `now`: VIPs first, then by level, then the longest wait, then the name. Nobody starves behind others
    /// of the same class: a later one never comes before an earlier one, and a wait over the timeout makes anybody urgent.
    pub fn place(&self, now: Timestamp, timeout: Duration) -> Place {
        let priority = self.priority(now, timeout);
        Place {
            vip_last: !priority.vip,
            calm: std::cmp::Reverse(priority.level),
            due_at: self.due_at,
            name: self.name.to_string(),
        }
    }
}
