//! Patterns: many ways to say one thing, written as one. `(a|b)` is one of several, `(a|b)?` one of them or nothing, `^`
//! at the beginning and `$` at the end say that nothing else of the sentence stands there. A pattern is no expression that
//! is searched for: it is written out into plain phrases once, so that its price is known beforehand.

use super::phrase::Phrase;

/// Most phrases that one pattern may stand for.
pub const PATTERN_WAYS_MAX: usize = 1024;

/// What is wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// `(` without `)`.
    #[error("opens a group that it does not close")]
    Open,
    /// `)` or `|` outside of a group.
    #[error("closes or divides a group that it did not open")]
    Stray,
    /// `(` inside of a group.
    #[error("has a group within a group")]
    Nested,
    /// It stands for more than [`PATTERN_WAYS_MAX`] phrases.
    #[error("stands for more than {PATTERN_WAYS_MAX} phrases")]
    TooMany,
    /// One of its ways says nothing.
    #[error("can be empty")]
    Empty,
}

/// Writes a pattern out, in the order of its alternatives.
pub(super) fn expand(pattern: &str) -> Result<Vec<Phrase>, PatternFault> {
    let (opens, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (closes, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
    let mut ways = vec![String::new()];
    let mut rest = rest;
    while let Some(at) = rest.find(['(', ')', '|']) {
        for way in &mut ways {
            way.push_str(&rest[..at]);
        }
        let inner = rest[at..].strip_prefix('(').ok_or(PatternFault::Stray)?;
        let (group, after) = inner.split_once(')').ok_or(PatternFault::Open)?;
        if group.contains('(') {
            return Err(PatternFault::Nested);
        }
        let mut choices: Vec<&str> = group.split('|').collect();
        rest = match after.strip_prefix('?') {
            Some(after) => {
                choices.push("");
                after
            }
            None => after,
        };
        if ways.len() * choices.len() > PATTERN_WAYS_MAX {
            return Err(PatternFault::TooMany);
        }
        ways =
            ways.iter().flat_map(|way| choices.iter().map(move |choice| format!("{way}{choice}"))).collect();
    }
    let phrases = ways.into_iter().map(|way| {
        let written = format!("{way}{rest}").split_whitespace().collect::<Vec<_>>().join(" ");
        Phrase::anchored(written, opens, closes).ok_or(PatternFault::Empty)
    });
    phrases.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(pattern: &str) -> Result<Vec<String>, PatternFault> {
        Ok(expand(pattern)?.iter().map(|phrase| phrase.as_str().to_owned()).collect())
    }

    #[test]
    fn patterns_are_written_out() {
        assert_eq!(ways("plain words"), Ok(vec!["plain words".into()]));
        assert_eq!(
            ways("(talk|speak) to (please )?me"),
            Ok(vec![
                "talk to please me".into(),
                "talk to me".into(),
                "speak to please me".into(),
                "speak to me".into()
            ])
        );
        assert_eq!(ways("^有(没有)?人$"), Ok(vec!["有没有人".into(), "有人".into()]));
    }

    #[test]
    fn faults_are_told() {
        for (pattern, fault) in [
            ("a(b", PatternFault::Open),
            ("a)b", PatternFault::Stray),
            ("a|b", PatternFault::Stray),
            ("(a(b))", PatternFault::Nested),
            ("(a)?", PatternFault::Empty),
            ("^$", PatternFault::Empty),
            (" ", PatternFault::Empty),
            ("(a|b|c|d|e|f|g|h)(a|b|c|d|e|f|g|h)(a|b|c|d|e|f|g|h)(a|b|c)", PatternFault::TooMany),
        ] {
            assert_eq!(ways(pattern), Err(fault), "{pattern}");
        }
    }
}
