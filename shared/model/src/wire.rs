//! Pieces of vendors' JSON that both dialects share. Texts are borrowed from the buffer they were read from.

use serde::Deserialize;
use std::borrow::Cow;

/// A text; copied only when it has escapes in it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// An error code: a number at some vendors, a word or a number in quotes at others.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Code {
    Number(i64),
    Word(String),
}

impl Code {
    /// The number, if there is one that says something.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Word(word) => word.parse().ok(),
        }
        .filter(|number| *number != 0)
    }
}

/// An address below a base address; a query string of the base is kept.
pub(crate) fn address(base: &reqwest::Url, path: &[&str]) -> Option<reqwest::Url> {
    let mut address = base.clone();
    address.path_segments_mut().ok()?.pop_if_empty().extend(path);
    Some(address)
}

/// Reads a base address: absolute, with a host, HTTP or HTTPS.
pub(crate) fn base(text: &str) -> Option<reqwest::Url> {
    reqwest::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Host, and port where it is not the scheme's own.
pub(crate) fn authority(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_borrowed_where_they_can_be() {
        let plain: Option<Text<'_>> = serde_json::from_str("\"电池\"").unwrap();
        assert!(matches!(plain.unwrap().0, Cow::Borrowed("电池")));
        let escaped: Text<'_> = serde_json::from_str("\"a\\n\"").unwrap();
        assert_eq!(escaped.0, "a\n");
    }

    #[test]
    fn addresses() {
        for (text, path, expected) in [
            ("https://api.openai.com/v1/", "c", "https://api.openai.com/v1/c"),
            ("https://x.example?api-version=1", "c", "https://x.example/c?api-version=1"),
        ] {
            assert_eq!(address(&base(text).unwrap(), &[path]).unwrap().as_str(), expected);
        }
        assert_eq!(authority(&base("http://127.0.0.1:9000").unwrap()), "127.0.0.1:9000");
        for bad in ["", "api.coze.com", "ftp://x", "file:///etc/passwd"] {
            assert!(base(bad).is_none(), "{bad}");
        }
    }
}
