//! A bot turn: from a customer's message to a recorded answer. Durable: it is begun in the transaction that keeps the
//! message and ended in the one that keeps the answer.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a turn is.
///
/// ```text
/// accepted ─┬─▶ done          the answer is recorded whole
///           ├─▶ interrupted   what had arrived is recorded and marked
///           ├─▶ handed_over   a human answers instead
///           └─▶ failed        no answer could be had; a notice says so
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Begun; a worker holds its lease.
    Accepted,
    /// The answer is recorded whole.
    Done,
    /// The answer stopped in the middle; what had arrived is recorded and marked.
    Interrupted,
    /// A human answers instead.
    HandedOver,
    /// No answer could be had; a notice says so.
    Failed,
}

impl TurnState {
    const ALL: [Self; 5] = [Self::Accepted, Self::Done, Self::Interrupted, Self::HandedOver, Self::Failed];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Done => "done",
            Self::Interrupted => "interrupted",
            Self::HandedOver => "handed_over",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing can follow.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Accepted)
    }
}

impl fmt::Display for TurnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TurnState {
    type Err = UnknownTurnState;
    fn from_str(text: &str) -> Result<Self, UnknownTurnState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownTurnState)
    }
}

/// A text names no turn state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no turn state of this name")]
pub struct UnknownTurnState;
