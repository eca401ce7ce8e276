//! The compiled form of rules that [`super::decide`] takes, and what is wrong with those that cannot be compiled.

use super::{
    names::{RuleId, Severity},
    pattern::{self, PatternFault},
    phrase::{Phrase, PhraseList},
    sentiment::Lexicon,
    source::{RepeatedRule, RulesSource, SentimentRule, WaitingRule},
};
use crate::ErrorKind;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fmt::{self, Write as _},
    sync::Arc,
};

/// Longest phrase or pattern, in characters as written.
pub const PHRASE_CHARS_MAX: usize = 200;
/// Most phrases in one list; with [`PHRASE_CHARS_MAX`] it bounds what one decision costs.
pub const PHRASES_MAX: usize = 1000;
/// Most phrases that all patterns together may stand for.
pub const WAYS_MAX: usize = 10_000;
/// Greatest weight of a term, and greatest threshold.
pub const WEIGHT_MAX: u32 = 1000;
/// Longest name of a version, in characters.
pub const VERSION_CHARS_MAX: usize = 64;

/// The name of a set of rules, by which a decision can be explained later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulesVersion(Arc<str>);

impl RulesVersion {
    /// Parses a name: trimmed, 1 to [`VERSION_CHARS_MAX`] characters.
    ///
    /// # Errors
    /// [`RulesError`] otherwise.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > VERSION_CHARS_MAX {
            return Err(RulesError::new([Step::key("version")], Fault::Version));
        }
        Ok(Self(text.into()))
    }

    /// The name of rules that are compiled only to see whether they can be.
    pub fn unnamed() -> Self {
        Self("unnamed".into())
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

/// Rules, checked and normalised once, ready for [`super::decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What decisions name these rules by.
    pub version: RulesVersion,
    pub(super) exceptions: PhraseList,
    pub(super) keywords: PhraseList,
    pub(super) requests: PhraseList,
    pub(super) failures: PhraseList,
    pub(super) lexicon: Lexicon,
    pub(super) sentiment_threshold: i32,
    pub(super) repeated: RepeatedRule,
    pub(super) waiting: WaitingRule,
    pub(super) failure_threshold: u32,
    severities: BTreeMap<RuleId, (bool, Severity)>,
}

impl Rules {
    /// Checks and normalises rules.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place in the document; see [`RulesError`].
    pub fn compile(version: RulesVersion, source: &RulesSource) -> Result<Self, RulesError> {
        let exceptions = match &source.exceptions {
            Some(exceptions) => Cow::Borrowed(exceptions),
            None => Cow::Owned(super::builtin::exceptions_beside(&source.rules)),
        };
        let rules = &source.rules;
        let exceptions = list(&["exceptions"], &exceptions)?;
        let keywords = list(&["rules", "keyword", "phrases"], &rules.keyword.phrases)?;
        let failures = list(&["rules", "ai_failure", "phrases"], &rules.ai_failure.phrases)?;
        check_exceptions(&exceptions, "rules.keyword.phrases", &keywords)?;
        check_exceptions(&exceptions, "rules.ai_failure.phrases", &failures)?;
        check_numbers(source)?;
        Ok(Self {
            version,
            exceptions: PhraseList::new(exceptions),
            keywords: PhraseList::new(keywords),
            requests: PhraseList::new(requests(&rules.request.patterns)?),
            failures: PhraseList::new(failures),
            lexicon: lexicon(&rules.sentiment)?,
            sentiment_threshold: i32::try_from(rules.sentiment.threshold).unwrap_or(i32::MAX),
            repeated: rules.repeated.clone(),
            waiting: rules.waiting.clone(),
            failure_threshold: rules.ai_failure.threshold,
            severities: BTreeMap::from([
                (RuleId::Vip, (rules.vip.enabled, rules.vip.severity)),
                (RuleId::Keyword, (rules.keyword.enabled, rules.keyword.severity)),
                (RuleId::Request, (rules.request.enabled, rules.request.severity)),
                (RuleId::Sentiment, (rules.sentiment.enabled, rules.sentiment.severity)),
                (RuleId::Repeated, (rules.repeated.enabled, rules.repeated.severity)),
                (RuleId::Waiting, (rules.waiting.enabled, rules.waiting.severity)),
                (RuleId::AiFailure, (rules.ai_failure.enabled, rules.ai_failure.severity)),
            ]),
        })
    }

    /// Whether a rule applies.
    pub fn applies(&self, rule: RuleId) -> bool {
        self.severities.get(&rule).is_some_and(|(enabled, _)| *enabled)
    }

    /// How urgent an escalation by a rule is.
    pub fn severity(&self, rule: RuleId) -> Severity {
        self.severities.get(&rule).map_or(Severity::Low, |(_, severity)| *severity)
    }
}

fn path(keys: &[&'static str]) -> Vec<Step> {
    keys.iter().map(|key| Step::key(*key)).collect()
}

fn at(keys: &[&'static str], index: usize) -> Vec<Step> {
    let mut path = path(keys);
    path.push(Step::Index(index));
    path
}

fn list(keys: &[&'static str], source: &[String]) -> Result<Vec<Phrase>, RulesError> {
    if source.len() > PHRASES_MAX {
        return Err(RulesError::new(path(keys), Fault::TooMany { count: source.len() }));
    }
    let mut phrases: Vec<Phrase> = Vec::with_capacity(source.len());
    let mut seen = HashMap::new();
    for (index, written) in source.iter().enumerate() {
        let wrong = |fault| RulesError::new(at(keys, index), fault);
        if written.chars().count() > PHRASE_CHARS_MAX {
            return Err(wrong(Fault::TooLong));
        }
        let phrase = Phrase::new(written.clone()).ok_or_else(|| wrong(Fault::Empty))?;
        if let Some(first) = seen.insert(phrase.normal().to_owned(), index) {
            return Err(wrong(Fault::Duplicate { first }));
        }
        phrases.push(phrase);
    }
    Ok(phrases)
}

/// An exception that is itself one of the phrases would silence that phrase for ever.
fn check_exceptions(
    exceptions: &[Phrase],
    other: &'static str,
    phrases: &[Phrase],
) -> Result<(), RulesError> {
    let silences = |exception: &Phrase| phrases.iter().any(|phrase| phrase.normal() == exception.normal());
    match exceptions.iter().position(silences) {
        Some(index) => Err(RulesError::new(at(&["exceptions"], index), Fault::Silences { other })),
        None => Ok(()),
    }
}

fn requests(patterns: &[String]) -> Result<Vec<Phrase>, RulesError> {
    const KEYS: &[&str] = &["rules", "request", "patterns"];
    if patterns.len() > PHRASES_MAX {
        return Err(RulesError::new(path(KEYS), Fault::TooMany { count: patterns.len() }));
    }
    let mut phrases = Vec::new();
    for (index, written) in patterns.iter().enumerate() {
        let wrong = |fault| RulesError::new(at(KEYS, index), fault);
        if written.chars().count() > PHRASE_CHARS_MAX {
            return Err(wrong(Fault::TooLong));
        }
        phrases.extend(pattern::expand(written).map_err(|fault| wrong(Fault::Pattern(fault)))?);
        if phrases.len() > WAYS_MAX {
            return Err(wrong(Fault::TooManyWays));
        }
    }
    Ok(phrases)
}

fn lexicon(rule: &SentimentRule) -> Result<Lexicon, RulesError> {
    let (mut terms, mut weights) = (Vec::<Phrase>::new(), Vec::new());
    let mut seen = HashSet::new();
    for (name, map, sign) in [("negative", &rule.negative, 1), ("positive", &rule.positive, -1)] {
        let keys = ["rules", "sentiment", name];
        if map.len() > PHRASES_MAX {
            return Err(RulesError::new(path(&keys), Fault::TooMany { count: map.len() }));
        }
        for (term, weight) in map {
            let wrong = |fault| {
                let mut path = path(&keys);
                path.push(Step::key(term.clone()));
                RulesError::new(path, fault)
            };
            if term.chars().count() > PHRASE_CHARS_MAX {
                return Err(wrong(Fault::TooLong));
            }
            if !(1..=WEIGHT_MAX).contains(weight) {
                return Err(wrong(Fault::Range { min: 1, max: WEIGHT_MAX }));
            }
            let phrase = Phrase::new(term.clone()).ok_or_else(|| wrong(Fault::Empty))?;
            if !seen.insert(phrase.normal().to_owned()) {
                return Err(wrong(Fault::SameTerm));
            }
            terms.push(phrase);
            weights.push(sign * i32::try_from(*weight).unwrap_or(i32::MAX));
        }
    }
    Ok(Lexicon {
        terms: PhraseList::new(terms),
        weights,
        negators: PhraseList::new(list(&["rules", "sentiment", "negators"], &rule.negators)?),
        intensifiers: PhraseList::new(list(&["rules", "sentiment", "intensifiers"], &rule.intensifiers)?),
    })
}

fn check_numbers(source: &RulesSource) -> Result<(), RulesError> {
    let rules = &source.rules;
    let waiting = &rules.waiting;
    for (keys, number, min, max) in [
        (["rules", "sentiment", "threshold"], rules.sentiment.threshold, 1, WEIGHT_MAX),
        (["rules", "repeated", "similarity"], rules.repeated.similarity, 1, 100),
        (["rules", "repeated", "times"], rules.repeated.times, 1, WEIGHT_MAX),
        (["rules", "waiting", "after_seconds"], waiting.after_seconds, 0, 86_400),
        (["rules", "waiting", "after_messages"], waiting.after_messages, 0, WEIGHT_MAX),
        (["rules", "ai_failure", "threshold"], rules.ai_failure.threshold, 1, WEIGHT_MAX),
    ] {
        if !(min..=max).contains(&number) {
            return Err(RulesError::new(path(&keys), Fault::Range { min, max }));
        }
    }
    if waiting.enabled && waiting.after_seconds == 0 && waiting.after_messages == 0 {
        return Err(RulesError::new(path(&["rules", "waiting"]), Fault::NoLimit));
    }
    Ok(())
}

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Key(Cow<'static, str>),
    /// Into a list, from 0.
    Index(usize),
}

impl Step {
    fn key(key: impl Into<Cow<'static, str>>) -> Self {
        Self::Key(key.into())
    }
}

/// What is wrong with a value of a rule document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The version has no name, or one that is too long.
    #[error("is not 1 to {VERSION_CHARS_MAX} characters")]
    Version,
    /// A list or map has more than [`PHRASES_MAX`] entries.
    #[error("has {count} entries, {PHRASES_MAX} are allowed")]
    TooMany {
        /// How many it has.
        count: usize,
    },
    /// All patterns together stand for too many phrases.
    #[error("is one pattern too many: all together stand for more than {WAYS_MAX} phrases")]
    TooManyWays,
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
    /// A term says the same as another one.
    #[error("is the same as another term")]
    SameTerm,
    /// As an exception it would keep a phrase of another list from ever being found.
    #[error("is also one of {other}, which would never be found")]
    Silences {
        /// The list that has the same phrase.
        other: &'static str,
    },
    /// A pattern cannot be written out.
    #[error("{0}")]
    Pattern(PatternFault),
    /// A number is out of its range.
    #[error("is not {min} to {max}")]
    Range {
        /// Smallest.
        min: u32,
        /// Greatest.
        max: u32,
    },
    /// A rule that applies has nothing that makes it apply.
    #[error("has no limit: set after_seconds or after_messages, or switch it off")]
    NoLimit,
}

/// Why rules cannot be used: what is wrong, and at which value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError {
    /// Where in the document.
    pub path: Vec<Step>,
    /// What is wrong there.
    pub fault: Fault,
}

impl RulesError {
    fn new(path: impl Into<Vec<Step>>, fault: Fault) -> Self {
        Self { path: path.into(), fault }
    }

    /// Always [`ErrorKind::Invalid`]: the rules must change first.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    /// The place as text, `rules.keyword.phrases[3]`.
    pub fn place(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if text.is_empty() => text.push_str(key),
                Step::Key(key) => {
                    text.push('.');
                    text.push_str(key);
                }
                Step::Index(index) => {
                    let _ = write!(text, "[{index}]"); // writing to a String cannot fail
                }
            }
        }
        text
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place(), self.fault)
    }
}

impl std::error::Error for RulesError {}
