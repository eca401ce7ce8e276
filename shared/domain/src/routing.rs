//! Who is served next, and by whom. Pure: the queue's order is [`Waiting::place`], the choice of an agent is
//! [`match_agent`], which also tells why, so that every offer can be explained.
//!
//! To change the order of agents: `Scores::order`, then the table in `routing/tests.rs`.

mod book;
mod matching;
mod priority;
#[cfg(test)]
mod tests;

pub use book::{Book, Heard};
pub use matching::{Candidate, Exclusion, Needs, Ranking, Scored, Scores, Settings, match_agent, servers};
pub use priority::{Level, Place, Priority, Waiting};

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What an agent says of himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Takes sessions.
    Online,
    /// Works, and takes no more.
    Busy,
    /// A short absence.
    Break,
    /// At table.
    Lunch,
    /// In a course.
    Training,
    /// Gone.
    Offline,
}

impl Availability {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Online, Self::Busy, Self::Break, Self::Lunch, Self::Training, Self::Offline];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Break => "break",
            Self::Lunch => "lunch",
            Self::Training => "training",
            Self::Offline => "offline",
        }
    }
}

impl FromStr for Availability {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownName)
    }
}

/// A text names none of the known values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no value of this name")]
pub struct UnknownName;

/// How well an agent knows something; later variants know more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkillLevel {
    /// Has begun.
    Junior,
    /// Knows the usual.
    Intermediate,
    /// Knows the rest, too.
    Senior,
}

impl SkillLevel {
    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Junior => "junior",
            Self::Intermediate => "intermediate",
            Self::Senior => "senior",
        }
    }

    /// What it counts in a score.
    pub const fn weight(self) -> u32 {
        match self {
            Self::Junior => 1,
            Self::Intermediate => 2,
            Self::Senior => 3,
        }
    }
}

impl FromStr for SkillLevel {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Junior, Self::Intermediate, Self::Senior]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(UnknownName)
    }
}

/// Something that an agent knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skill {
    /// What: `refund`, `technical`, `language`.
    pub category: String,
    /// How well.
    pub level: SkillLevel,
    /// Narrower names: for `language` the tags of the languages.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Before the tag in a need that is a language.
pub const LANGUAGE_NEED: &str = "language:";

impl Skill {
    /// Whether this is what a session needs: its category or one of its tags, any letter case. A language is a tag of
    /// category `language`.
    pub fn covers(&self, need: &str) -> bool {
        if let Some(language) = need.strip_prefix(LANGUAGE_NEED) {
            return self.category.eq_ignore_ascii_case("language")
                && self.tags.iter().any(|tag| tag.eq_ignore_ascii_case(language));
        }
        self.category.eq_ignore_ascii_case(need) || self.tags.iter().any(|tag| tag.eq_ignore_ascii_case(need))
    }
}
