//! The built-in knowledge base: a folder of Markdown articles becomes passages, and a customer's question finds the
//! passage that answers it, or an honest "not sure".
//!
//! An article is one `*.md` file, in any subfolder. It may start with front matter, of which four keys are read; all
//! others are ignored:
//!
//! ```text
//! ---
//! title: Warranty                      # else the first heading, else the file's name
//! lang: en                             # zh or en; else what the text looks like
//! url: https://example.com/warranty    # where the customer can read on; gets the passage's anchor
//! keywords: guarantee, defect          # words customers use and the text does not; found like the title
//! ---
//! ```
//!
//! Every heading starts a passage. Passages are kept apart by language, one `Shelf` each, because how rare a word is
//! (and so how much it says) is only comparable within one language.
//!
//! **Confidence** is a share, not a search score: of all that the question says (each content word counted by how rare
//! it is among the passages; a word the shelf has never seen counts most), how much does the passage speak about? So a
//! question with one known and one unknown word stays below one half, and a word that stands everywhere proves nothing.
//!
//! To add a language: give `words` a way to cut and to reduce its words, and a list of its stop words.

mod article;
mod confidence;
mod error;
mod folder;
mod markdown;
mod shelf;
mod words;

pub use error::KnowledgeError;

use article::{Article, Passage};
use serde::Deserialize;
use shelf::{Found, Shelf};
use std::{fmt, path::Path, sync::Arc};
use switchboard_domain::Language;

/// How sure is sure, and what is too much.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// From which confidence on (0 to 1) a passage is the answer.
    pub min_confidence: f32,
    /// How many passages are handed on beside the answer, or instead of it.
    pub nearest: usize,
    /// How many characters of a question are looked at; the rest is ignored.
    pub max_question_chars: usize,
    /// The largest article, in bytes; a larger one fails the load.
    pub max_article_bytes: u64,
    /// The most articles in the folder; more fail the load.
    pub max_articles: usize,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The article's path in the folder, with `/` and without `.md`.
    pub article_id: String,
    /// The article's title.
    pub title: String,
    /// The headings above the passage below the title, joined by ` › `; empty for the article's first passage.
    pub heading: String,
    /// The heading as a fragment of a URL; empty for the article's first passage.
    pub anchor: String,
    /// Where the passage can be read in its place, when the article says so.
    pub url: Option<String>,
    /// The passage as plain text.
    pub text: String,
    /// The passage as it stands in the article.
    pub markdown: String,
    /// The article's language.
    pub language: Language,
    /// Which share of the question the passage speaks about, 0 to 1.
    pub confidence: f32,
}

/// What the knowledge base has to say to a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A passage answers it.
    Sure {
        /// The passage that fits best.
        best: Hit,
        /// What else speaks about it, best first.
        others: Vec<Hit>,
    },
    /// Nothing in the folder answers it with confidence.
    Unsure {
        /// What comes nearest, best first; empty when no word of the question is known.
        nearest: Vec<Hit>,
    },
}

/// The loaded articles. Cheap to clone; never changes: to see changed files, load again and swap.
#[derive(Clone)]
pub struct Knowledge(Arc<Inner>);

struct Inner {
    settings: Settings,
    articles: usize,
    shelves: Vec<Shelf>,
}

impl Knowledge {
    /// Loads all `*.md` files below `folder`. Blocks while it reads and indexes.
    ///
    /// # Errors
    /// [`KnowledgeError::Settings`] for a confidence outside 0 to 1, [`KnowledgeError::Read`] and
    /// [`KnowledgeError::NotText`] for what cannot be read, [`KnowledgeError::ArticleTooLarge`] and
    /// [`KnowledgeError::TooManyArticles`] for what exceeds the settings, [`KnowledgeError::FrontMatter`] for an
    /// article that contradicts the format.
    pub fn load(folder: &Path, settings: Settings) -> Result<Self, KnowledgeError> {
        let articles = folder::read(folder, &settings)?;
        Self::from_articles(articles, settings)
    }

    /// Takes the articles from pairs of id and Markdown instead of a folder.
    ///
    /// # Errors
    /// [`KnowledgeError::Settings`] and [`KnowledgeError::FrontMatter`], as [`Knowledge::load`].
    pub fn from_articles(
        articles: impl IntoIterator<Item = (String, String)>,
        settings: Settings,
    ) -> Result<Self, KnowledgeError> {
        if !(0.0..=1.0).contains(&settings.min_confidence) {
            return Err(KnowledgeError::Settings("min_confidence lies between 0 and 1"));
        }
        let articles = articles
            .into_iter()
            .map(|(id, text)| Article::parse(id, &text))
            .collect::<Result<Vec<_>, _>>()?;
        let count = articles.len();
        let (zh, en): (Vec<_>, Vec<_>) =
            articles.into_iter().partition(|article| article.language == Language::Zh);
        let mut shelves = Vec::new();
        for (language, articles) in [(Language::Zh, zh), (Language::En, en)] {
            if !articles.is_empty() {
                shelves.push(Shelf::build(language, articles)?);
            }
        }
        let knowledge = Self(Arc::new(Inner { settings, articles: count, shelves }));
        tracing::info!(articles = count, passages = knowledge.passages(), "knowledge loaded");
        Ok(knowledge)
    }

    /// How many articles are loaded.
    pub fn articles(&self) -> usize {
        self.0.articles
    }

    /// How many passages they have.
    pub fn passages(&self) -> usize {
        self.0.shelves.iter().map(Shelf::len).sum()
    }

    /// Answers a question. Passages in `language` (when `None`: in the language the question is written in) are asked
    /// first; those in the other language only when the first have no sure answer.
    pub fn answer(&self, question: &str, language: Option<Language>) -> Answer {
        let settings = &self.0.settings;
        let question = self.shortened(question);
        let preferred = language.or_else(|| Language::detect(question));
        let (first, second): (Vec<&Shelf>, Vec<&Shelf>) = self
            .0
            .shelves
            .iter()
            .partition(|shelf| preferred.is_none_or(|wanted| shelf.language() == wanted));
        let mut nearest = Vec::new();
        for shelves in [first, second] {
            let hits = hits(&shelves, question, settings.nearest + 1);
            if hits.first().is_some_and(|hit| hit.confidence >= settings.min_confidence) {
                let mut hits = hits.into_iter();
                if let Some(best) = hits.next() {
                    return Answer::Sure { best, others: hits.collect() };
                }
            } else {
                nearest.extend(hits);
            }
        }
        nearest.truncate(settings.nearest);
        Answer::Unsure { nearest }
    }

    /// The passages that speak about some of `query`, most confident first, at most `limit`, in all languages.
    pub fn search(&self, query: &str, limit: usize) -> Vec<Hit> {
        let shelves: Vec<&Shelf> = self.0.shelves.iter().collect();
        hits(&shelves, self.shortened(query), limit)
    }

    fn shortened<'a>(&self, question: &'a str) -> &'a str {
        let end = question.char_indices().nth(self.0.settings.max_question_chars).map(|(at, _)| at);
        end.map_or(question, |end| &question[..end])
    }
}

/// Counts only: the articles themselves would flood a log.
impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Knowledge")
            .field("articles", &self.articles())
            .field("passages", &self.passages())
            .finish_non_exhaustive()
    }
}

/// The best passages of all shelves in one order.
fn hits(shelves: &[&Shelf], question: &str, limit: usize) -> Vec<Hit> {
    let mut found: Vec<Found<'_>> = shelves.iter().flat_map(|shelf| shelf.find(question)).collect();
    found.sort_by(Found::best_first);
    found.truncate(limit);
    found.iter().map(|found| found.passage.hit(found.confidence)).collect()
}

impl Passage {
    fn hit(&self, confidence: f32) -> Hit {
        Hit {
            article_id: self.article_id.clone(),
            title: self.title.clone(),
            heading: self.heading.clone(),
            anchor: self.anchor.clone(),
            url: self.url.clone(),
            text: self.text.clone(),
            markdown: self.markdown.clone(),
            language: self.language,
            confidence,
        }
    }
}

#[cfg(test)]
mod tests;
