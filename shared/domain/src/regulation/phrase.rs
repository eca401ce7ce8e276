//! Phrases, and finding them in a text.

use super::normal::{is_word, normalise};
use std::collections::HashMap;

/// A phrase in the form it is compared in. Not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    written: String,
    normal: String,
    /// Whether it must not begin within a word.
    starts_word: bool,
    /// Whether it must not end within a word.
    ends_word: bool,
}

impl Phrase {
    /// Normalises a phrase; `None` when nothing is left.
    pub(super) fn new(written: &str) -> Option<Self> {
        let normal = normalise(written);
        let starts_word = is_word(normal.chars().next()?);
        let ends_word = is_word(normal.chars().next_back()?);
        Some(Self { written: written.trim().to_owned(), normal, starts_word, ends_word })
    }

    /// The phrase as the rules write it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    pub(super) fn normal(&self) -> &str {
        &self.normal
    }

    /// The end of this phrase when `text`, which is normal, has it at byte `start`, right after `before`.
    fn end_at(&self, text: &str, start: usize, before: Option<char>) -> Option<usize> {
        if self.starts_word && before.is_some_and(is_word) {
            return None;
        }
        let rest = text[start..].strip_prefix(&self.normal)?;
        if self.ends_word && rest.chars().next().is_some_and(is_word) {
            return None;
        }
        Some(start + self.normal.len())
    }
}

/// Phrases in the order of their source, findable by their first character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhraseList {
    phrases: Vec<Phrase>,
    by_first: HashMap<char, Vec<usize>>,
    /// One bit for the low byte of every first character: most positions of a text are ruled out here.
    first_bits: [u64; 4],
}

impl PhraseList {
    pub(super) fn new(phrases: Vec<Phrase>) -> Self {
        let mut by_first: HashMap<char, Vec<usize>> = HashMap::new();
        let mut first_bits = [0; 4];
        for (index, phrase) in phrases.iter().enumerate() {
            if let Some(first) = phrase.normal.chars().next() {
                by_first.entry(first).or_default().push(index);
                let (word, bit) = bit_of(first);
                first_bits[word] |= bit;
            }
        }
        Self { phrases, by_first, first_bits }
    }

    /// The phrases, in the order of their source.
    pub fn as_slice(&self) -> &[Phrase] {
        &self.phrases
    }

    /// The indices of the phrases that begin with a character, ascending.
    fn beginning_with(&self, first: char) -> &[usize] {
        let (word, bit) = bit_of(first);
        if self.first_bits[word] & bit == 0 {
            return &[];
        }
        self.by_first.get(&first).map_or(&[], Vec::as_slice)
    }
}

fn bit_of(c: char) -> (usize, u64) {
    let low = u32::from(c) & 0xff;
    ((low >> 6) as usize, 1 << (low & 63))
}

/// The phrases of `wanted` that `text` contains outside of `exceptions`, as written, each once, by first position and
/// then by place in the list.
pub(super) fn find(wanted: &PhraseList, exceptions: &PhraseList, text: &str) -> Vec<String> {
    let text = normalise(text);
    let mut found: Vec<usize> = Vec::new();
    let mut before = None;
    // A hit lies within an exception exactly when an exception that begins no later ends no earlier.
    let mut excepted_to = 0;
    for (start, c) in text.char_indices() {
        for &index in exceptions.beginning_with(c) {
            if let Some(end) = exceptions.phrases[index].end_at(&text, start, before) {
                excepted_to = excepted_to.max(end);
            }
        }
        for &index in wanted.beginning_with(c) {
            let hit = wanted.phrases[index].end_at(&text, start, before);
            if hit.is_some_and(|end| end > excepted_to) && !found.contains(&index) {
                found.push(index);
            }
        }
        before = Some(c);
    }
    found.into_iter().map(|index| wanted.phrases[index].written.clone()).collect()
}
