//! An article: front matter, title and passages.

use crate::{KnowledgeError, markdown, markdown::Section};
use std::collections::BTreeMap;
use switchboard_domain::Language;

/// One Markdown file.
pub(crate) struct Article {
    pub(crate) language: Language,
    /// Words that lead to the article without standing in it.
    pub(crate) keywords: String,
    pub(crate) passages: Vec<Passage>,
}

/// What stands below one heading. The fields are those of [`crate::Hit`].
pub(crate) struct Passage {
    pub(crate) article_id: String,
    pub(crate) title: String,
    pub(crate) heading: String,
    pub(crate) anchor: String,
    pub(crate) url: Option<String>,
    pub(crate) text: String,
    pub(crate) markdown: String,
    pub(crate) language: Language,
}

#[derive(Default)]
struct FrontMatter {
    title: Option<String>,
    language: Option<Language>,
    url: Option<String>,
    keywords: String,
}

impl Article {
    /// Parses an article; headings without text below them make no passage.
    pub(crate) fn parse(id: String, source: &str) -> Result<Self, KnowledgeError> {
        let source = source.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let (front, body) = match front_matter(&source) {
            Ok(parsed) => parsed,
            Err(problem) => return Err(KnowledgeError::FrontMatter { article: id, problem }),
        };
        let (first_heading, sections) = markdown::sections(body);
        let file_name = id.rsplit('/').next().unwrap_or(&id).to_owned();
        let title = front.title.or(first_heading).unwrap_or(file_name);
        let language = front
            .language
            .or_else(|| Language::detect(&title))
            .or_else(|| Language::detect(body))
            .unwrap_or_default();
        let mut anchors = BTreeMap::new();
        let passages = sections
            .into_iter()
            .map(|Section { path, text, markdown }| {
                let anchor = path.last().map(|last| unique(slug(last), &mut anchors)).unwrap_or_default();
                Passage {
                    article_id: id.clone(),
                    title: title.clone(),
                    heading: path.join(" › "),
                    url: front.url.as_deref().map(|url| with_anchor(url, &anchor)),
                    anchor,
                    text,
                    markdown,
                    language,
                }
            })
            .collect();
        Ok(Self { language, keywords: front.keywords, passages })
    }
}

/// Parses the `key: value` lines between two lines of `---` at the start, if there are any, and returns the rest.
fn front_matter(source: &str) -> Result<(FrontMatter, &str), &'static str> {
    let mut front = FrontMatter::default();
    let Some(rest) = source.strip_prefix("---\n") else { return Ok((front, source)) };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "---" {
            return Ok((front, &rest[at..]));
        }
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        match key.trim() {
            "title" if !value.is_empty() => front.title = Some(value.to_owned()),
            "url" if !value.is_empty() => front.url = Some(value.to_owned()),
            "keywords" => value.clone_into(&mut front.keywords),
            "lang" => front.language = Some(Language::from_tag(value).ok_or("lang is neither zh nor en")?),
            _ => {}
        }
    }
    Err("the closing line of --- is missing")
}

/// The heading as a URL fragment: lower-case, letters and digits, everything else becomes one dash.
fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// Makes the second `slug` of an article `slug-1`, the third `slug-2`.
fn unique(slug: String, seen: &mut BTreeMap<String, usize>) -> String {
    let before = seen.entry(slug.clone()).or_insert(0);
    let unique = if *before == 0 { slug } else { format!("{slug}-{before}") };
    *before += 1;
    unique
}

fn with_anchor(url: &str, anchor: &str) -> String {
    if anchor.is_empty() || url.contains('#') { url.to_owned() } else { format!("{url}#{anchor}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_headings_and_anchors() {
        let source = "\u{feff}---\r\ntitle: \"Brakes: all\"\r\nurl: https://x.example/b\r\ntags: a\r\nkeywords: stop\r\n---\r\n\
            # Ignored\r\n\r\nIntro.\r\n\r\n## Pads\r\n\r\nChange *them*.\r\n\r\n### Rear & front\r\n\r\n- one\r\n- two\r\n\r\n## Empty\r\n\r\n## Pads\r\n\r\nAgain.\r\n";
        let article = Article::parse("en/brakes".into(), source).unwrap();
        assert_eq!((article.language, article.keywords.as_str()), (Language::En, "stop"));
        let seen: Vec<_> = article
            .passages
            .iter()
            .map(|p| (p.heading.as_str(), p.anchor.as_str(), p.text.as_str(), p.markdown.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("", "", "Intro.", "Intro."),
                ("Pads", "pads", "Change them.", "Change *them*."),
                ("Pads › Rear & front", "rear-front", "- one\n- two", "- one\n- two"),
                ("Pads", "pads-1", "Again.", "Again."),
            ]
        );
        assert_eq!(article.passages[0].title, "Brakes: all");
        assert_eq!(article.passages[0].url.as_deref(), Some("https://x.example/b"));
        assert_eq!(article.passages[3].url.as_deref(), Some("https://x.example/b#pads-1"));
    }

    #[test]
    fn what_front_matter_does_not_say_is_derived() {
        let title = |id: &str, source| {
            let article = Article::parse(id.to_owned(), source).unwrap();
            (article.passages[0].title.clone(), article.passages[0].heading.clone(), article.language)
        };
        let owned = |title: &str, heading: &str, language| (title.to_owned(), heading.to_owned(), language);
        assert_eq!(title("a/b", "# 保修 warranty\n两年"), owned("保修 warranty", "", Language::Zh));
        assert_eq!(title("a/b", "## Part\ntext"), owned("Part", "Part", Language::En));
        assert_eq!(title("a/b", "only text"), owned("b", "", Language::En));
    }

    #[test]
    fn broken_front_matter_is_told() {
        for (source, told) in
            [("---\ntitle: x\n", "closing line"), ("---\nlang: tlh\n---\nx", "neither zh nor en")]
        {
            let error = Article::parse("a".into(), source).err().unwrap().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
