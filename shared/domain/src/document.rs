//! Documents that people write: working hours, regulation rules. YAML, of which JSON is a part; read with positions, so
//! that an error names the line to look at. Bounded: a document is small, its aliases cannot multiply it.

use serde::{Deserialize, de::DeserializeOwned};
use serde_saphyr::{Options, Spanned, options::DuplicateKeyPolicy};

/// Longest document that is read, in bytes.
pub const DOCUMENT_MAX_BYTES: usize = 256 * 1024;
/// Most values (lists, maps and scalars) of a document, those that aliases repeat included.
const NODES_MAX: usize = 50_000;
/// Most aliases of a document.
const ALIASES_MAX: usize = 1_000;
/// Deepest nesting of lists and maps.
const DEPTH_MAX: usize = 32;

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct DocumentError {
    /// The line, from 1; 0 when the document as a whole is meant.
    pub line: u32,
    /// The column in characters, from 1; 0 when the line or the document as a whole is meant.
    pub column: u32,
    /// Why, as one clause.
    pub reason: String,
}

impl DocumentError {
    /// An error of the document as a whole.
    pub fn whole(reason: impl Into<String>) -> Self {
        Self { line: 0, column: 0, reason: reason.into() }
    }

    /// An error at a value of the document.
    pub fn at<T>(located: &Located<T>, reason: impl Into<String>) -> Self {
        Self { line: located.line, column: located.column, reason: reason.into() }
    }
}

/// A value of a document together with where it stands: for checks that only make sense after reading. As a field of a
/// struct, an element of a list or a key or value of a map; inside `flatten` and untagged enums the place is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its line, from 1; 0 when unknown.
    pub line: u32,
    /// Its column in characters, from 1; 0 when unknown.
    pub column: u32,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { value, line: number(referenced.line()), column: number(referenced.column()) })
    }
}

/// Reads one document.
///
/// # Errors
/// [`DocumentError`] when it is no YAML, not of the shape of `T`, names a key twice, or is larger than the bounds.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    if text.len() > DOCUMENT_MAX_BYTES {
        return Err(DocumentError::whole(format!(
            "the document has {} bytes, at most {DOCUMENT_MAX_BYTES} are read",
            text.len()
        )));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| located(&error))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_recorded_anchor_events: NODES_MAX,
            max_depth: DEPTH_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: NODES_MAX },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn located(error: &serde_saphyr::Error) -> DocumentError {
    let place = error.location();
    let (line, column) = place.map_or((0, 0), |place| (number(place.line()), number(place.column())));
    DocumentError { line, column, reason: reason(error) }
}

/// The parser's words without the place, which stands beside them, and without advice to programmers.
fn reason(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    const TOO_MUCH: &str = "the document is larger or deeper than is read";
    if let Error::DuplicateMappingKey { key, .. } = error {
        return key.as_ref().map_or("a key stands twice".into(), |key| format!("the key {key} stands twice"));
    }
    let text = format!("{error}");
    // Inside an alias the limit arrives wrapped.
    if text.contains("budget breached") || text.contains("alias replay limit") {
        return TOO_MUCH.into();
    }
    let words = text.split(" at line ").next().unwrap_or_default();
    words.lines().next().unwrap_or_default().trim().to_owned()
}

fn number(position: u64) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        name: String,
        #[serde(default)]
        counts: BTreeMap<String, u32>,
    }

    fn error(text: &str) -> DocumentError {
        parse::<Shape>(text).expect_err("an error")
    }

    #[test]
    fn yaml_and_json_are_read() {
        let expected = Shape { name: "a".into(), counts: BTreeMap::from([("x".into(), 1)]) };
        assert_eq!(parse::<Shape>("name: a\ncounts: {x: 1}\n"), Ok(expected));
        assert_eq!(parse::<Shape>(r#"{"name":"b"}"#).expect("JSON").name, "b");
    }

    #[test]
    fn an_error_names_the_line() {
        for (text, line, reason) in [
            ("name: a\ncounts:\n  x: many\n", 3, "u32"),
            ("name: a\nnames: b\n", 2, "names"),
            ("name: a\nname: b\n", 2, "the key name stands twice"),
            ("name: a\ncounts: [\n", 2, "mapping"),
            ("name: 'a\n", 1, "quote"),
            ("name: a\n---\nname: b\n", 2, ""),
            ("counts: {}\n", 1, "missing field `name`"),
            ("", 1, ""),
        ] {
            let error = error(text);
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.reason.contains(reason), "{text:?}: {error}");
            assert!(!error.reason.is_empty() && !error.reason.contains(" at line "), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_value_knows_its_place() {
        #[derive(Debug, Deserialize)]
        struct Places {
            of: BTreeMap<Located<String>, Vec<Located<u32>>>,
        }
        let places: Places = parse("of:\n  a:\n    - 1\n    - 22\n").expect("a document");
        let (key, values) = places.of.first_key_value().expect("a key");
        assert_eq!((key.value.as_str(), key.line, key.column), ("a", 2, 3));
        assert_eq!(
            values.iter().map(|value| (value.value, value.line)).collect::<Vec<_>>(),
            [(1, 3), (22, 4)]
        );
        assert_eq!(DocumentError::at(&values[1], "too many").to_string(), "line 4, column 7: too many");
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(error(&format!("name: {}", "a".repeat(DOCUMENT_MAX_BYTES))).reason.contains("bytes"));
        let deep = format!("name: {}{}", "[".repeat(2_000), "]".repeat(2_000));
        assert!(!error(&deep).reason.is_empty());
        let many = format!("[{}]", "1,".repeat(60_000));
        assert!(parse::<Vec<u32>>(&many).expect_err("too many").reason.contains("larger"));
    }

    #[test]
    fn aliases_do_not_multiply() {
        #[derive(Debug, Deserialize)]
        struct Bomb(#[expect(dead_code, reason = "only read")] Vec<Bomb>);
        let mut text = "&a0 [[],[],[],[],[],[],[],[],[]]".to_owned();
        for level in 1..8 {
            let alias = format!("*a{}", level - 1);
            text = format!("&a{level} [{text},{}]", [alias.as_str(); 8].join(","));
        }
        assert_eq!(
            parse::<Bomb>(&text).expect_err("a bomb").reason,
            "the document is larger or deeper than is read"
        );
    }
}
