//! What is heard in a customer's words: urgency, and the skills that an answer takes.

use super::LANGUAGE_NEED;
use crate::{Language, regulation::PhraseList};

/// The phrases of a shop, ready to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    urgent: PhraseList,
    skills: Vec<(String, PhraseList)>,
    common: Vec<Language>,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// Urgent words, as the shop wrote them, by the first text and place in which each stands.
    pub urgent: Vec<String>,
    /// Skills that an agent should have, in the order of the shop's list, then the language.
    pub needs: Vec<String>,
}

impl Book {
    /// Of urgent words, of phrases for each skill, and of the languages that everybody speaks.
    pub fn new<S>(urgent: Vec<String>, skills: S, common: Vec<Language>) -> Self
    where
        S: IntoIterator<Item = (String, Vec<String>)>,
    {
        let skills = skills.into_iter().map(|(name, phrases)| (name, PhraseList::of(phrases))).collect();
        Self { urgent: PhraseList::of(urgent), skills, common }
    }

    /// Looks for its phrases in the customer's texts.
    pub fn hear<'t, T: IntoIterator<Item = &'t str>>(&self, texts: T, language: Option<Language>) -> Heard {
        let mut heard = Heard::default();
        let mut wanted = vec![false; self.skills.len()];
        for text in texts {
            for word in self.urgent.found_in(text) {
                if !heard.urgent.contains(&word) {
                    heard.urgent.push(word);
                }
            }
            for (wanted, (_, phrases)) in wanted.iter_mut().zip(&self.skills) {
                *wanted = *wanted || !phrases.found_in(text).is_empty();
            }
        }
        let named = self.skills.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|((name, _), _)| name);
        heard.needs.extend(named.cloned());
        if let Some(language) = language.filter(|language| !self.common.contains(language)) {
            heard.needs.push(format!("{LANGUAGE_NEED}{}", language.tag()));
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_skills_and_languages_are_heard_once() {
        let skills = [
            ("refund".to_owned(), vec!["退款".to_owned(), "refund".to_owned()]),
            ("technical".to_owned(), vec!["battery".to_owned()]),
        ];
        let book = Book::new(vec!["投诉".into(), "refund".into()], skills, vec![Language::Zh]);
        let heard = book.hear(["I want a REFUND", "refund! 我要投诉"], Some(Language::En));
        assert_eq!(heard.urgent, ["refund", "投诉"]);
        assert_eq!(heard.needs, ["refund", "language:en"]);
        assert_eq!(book.hear(["你好"], Some(Language::Zh)), Heard::default());
        assert_eq!(book.hear([], None), Heard::default());
    }
}
