//! What may be logged of a provider's own words: a short piece, without our secrets and without the customer's words.

use secrecy::{ExposeSecret as _, SecretString};
use switchboard_domain::text::sanitize;

/// Longest piece of a provider's text that is logged, in characters.
const MAX_CHARS: usize = 200;

/// What must not be logged of one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hidden(Vec<SecretString>);

impl Hidden {
    /// Adds a text to be hidden; the empty one hides nothing.
    pub(crate) fn and(mut self, text: &str) -> Self {
        if !text.trim().is_empty() {
            self.0.push(text.trim().into());
        }
        self
    }

    /// The loggable piece of `text`, on one line.
    pub(crate) fn excerpt(&self, text: &str) -> String {
        let mut text = sanitize(text);
        for hidden in &self.0 {
            text = text.replace(hidden.expose_secret(), "***");
        }
        text.replace(['\n', '\t'], " ").chars().take(MAX_CHARS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_secrets_nor_customers_words_are_logged() {
        let hidden = Hidden::default().and("czs_secret").and(" my order\n").and("");
        assert_eq!(hidden.excerpt("token czs_secret bad:\nmy order\u{7}"), "token *** bad: ***");
        assert_eq!(hidden.excerpt(&"电".repeat(500)).chars().count(), 200);
        assert!(!format!("{hidden:?}").contains("czs_secret"));
    }
}
