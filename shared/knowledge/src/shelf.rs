//! The passages of one language, indexed. BM25 finds the candidates, the confidence puts them in order.

use crate::{
    article::{Article, Passage},
    confidence::{Evidence, Scale},
    words::{self, Word},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};
use switchboard_domain::Language;
use tantivy::{
    DocAddress, DocId, DocSet as _, Index, IndexReader, ReloadPolicy, Searcher, TantivyDocument, Term,
    collector::TopDocs,
    directory::RamDirectory,
    query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery},
    schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{PreTokenizedString, Token},
};

/// How many of the best matches by BM25 are weighed.
const CANDIDATES: usize = 32;

/// Bytes the index writer starts with. It grows when a folder needs more; a larger start only costs memory.
const WRITER_BYTES: usize = 3_000_000;

/// The passages of one language.
pub(crate) struct Shelf {
    language: Language,
    passages: Vec<Passage>,
    searcher: Searcher,
    fields: Fields,
    scale: Scale,
}

/// A passage and how well it fits.
pub(crate) struct Found<'a> {
    pub(crate) passage: &'a Passage,
    pub(crate) confidence: f32,
    score: f32,
}

/// What is indexed, and how much a match counts in the ranking.
#[derive(Clone, Copy)]
struct Fields {
    /// Title, keywords, headings and text: all that the passage can be found by.
    all: Field,
    /// What the article is about: title and keywords.
    title: Field,
    /// What the passage is about: its headings; of the first passage, which has none, the title.
    heading: Field,
    /// Title and keywords once more, of the first passage only: it says the essential, so it goes before the others
    /// when a question asks for no more than the article's subject.
    lead: Field,
    /// What the passage says.
    text: Field,
}

impl Fields {
    /// The heading tells one passage of an article from the others, so it counts most; words from anywhere must only
    /// make the passage a candidate.
    fn boosts(self) -> [(Field, f32); 5] {
        [(self.all, 0.1), (self.title, 1.0), (self.heading, 2.0), (self.lead, 0.5), (self.text, 1.0)]
    }
}

impl Found<'_> {
    /// Orders by confidence, then by BM25.
    pub(crate) fn best_first(&self, other: &Self) -> Ordering {
        other.confidence.total_cmp(&self.confidence).then(other.score.total_cmp(&self.score))
    }
}

impl Shelf {
    /// Indexes the passages of `articles`, all of which are in `language`.
    pub(crate) fn build(language: Language, articles: Vec<Article>) -> tantivy::Result<Self> {
        let mut schema = Schema::builder();
        let mut field = |name, by_length| {
            let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::WithFreqs);
            schema.add_text_field(
                name,
                TextOptions::default().set_indexing_options(indexing.set_fieldnorms(by_length)),
            )
        };
        // A long list of keywords must not make each of them count less.
        let fields = Fields {
            all: field("all", true),
            title: field("title", false),
            heading: field("heading", true),
            lead: field("lead", false),
            text: field("text", true),
        };
        // One segment, no threads, never changed: the number of a document is the place of its passage.
        let mut writer = Index::builder()
            .schema(schema.build())
            .single_segment_index_writer(RamDirectory::default(), WRITER_BYTES)?;
        let mut passages = Vec::new();
        for article in articles {
            for passage in article.passages {
                writer.add_document(document(fields, &article.keywords, &passage))?;
                passages.push(passage);
            }
        }
        let index = writer.finalize()?;
        let reader: IndexReader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let scale = Scale::new(passages.len());
        Ok(Self { language, passages, searcher: reader.searcher(), fields, scale })
    }

    /// The language of all passages.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// How many passages there are.
    pub(crate) fn len(&self) -> usize {
        self.passages.len()
    }

    /// The passages that speak about some of the question, in their own order. A passage that answers one sentence well fits
    /// as well as one that answers all: customers greet and tell their story before they ask.
    pub(crate) fn find(&self, question: &str) -> Vec<Found<'_>> {
        let mut asked = words::sentences(question);
        if asked.len() > 1 {
            asked.push(question);
        }
        let mut best: BTreeMap<usize, Found<'_>> = BTreeMap::new();
        for text in asked {
            match self.find_words(&words::words(text, self.language)) {
                Ok(found) => {
                    for (number, found) in found {
                        let known = best.get(&number);
                        if known.is_none_or(|known| found.best_first(known) == Ordering::Less) {
                            best.insert(number, found);
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "knowledge search failed");
                }
            }
        }
        best.into_values().collect()
    }

    fn find_words(&self, words: &[Word]) -> tantivy::Result<Vec<(usize, Found<'_>)>> {
        let words: BTreeSet<&Word> = words.iter().collect();
        let mut known = BTreeMap::new();
        for word in &words {
            for text in word.parts.iter().map(|part| part.text.as_str()).chain([word.text.as_str()]) {
                let containing = self.searcher.doc_freq(&Term::from_field_text(self.fields.all, text))?;
                if containing > 0 {
                    known.insert(text, Known { weight: self.scale.weight(containing), ..Known::default() });
                }
            }
        }
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let best = TopDocs::with_limit(CANDIDATES).order_by_score();
        let mut candidates = self.searcher.search(&self.query(known.keys().copied()), &best)?;
        candidates.sort_by_key(|(_, address)| address.doc_id);
        for (text, known) in &mut known {
            known.anywhere = self.having(self.fields.all, text, &candidates)?;
            known.in_title = self.having(self.fields.title, text, &candidates)?;
        }
        let found = candidates.into_iter().filter_map(|(score, address)| {
            let number = usize::try_from(address.doc_id).ok()?;
            let passage = self.passages.get(number)?;
            Some((
                number,
                Found { passage, confidence: self.confidence(&words, &known, address.doc_id), score },
            ))
        });
        Ok(found.collect())
    }

    fn query<'t>(&self, texts: impl Iterator<Item = &'t str>) -> BooleanQuery {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for text in texts {
            for (field, boost) in self.fields.boosts() {
                let term = TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs);
                clauses.push((Occur::Should, Box::new(BoostQuery::new(Box::new(term), boost))));
            }
        }
        BooleanQuery::new(clauses)
    }

    /// Those of the candidates (which are in the order of their numbers) that have the word in the field.
    fn having(
        &self,
        field: Field,
        text: &str,
        candidates: &[(f32, DocAddress)],
    ) -> tantivy::Result<BTreeSet<DocId>> {
        let index = self.searcher.segment_reader(0).inverted_index(field)?;
        let mut having = BTreeSet::new();
        let term = Term::from_field_text(field, text);
        if let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? {
            for (_, address) in candidates {
                if postings.doc() < address.doc_id {
                    postings.seek(address.doc_id);
                }
                if postings.doc() == address.doc_id {
                    having.insert(address.doc_id);
                }
            }
        }
        Ok(having)
    }

    fn confidence(&self, words: &BTreeSet<&Word>, known: &BTreeMap<&str, Known>, candidate: DocId) -> f32 {
        let mut sum = Evidence::default();
        for word in words {
            let whole = known.get(word.text.as_str());
            if whole.is_none() && word.is_reference() {
                continue;
            }
            let weight = whole.map_or_else(|| self.scale.weight(0), |known| known.weight);
            if let Some(known) = whole.filter(|known| known.anywhere.contains(&candidate)) {
                sum.add(weight, 1.0, known.in_title.contains(&candidate));
                continue;
            }
            let mut characters = vec![0.0_f32; word.length()];
            for part in &word.parts {
                if let Some(known) =
                    known.get(part.text.as_str()).filter(|known| known.anywhere.contains(&candidate))
                {
                    for character in &mut characters[part.start..part.start + part.length] {
                        *character = character.max(known.weight);
                    }
                }
            }
            sum.add(weight, self.scale.share(&characters), false);
        }
        self.scale.confidence(sum)
    }
}

/// A word of the question that some passages have.
#[derive(Default)]
struct Known {
    weight: f32,
    /// The candidates that have it.
    anywhere: BTreeSet<DocId>,
    /// The candidates of whose title or keywords it is.
    in_title: BTreeSet<DocId>,
}

fn document(fields: Fields, keywords: &str, passage: &Passage) -> TantivyDocument {
    let index = |text: &str| tokens(text, passage.language);
    let title = format!("{}\n{keywords}", passage.title);
    let mut document = TantivyDocument::new();
    let heading = if passage.heading.is_empty() {
        document.add_pre_tokenized_text(fields.lead, index(&title));
        &passage.title
    } else {
        &passage.heading
    };
    document.add_pre_tokenized_text(fields.title, index(&title));
    document.add_pre_tokenized_text(fields.heading, index(heading));
    document.add_pre_tokenized_text(fields.text, index(&passage.text));
    document.add_pre_tokenized_text(
        fields.all,
        index(&format!("{title}\n{}\n{}", passage.heading, passage.text)),
    );
    document
}

fn tokens(text: &str, language: Language) -> PreTokenizedString {
    let words = words::words(text, language);
    let texts =
        words.into_iter().flat_map(|word| word.parts.into_iter().map(|part| part.text).chain([word.text]));
    let tokens =
        texts.enumerate().map(|(position, text)| Token { position, text, ..Token::default() }).collect();
    PreTokenizedString { text: String::new(), tokens }
}
