//! Quick replies: texts with variables in braces, `Hello {customer_name}`.

use std::collections::BTreeMap;

/// Longest name of a variable, in characters; longer words in braces are text.
const VARIABLE_MAX: usize = 40;
/// Most variables that one reply may have.
pub const VARIABLES_MAX: usize = 50;

/// What a quick reply is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Saying hello.
    Greeting,
    /// Before a purchase.
    PreSales,
    /// After it.
    AfterSales,
    /// Where is my parcel?
    Logistics,
    /// How does it work?
    Technical,
    /// Saying good-bye.
    Closing,
    /// Anything else.
    Custom,
}

impl Category {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Greeting,
        Self::PreSales,
        Self::AfterSales,
        Self::Logistics,
        Self::Technical,
        Self::Closing,
        Self::Custom,
    ];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::PreSales => "pre_sales",
            Self::AfterSales => "after_sales",
            Self::Logistics => "logistics",
            Self::Technical => "technical",
            Self::Closing => "closing",
            Self::Custom => "custom",
        }
    }

    /// The category of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == text)
    }
}

/// The names in braces, each once, in order of first use.
pub fn variables(content: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for piece in pieces(content) {
        if let Piece::Variable(name) = piece
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    found
}

/// Puts values in for variables. What has none stays as it is written; values are not looked into again. Also answers
/// which values were used.
pub fn fill<'a>(
    content: &str,
    value: impl Fn(&str) -> Option<&'a str>,
) -> (String, BTreeMap<String, String>) {
    let mut text = String::with_capacity(content.len());
    let mut used = BTreeMap::new();
    for piece in pieces(content) {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Variable(name) => {
                if let Some(value) = value(name) {
                    text.push_str(value);
                    used.insert(name.to_owned(), value.to_owned());
                } else {
                    text.push('{');
                    text.push_str(name);
                    text.push('}');
                }
            }
        }
    }
    (text, used)
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// Cuts a text at its variables: an opening brace, a word of letters, digits and underscores, a closing brace.
fn pieces(content: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (content, 0);
    while let Some(open) = rest[from..].find('{').map(|at| from + at) {
        let after = &rest[open + 1..];
        let is_word = |name: &&str| {
            !name.is_empty()
                && name.chars().count() <= VARIABLE_MAX
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        match after.find('}').map(|close| &after[..close]).filter(is_word) {
            Some(name) => {
                pieces.push(Piece::Text(&rest[..open]));
                pieces.push(Piece::Variable(name));
                rest = &after[name.len() + 1..];
                from = 0;
            }
            None => from = open + 1,
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variables_are_words_in_braces() {
        assert_eq!(variables("Hi {name}, {order_id} and {name}"), ["name", "order_id"]);
        assert_eq!(variables("您好{客户}！"), ["客户"]);
        for none in ["", "{}", "{a b}", "{a", "a}", "{{", "{ }"] {
            assert_eq!(variables(none), Vec::<&str>::new(), "{none}");
        }
        assert_eq!(variables("{{a}}"), ["a"]);
        assert_eq!(variables("{x {a}"), ["a"]);
    }

    #[test]
    fn what_is_not_known_stays_and_values_are_not_looked_into() {
        let value = |name: &str| (name == "a").then_some("{b}");
        let (text, used) = fill("{a} {b} {a}", value);
        assert_eq!(text, "{b} {b} {b}");
        assert_eq!(used, BTreeMap::from([("a".to_owned(), "{b}".to_owned())]));
        assert_eq!(fill("{c}", value).0, "{c}");
    }

    proptest! {
        #[test]
        fn filling_in_nothing_changes_nothing(content in "[a{}_ 你]{0,40}") {
            prop_assert_eq!(fill(&content, |_| None).0, content);
        }
    }
}
