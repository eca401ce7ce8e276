//! Rules as plain data, and the compiled form that [`super::decide`] takes.

use super::phrase::{Phrase, PhraseList};
use crate::ErrorKind;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt, sync::Arc};

/// Longest phrase, in characters as written.
pub const PHRASE_CHARS_MAX: usize = 100;
/// Most phrases in one list; with [`PHRASE_CHARS_MAX`] it bounds what one decision costs.
pub const PHRASES_MAX: usize = 1000;
/// Longest name of a version, in characters.
pub const VERSION_CHARS_MAX: usize = 64;

/// The name of a set of rules, by which a decision can be explained later.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RulesVersion(Arc<str>);

impl RulesVersion {
    /// Parses a name: trimmed, 1 to [`VERSION_CHARS_MAX`] characters.
    ///
    /// # Errors
    /// [`RulesError::Version`] otherwise.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > VERSION_CHARS_MAX {
            return Err(RulesError::Version);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RulesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Rules as they stand in configuration, in a store or in a draft: plain data, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesSource {
    /// What decisions name these rules by.
    pub version: String,
    /// Phrases in a customer's message that ask for a human.
    pub keywords: Vec<String>,
    /// Longer phrases within which a keyword or a failure phrase means nothing: 人工 within 人工智能.
    pub exceptions: Vec<String>,
    /// Phrases in an answer that say that the model could not help.
    pub failure_phrases: Vec<String>,
    /// So many failing answers in a row lead to a human; at least 1.
    pub failure_threshold: u32,
    /// Whether VIPs go to a human at once.
    pub vip_auto_escalate: bool,
}

/// Rules, checked and normalised once, ready for [`super::decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What decisions name these rules by.
    pub version: RulesVersion,
    /// Phrases in a customer's message that ask for a human.
    pub keywords: PhraseList,
    /// Longer phrases within which a keyword or a failure phrase means nothing.
    pub exceptions: PhraseList,
    /// Phrases in an answer that say that the model could not help.
    pub failure_phrases: PhraseList,
    /// So many failing answers in a row lead to a human.
    pub failure_threshold: u32,
    /// Whether VIPs go to a human at once.
    pub vip_auto_escalate: bool,
}

impl Rules {
    /// Checks and normalises rules.
    ///
    /// # Errors
    /// The first thing that is wrong, with the list and the index where it is in a list; see [`RulesError`].
    pub fn compile(source: RulesSource) -> Result<Self, RulesError> {
        let version = RulesVersion::parse(&source.version)?;
        let keywords = compile_list(ListName::Keywords, source.keywords)?;
        let exceptions = compile_list(ListName::Exceptions, source.exceptions)?;
        let failure_phrases = compile_list(ListName::FailurePhrases, source.failure_phrases)?;
        check_exceptions(&exceptions, ListName::Keywords, &keywords)?;
        check_exceptions(&exceptions, ListName::FailurePhrases, &failure_phrases)?;
        if source.failure_threshold == 0 {
            return Err(RulesError::Threshold);
        }
        Ok(Self {
            version,
            keywords: PhraseList::new(keywords),
            exceptions: PhraseList::new(exceptions),
            failure_phrases: PhraseList::new(failure_phrases),
            failure_threshold: source.failure_threshold,
            vip_auto_escalate: source.vip_auto_escalate,
        })
    }
}

fn compile_list(list: ListName, source: Vec<String>) -> Result<Vec<Phrase>, RulesError> {
    if source.len() > PHRASES_MAX {
        return Err(RulesError::TooMany { list, count: source.len() });
    }
    let mut phrases: Vec<Phrase> = Vec::with_capacity(source.len());
    let mut seen = HashMap::new();
    for (index, written) in source.into_iter().enumerate() {
        let wrong = |fault| RulesError::Phrase { list, index, fault };
        if written.chars().count() > PHRASE_CHARS_MAX {
            return Err(wrong(PhraseFault::TooLong));
        }
        let phrase = Phrase::new(written).ok_or(wrong(PhraseFault::Empty))?;
        if let Some(first) = seen.insert(phrase.normal().to_owned(), index) {
            return Err(wrong(PhraseFault::Duplicate { first }));
        }
        phrases.push(phrase);
    }
    Ok(phrases)
}

/// An exception that is itself one of the phrases would silence that phrase for ever.
fn check_exceptions(exceptions: &[Phrase], other: ListName, phrases: &[Phrase]) -> Result<(), RulesError> {
    for (index, exception) in exceptions.iter().enumerate() {
        if phrases.iter().any(|phrase| phrase.normal() == exception.normal()) {
            let fault = PhraseFault::Silences { other };
            return Err(RulesError::Phrase { list: ListName::Exceptions, index, fault });
        }
    }
    Ok(())
}

/// One of the lists of [`RulesSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListName {
    /// [`RulesSource::keywords`].
    Keywords,
    /// [`RulesSource::exceptions`].
    Exceptions,
    /// [`RulesSource::failure_phrases`].
    FailurePhrases,
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keywords => "keywords",
            Self::Exceptions => "exceptions",
            Self::FailurePhrases => "failure_phrases",
        })
    }
}

/// What is wrong with one phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhraseFault {
    /// Nothing visible is in it.
    #[error("is empty")]
    Empty,
    /// It has more than [`PHRASE_CHARS_MAX`] characters.
    #[error("has more than {PHRASE_CHARS_MAX} characters")]
    TooLong,
    /// It says the same as an earlier one of its list.
    #[error("is the same as the phrase at index {first}")]
    Duplicate {
        /// The index of the earlier one.
        first: usize,
    },
    /// As an exception it would keep a phrase of another list from ever being found.
    #[error("is also one of the {other}, which would never be found")]
    Silences {
        /// The list that has the same phrase.
        other: ListName,
    },
}

/// Why rules cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The version has no name, or one that is too long.
    #[error("the version of the rules is not 1 to {VERSION_CHARS_MAX} characters")]
    Version,
    /// A list has more than [`PHRASES_MAX`] phrases.
    #[error("{list} has {count} phrases, {PHRASES_MAX} are allowed")]
    TooMany {
        /// Which list.
        list: ListName,
        /// How many it has.
        count: usize,
    },
    /// A phrase cannot be used.
    #[error("{list}[{index}] {fault}")]
    Phrase {
        /// Which list.
        list: ListName,
        /// Where in the list, from 0.
        index: usize,
        /// What is wrong.
        fault: PhraseFault,
    },
    /// The threshold is 0, which would count no failure as too many.
    #[error("failure_threshold is 0")]
    Threshold,
}

impl RulesError {
    /// Always [`ErrorKind::Invalid`]: the rules must change first.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}
