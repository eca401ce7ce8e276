//! Is the customer angry? A lexicon with weights, aware of what is negated: `not happy` counts as `unhappy`, `not angry`
//! counts as nothing.

use super::{
    normal::is_word,
    phrase::{PhraseList, hits},
};

/// Words before a term within which a negator or an intensifier belongs to it, where words are separated …
const WORDS_BEFORE: usize = 2;
/// … and characters where they are not.
const CHARS_BEFORE: usize = 4;
/// What an intensifier adds to a term, and repeated exclamation marks to a text that has a term.
const EMPHASIS: i32 = 1;

/// The lexicon, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lexicon {
    pub(super) terms: PhraseList,
    /// The weight of each term; below zero for terms of content.
    pub(super) weights: Vec<i32>,
    pub(super) negators: PhraseList,
    pub(super) intensifiers: PhraseList,
}

/// How angry a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mood {
    pub(super) score: i32,
    /// The terms that counted, as the rules write them, with what they counted.
    pub(super) evidence: Vec<String>,
}

/// Reads the mood of a normal text. Of terms that overlap the first counts, of those the longest.
pub(super) fn mood(lexicon: &Lexicon, exceptions: &PhraseList, text: &str) -> Mood {
    let mut found = hits(&lexicon.terms, exceptions, text);
    found.sort_by(|one, other| one.start.cmp(&other.start).then(other.end.cmp(&one.end)));
    let none = PhraseList::new(Vec::new());
    let has = |list: &PhraseList, stretch: &str| !hits(list, &none, stretch).is_empty();
    let mut mood = Mood { score: 0, evidence: Vec::new() };
    let mut read_to = 0;
    for hit in found {
        if hit.start < read_to {
            continue;
        }
        let before = before(text, read_to, hit.start);
        read_to = hit.end;
        let mut weight = lexicon.weights[hit.index];
        if has(&lexicon.negators, before) {
            // What is not bad is not good either; what is not good is bad.
            weight = if weight < 0 { -weight } else { 0 };
        }
        if weight > 0 && has(&lexicon.intensifiers, before) {
            weight += EMPHASIS;
        }
        if weight != 0 {
            mood.score += weight;
            mood.evidence.push(format!("{} {weight:+}", lexicon.terms.as_slice()[hit.index].as_str()));
        }
    }
    if mood.score > 0 && text.contains("!!") {
        mood.score += EMPHASIS;
        mood.evidence.push(format!("!! {EMPHASIS:+}"));
    }
    mood
}

/// The stretch of the same clause that stands directly before a term, from byte `from` on.
fn before(text: &str, from: usize, start: usize) -> &str {
    let clause = &text[from..start];
    let cut = clause.char_indices().rev().find(|(_, c)| ends_clause(*c));
    let clause = cut.map_or(clause, |(at, c)| &clause[at + c.len_utf8()..]);
    if text[start..].chars().next().is_some_and(is_word) {
        let words = clause.char_indices().rev().filter(|(_, c)| *c == ' ');
        // The first blank may stand directly before the term.
        let skip = WORDS_BEFORE - usize::from(!clause.ends_with(' '));
        words.skip(skip).map(|(at, _)| &clause[at + 1..]).next().unwrap_or(clause)
    } else {
        let chars = clause.char_indices().rev();
        chars.take(CHARS_BEFORE).last().map_or("", |(at, _)| &clause[at..])
    }
}

fn ends_clause(c: char) -> bool {
    matches!(c, '.' | ',' | '!' | '?' | ';' | ':' | '。' | '、' | '…' | '\n')
}
