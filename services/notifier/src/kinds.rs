//! Which events an endpoint wants.

use serde::{Deserialize, Serialize};

/// Longest name of a kind, in bytes.
pub(crate) const KIND_MAX: usize = 64;
/// Most kinds in one filter.
const KINDS_MAX: usize = 50;

/// Whether a text can be the name of a kind. Which kinds there are is the business of those who make them.
pub(crate) fn is_kind(text: &str) -> bool {
    let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_');
    !text.is_empty() && text.len() <= KIND_MAX && text.bytes().all(named)
}

/// Kinds, or families of them (`session.*`); none means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Kinds(Vec<String>);

impl Kinds {
    /// Checks a list; answers the first that is wrong.
    pub(crate) fn parse(list: Vec<String>) -> Result<Self, String> {
        if let Some(extra) = list.get(KINDS_MAX) {
            return Err(extra.clone());
        }
        let wrong = |text: &&String| !is_kind(text.strip_suffix(".*").unwrap_or(text));
        match list.iter().find(wrong) {
            Some(text) => Err(text.chars().take(KIND_MAX).collect()),
            None => Ok(Self(list)),
        }
    }

    /// A filter that nothing passes.
    pub(crate) fn nothing() -> Self {
        Self(vec![String::new()])
    }

    /// Whether `kind` is wanted.
    pub(crate) fn want(&self, kind: &str) -> bool {
        let fits = |wanted: &String| match wanted.strip_suffix('*') {
            Some(family) => kind.starts_with(family),
            None => wanted == kind,
        };
        self.0.is_empty() || self.0.iter().any(fits)
    }

    /// The list.
    pub(crate) fn into_list(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(list: &[&str]) -> Result<Kinds, String> {
        Kinds::parse(list.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn filters() {
        let table: [(&[&str], &str, bool); 6] = [
            (&[], "anything.at_all", true),
            (&["session.closed"], "session.closed", true),
            (&["session.closed"], "session.closed_twice", false),
            (&["session.*"], "session.closed", true),
            (&["session.*"], "sessions", false),
            (&["ticket.*", "session.closed"], "session.customer_waits", false),
        ];
        for (list, kind, wanted) in table {
            assert_eq!(kinds(list).unwrap().want(kind), wanted, "{list:?} {kind}");
        }
    }

    #[test]
    fn what_cannot_be_a_kind_is_refused() {
        for bad in ["", "*", "Session.closed", "session.*.closed", "a b", "会话"] {
            assert_eq!(kinds(&["session.closed", bad]), Err(bad.to_owned()));
        }
        assert!(kinds(&["x".repeat(65).as_str()]).is_err());
        assert!(Kinds::parse(vec!["a".into(); 51]).is_err());
    }
}
