//! Cuts text into the words that carry its meaning, in Chinese and English, the same way for passages and questions.

mod stop;

use jieba_rs::Jieba;
use std::sync::LazyLock;
use switchboard_domain::Language;
use tantivy::tokenizer::{Language as Stemmed, RawTokenizer, Stemmer, TextAnalyzer};
use unicode_normalization::UnicodeNormalization as _;

/// The Chinese dictionary: about 0.1 s and 30 MB, once per process, and only when there is a Chinese shelf.
static DICTIONARY: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// A content word: a Chinese word, the stem of an English one, or a number or code such as `e03`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// The shorter words inside of a Chinese word of three and more characters; a customer may use either.
    pub(crate) parts: Vec<Part>,
}

/// A word inside of a word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) text: String,
    /// Where it starts in the whole word, in characters.
    pub(crate) start: usize,
    /// How many characters it has.
    pub(crate) length: usize,
}

impl Word {
    /// How many characters it has.
    pub(crate) fn length(&self) -> usize {
        self.text.chars().count()
    }

    /// Whether it is a number of the kind that names an order or a phone: it says which one, not what about.
    pub(crate) fn is_reference(&self) -> bool {
        self.text.len() >= 4 && self.text.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// The content words of `text` in their order: compatibility forms folded, lower-cased, English stemmed; without stop
/// words, single Latin letters, punctuation and symbols. `language` is that of the shelf: only Chinese ones cut Chinese,
/// for the others it stays in one piece.
pub(crate) fn words(text: &str, language: Language) -> Vec<Word> {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let mut stemmer =
        TextAnalyzer::builder(RawTokenizer::default()).filter(Stemmer::new(Stemmed::English)).build();
    let mut words = Vec::new();
    for (kind, run) in runs(&folded) {
        match kind {
            Kind::Han if language == Language::Zh => {
                let cut = DICTIONARY.cut(run, false);
                words.extend(
                    cut.iter().filter(|token| !stop::is_stop_word(token.word)).map(|token| han(token.word)),
                );
            }
            Kind::Han | Kind::Other if run.len() > 1 && !stop::is_stop_word(run) => {
                words.push(Word { text: stem(&mut stemmer, run), parts: Vec::new() });
            }
            Kind::Han | Kind::Other | Kind::Gap => {}
        }
    }
    words
}

/// The sentences of a text, as far as punctuation tells.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let ends = |c: char| matches!(c, '。' | '！' | '？' | '；' | '!' | '?' | ';' | '\n');
    let parts = text.split(ends).flat_map(|part| part.split(". "));
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Han,
    Other,
    Gap,
}

fn kind(c: char) -> Kind {
    if Language::detect(c.encode_utf8(&mut [0; 4])) == Some(Language::Zh) {
        Kind::Han
    } else if c.is_alphanumeric() {
        Kind::Other
    } else {
        Kind::Gap
    }
}

/// Cuts where the kind of character changes.
fn runs(text: &str) -> Vec<(Kind, &str)> {
    let mut runs = Vec::new();
    let mut start = 0;
    let mut open = Kind::Gap;
    for (at, c) in text.char_indices() {
        let now = kind(c);
        if now != open {
            runs.push((open, &text[start..at]));
            (start, open) = (at, now);
        }
    }
    runs.push((open, &text[start..]));
    runs
}

fn han(word: &str) -> Word {
    let at: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
    let length = at.len() - 1;
    let mut parts = Vec::new();
    for part_length in 2..length.min(4) {
        for start in 0..=length - part_length {
            let part = &word[at[start]..at[start + part_length]];
            if DICTIONARY.has_word(part) && !stop::is_stop_word(part) {
                parts.push(Part { text: part.to_owned(), start, length: part_length });
            }
        }
    }
    Word { text: word.to_owned(), parts }
}

fn stem(stemmer: &mut TextAnalyzer, word: &str) -> String {
    let mut stream = stemmer.token_stream(word);
    if stream.advance() { stream.token().text.clone() } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text, Language::Zh).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn both_languages_are_cut_into_content_words() {
        assert_eq!(texts("How long does the Battery's charging take?"), ["batteri", "charg"]);
        assert_eq!(texts("请问电池充满电要多长时间？"), ["电池", "充满", "电"]);
        assert_eq!(texts("显示屏报错Ｅ０３，３６V"), ["显示屏", "报错", "e03", "36v"]);
        for nothing in ["", "   ", "🚲🔋", "?!。", "你们可以吗", "what is it", "x"] {
            assert_eq!(texts(nothing), Vec::<String>::new(), "{nothing}");
        }
    }

    #[test]
    fn an_english_shelf_does_without_the_dictionary() {
        let found = words("The 保修期 is 2 years", Language::En);
        assert_eq!(found.into_iter().map(|word| word.text).collect::<Vec<_>>(), ["保修期", "year"]);
    }

    #[test]
    fn long_chinese_words_keep_their_parts() {
        let word = words("保修期", Language::Zh).remove(0);
        assert_eq!((word.text.as_str(), word.length()), ("保修期", 3));
        assert_eq!(word.parts, [Part { text: "保修".into(), start: 0, length: 2 }]);
    }

    #[test]
    fn sentences_end_where_punctuation_says() {
        assert_eq!(sentences("Hi! I have v1.2. Why? \n"), ["Hi", "I have v1.2", "Why"]);
        assert_eq!(sentences("你好。保修几年？谢谢"), ["你好", "保修几年", "谢谢"]);
        assert_eq!(sentences(" ?! "), Vec::<&str>::new());
    }
}
