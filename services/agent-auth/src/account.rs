//! Accounts of people who work for the shop.

use secrecy::SecretString;
use switchboard_domain::{AgentId, Timestamp};
use unicode_normalization::UnicodeNormalization as _;

/// Longest username, in characters.
const USERNAME_MAX: usize = 64;

/// The name under which somebody signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Username(String);

impl Username {
    /// What [`Self::parse`] asks for.
    pub(crate) const RULE: &'static str = "1 to 64 letters, digits or . _ - @ +";

    /// Trims and checks a name; `None` when it breaks [`Self::RULE`].
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: String = text.trim().nfc().collect();
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
        let fits = !text.is_empty() && text.chars().count() <= USERNAME_MAX;
        (fits && text.chars().all(allowed)).then_some(Self(text))
    }

    /// The name as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are compared: who looks the same is the same.
    pub(crate) fn key(&self) -> String {
        self.0.nfkc().flat_map(char::to_lowercase).nfkc().collect()
    }
}

/// An admin about to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewAdmin {
    pub(crate) id: AgentId,
    pub(crate) username: Username,
    /// PHC string.
    pub(crate) password_hash: SecretString,
    /// Whether nothing else may be done before the password was changed.
    pub(crate) must_change_password: bool,
    pub(crate) created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_checked_and_folded() {
        for (text, written, key) in [
            (" Admin ", "Admin", "admin"),
            ("ＡＤＭＩＮ", "ＡＤＭＩＮ", "admin"),
            ("anna.müller@shop-1.example", "anna.müller@shop-1.example", "anna.müller@shop-1.example"),
            ("Mu\u{308}ller", "Müller", "müller"),
            ("客服01", "客服01", "客服01"),
        ] {
            let name = Username::parse(text).unwrap();
            assert_eq!((name.as_str(), name.key().as_str()), (written, key));
        }
        for bad in ["", "  ", "a b", "a\nb", "root\u{0}", "<b>", "x".repeat(65).as_str()] {
            assert_eq!(Username::parse(bad), None, "{bad:?}");
        }
    }
}
