//! Phrases, and finding them in a text.

use super::normal::{is_word, normalise};

/// A phrase in the form it is compared in. Not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    written: String,
    normal: String,
    /// Whether it must not end within a word.
    ends_word: bool,
    /// Whether nothing of the same sentence may stand before it.
    opens: bool,
    /// Whether nothing of the same sentence may stand after it.
    closes: bool,
}

impl Phrase {
    /// Normalises a phrase; `None` when nothing is left.
    pub(super) fn new(written: String) -> Option<Self> {
        Self::anchored(written, false, false)
    }

    /// A phrase that must open or close its sentence.
    pub(super) fn anchored(written: String, opens: bool, closes: bool) -> Option<Self> {
        let normal = normalise(&written);
        let ends_word = is_word(normal.chars().next_back()?);
        Some(Self { written, normal, ends_word, opens, closes })
    }

    /// The phrase as the rules write it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    pub(super) fn normal(&self) -> &str {
        &self.normal
    }

    /// The end of this phrase when `text`, which is normal, has it at byte `start`, which is not within a word.
    fn end_at(&self, text: &str, start: usize) -> Option<usize> {
        let rest = text[start..].strip_prefix(&self.normal)?;
        if self.ends_word && rest.chars().next().is_some_and(is_word) {
            return None;
        }
        let says = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        if self.closes && says(rest.chars().find(|c| *c != ' ')) {
            return None;
        }
        if self.opens && says(text[..start].chars().rev().find(|c| *c != ' ')) {
            return None;
        }
        Some(start + self.normal.len())
    }
}

/// Phrases in the order of their source, findable by their first character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhraseList {
    phrases: Vec<Phrase>,
    /// The first character and the index of every phrase, ascending.
    by_first: Vec<(char, usize)>,
    /// One flag for the low byte of every first character, which rules out most positions of a text.
    first_bytes: [bool; 256],
}

impl PhraseList {
    pub(super) fn new(phrases: Vec<Phrase>) -> Self {
        let first = |(index, phrase): (usize, &Phrase)| Some((phrase.normal.chars().next()?, index));
        let mut by_first: Vec<_> = phrases.iter().enumerate().filter_map(first).collect();
        by_first.sort_unstable();
        let mut first_bytes = [false; 256];
        for (first, _) in &by_first {
            first_bytes[low_byte(*first)] = true;
        }
        Self { phrases, by_first, first_bytes }
    }

    /// Phrases that anybody may list, as they are written; those of which nothing is left are left out.
    pub fn of<I: IntoIterator<Item = String>>(written: I) -> Self {
        Self::new(written.into_iter().filter_map(Phrase::new).collect())
    }

    /// Its phrases that `text` contains, as written, each once, by first position and then by place in the list.
    pub fn found_in(&self, text: &str) -> Vec<String> {
        find(self, &Self::new(Vec::new()), &normalise(text))
    }

    /// The phrases, in the order of their source.
    pub fn as_slice(&self) -> &[Phrase] {
        &self.phrases
    }

    /// The phrases that begin with a character and their indices, ascending.
    fn beginning_with(&self, first: char) -> impl Iterator<Item = (usize, &Phrase)> {
        let from = if self.first_bytes[low_byte(first)] {
            self.by_first.partition_point(|(c, _)| *c < first)
        } else {
            self.by_first.len()
        };
        let same = self.by_first[from..].iter().take_while(move |(c, _)| *c == first);
        same.map(|(_, index)| (*index, &self.phrases[*index]))
    }
}

fn low_byte(c: char) -> usize {
    (u32::from(c) & 0xff) as usize
}

/// Where a text has a phrase: bytes `start..end`, and the place of the phrase in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) index: usize,
}

/// All places where `text`, which is normal, has phrases of `wanted` outside of `exceptions`, by position and then by place
/// in the list.
pub(super) fn hits(wanted: &PhraseList, exceptions: &PhraseList, text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    let mut after_word = false;
    // A hit lies within an exception exactly when an exception that begins no later ends no earlier.
    let mut excepted_to = 0;
    for (start, c) in text.char_indices() {
        let within_word = after_word && is_word(c);
        after_word = is_word(c);
        if within_word {
            continue; // a phrase that begins with such a character begins with the word
        }
        for (_, exception) in exceptions.beginning_with(c) {
            excepted_to = excepted_to.max(exception.end_at(text, start).unwrap_or(0));
        }
        for (index, phrase) in wanted.beginning_with(c) {
            if let Some(end) = phrase.end_at(text, start).filter(|end| *end > excepted_to) {
                found.push(Hit { start, end, index });
            }
        }
    }
    found
}

/// The phrases of `wanted` that `text`, which is normal, contains outside of `exceptions`, as written, each once, by first
/// position and then by place in the list.
pub(super) fn find(wanted: &PhraseList, exceptions: &PhraseList, text: &str) -> Vec<String> {
    let mut found: Vec<usize> = Vec::new();
    for hit in hits(wanted, exceptions, text) {
        if !found.contains(&hit.index) {
            found.push(hit.index);
        }
    }
    found.into_iter().map(|index| wanted.phrases[index].written.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(wanted: &PhraseList, exceptions: &PhraseList, text: &str) -> Vec<String> {
        super::find(wanted, exceptions, &normalise(text))
    }

    fn list(phrases: &[&str]) -> PhraseList {
        PhraseList::new(phrases.iter().filter_map(|written| Phrase::new((*written).to_owned())).collect())
    }

    /// The definition, word for word: a hit counts unless it lies within the hit of an exception.
    fn find_by_definition(wanted: &PhraseList, exceptions: &PhraseList, text: &str) -> Vec<String> {
        let text = normalise(text);
        let within_word = |at: usize| {
            text[..at].chars().next_back().is_some_and(is_word)
                && text[at..].chars().next().is_some_and(is_word)
        };
        let hits = |phrase: &Phrase| -> Vec<(usize, usize)> {
            let starts = (0..text.len()).filter(|at| text.is_char_boundary(*at));
            let hits = starts.filter(|at| text[*at..].starts_with(phrase.normal()));
            let hits = hits.map(|at| (at, at + phrase.normal().len()));
            hits.filter(|hit| !within_word(hit.0) && !within_word(hit.1)).collect()
        };
        let excepted: Vec<_> = exceptions.as_slice().iter().flat_map(hits).collect();
        let counts = |hit: &(usize, usize)| !excepted.iter().any(|not| not.0 <= hit.0 && hit.1 <= not.1);
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (index, phrase) in wanted.as_slice().iter().enumerate() {
            found.extend(hits(phrase).into_iter().find(counts).map(|hit| (hit.0, index)));
        }
        found.sort_unstable();
        found.into_iter().map(|(_, index)| wanted.as_slice()[index].as_str().to_owned()).collect()
    }

    #[test]
    fn words_end_where_words_end() {
        let wanted = list(&["agent", "24小时", "c++", "한국어"]);
        let none = list(&[]);
        for (text, expected) in [
            ("Agent!", vec!["agent"]),
            ("(agent)", vec!["agent"]),
            ("the agent's", vec!["agent"]),
            ("找agent吧", vec!["agent"]),
            ("reagent agents agent2 éagent", vec![]),
            ("全天24小时", vec!["24小时"]),
            ("24小时a", vec!["24小时"]),
            ("124小时", vec![]),
            ("C++11", vec!["c++"]),
            ("한국어로", vec!["한국어"]),
        ] {
            assert_eq!(find(&wanted, &none, text), expected, "{text}");
        }
    }

    #[test]
    fn order_is_by_position_then_by_list() {
        let wanted = list(&["b", "人工", "a", "转人工", "人工客服"]);
        assert_eq!(find(&wanted, &list(&[]), "a b a"), ["a", "b"]);
        assert_eq!(find(&wanted, &list(&[]), "人工客服,转人工"), ["人工", "人工客服", "转人工"]);
    }

    #[test]
    fn a_later_exception_does_not_reach_back() {
        let (wanted, exceptions) = (list(&["转人工", "人工"]), list(&["人工智能", "个人工"]));
        assert_eq!(find(&wanted, &exceptions, "转人工智能"), ["转人工"]);
        assert!(find(&wanted, &exceptions, "个人工,人工智能").is_empty());
        assert_eq!(find(&wanted, &exceptions, "个人工人工"), ["人工"]);
    }

    #[test]
    fn anchored_phrases_open_and_close_their_sentence() {
        let phrase =
            |opens, closes| PhraseList::new(vec![Phrase::anchored("agent".into(), opens, closes).unwrap()]);
        let none = list(&[]);
        for (text, opening, closing) in [
            ("agent", true, true),
            (" Agent !! ", true, true),
            ("no! agent", true, true),
            ("agent please", true, false),
            ("an agent", false, true),
            ("人agent。", false, true),
        ] {
            assert_eq!(!find(&phrase(true, false), &none, text).is_empty(), opening, "{text}");
            assert_eq!(!find(&phrase(false, true), &none, text).is_empty(), closing, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_scan_finds_what_the_definition_says(
            wanted in prop::collection::vec("[ab人工 ]{1,3}", 0..6),
            exceptions in prop::collection::vec("[ab人工 ]{1,4}", 0..4),
            text in "[ab人工智 .]{0,24}",
        ) {
            let wanted = list(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
            let exceptions = list(&exceptions.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(find(&wanted, &exceptions, &text), find_by_definition(&wanted, &exceptions, &text));
        }
    }
}
