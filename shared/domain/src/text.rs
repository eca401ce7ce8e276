//! Texts that come from outside, parsed once at the edge and never checked again.

use crate::{
    ErrorKind, Failure,
    limits::{CLIENT_KEY_MAX, CLIENT_KEY_STRONG, SESSION_NAME_MAX},
};
use std::{fmt, sync::Arc};
use unicode_normalization::UnicodeNormalization as _;

/// The name of a session: the customer's side of the key under which everything is kept. 1-128 of `[A-Za-z0-9._:-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName(Arc<str>);

impl SessionName {
    /// Parses a name.
    ///
    /// # Errors
    /// `INVALID_SESSION_NAME` when it is empty, too long or has another character.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        if text.is_empty() || text.len() > SESSION_NAME_MAX || !text.bytes().all(allowed) {
            return Err(Failure::new(
                ErrorKind::Invalid,
                "INVALID_SESSION_NAME",
                format!("a session name is 1 to {SESSION_NAME_MAX} of the characters A-Z a-z 0-9 . _ : -"),
            )
            .with("max_length", SESSION_NAME_MAX));
        }
        Ok(Self(text.into()))
    }

    /// Makes a name that cannot be guessed: 128 random bits.
    pub fn mint(rng: &dyn crate::Rng) -> Self {
        use fmt::Write as _;
        let mut chance = [0_u8; 16];
        rng.fill(&mut chance);
        let mut text = String::from("user_");
        for byte in chance {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        }
        Self(text.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a customer or an agent wrote: in Unicode NFC, trimmed, not empty, not too long, without control characters
/// other than line feed and tab.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText(String);

impl MessageText {
    /// Normalises and checks a text. CR LF and CR become LF.
    ///
    /// # Errors
    /// `MESSAGE_EMPTY`, `MESSAGE_TOO_LONG` (with `max_length` and `actual_length` in characters) or
    /// `CONTROL_CHARACTER` (with the offending `code_point`).
    pub fn parse(raw: &str, max_chars: usize) -> Result<Self, Failure> {
        let text: String = raw.replace("\r\n", "\n").replace('\r', "\n").trim().nfc().collect();
        if text.is_empty() {
            return Err(Failure::new(ErrorKind::Invalid, "MESSAGE_EMPTY", "the message is empty"));
        }
        let length = text.chars().count();
        if length > max_chars {
            let told = format!("the message has {length} characters, {max_chars} are allowed");
            return Err(Failure::new(ErrorKind::Invalid, "MESSAGE_TOO_LONG", told)
                .with("max_length", max_chars)
                .with("actual_length", length));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            let told = "the message contains a control character";
            return Err(Failure::new(ErrorKind::Invalid, "CONTROL_CHARACTER", told)
                .with("code_point", format!("U+{:04X}", u32::from(bad))));
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Shows the length only: what people write does not belong in logs.
impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.0.len())
    }
}

/// The client's own id of a message or of a request: the same id means the same intent, for ever.
/// 1-128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientMessageId(String);

impl ClientMessageId {
    /// Parses an id.
    ///
    /// # Errors
    /// `INVALID_IDEMPOTENCY_KEY` when it is empty, too long or not printable ASCII.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text.is_empty() || text.len() > CLIENT_KEY_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Failure::new(
                ErrorKind::Invalid,
                "INVALID_IDEMPOTENCY_KEY",
                format!(
                    "an idempotency key is 1 to {CLIENT_KEY_MAX} printable ASCII characters without spaces"
                ),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id is long enough to serve as proof that a repeat comes from the sender of the first.
    pub fn is_strong(&self) -> bool {
        self.0.len() >= CLIENT_KEY_STRONG
    }
}

/// Makes a model's or an upstream's text safe to keep and to show as text: control characters other than line feed and
/// tab are dropped, CR LF becomes LF.
pub fn sanitize(text: &str) -> String {
    text.replace("\r\n", "\n").chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// The form in which user names are compared: who looks the same is the same, whatever is written large or small.
pub fn username_key(name: &str) -> String {
    name.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "session_1763_ab-cd.e:f", &"x".repeat(128)] {
            assert_eq!(SessionName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ü", "a/b", "a\n", &"x".repeat(129)] {
            assert_eq!(SessionName::parse(bad).unwrap_err().code, "INVALID_SESSION_NAME", "{bad:?}");
        }
    }

    #[test]
    fn message_limits_count_characters_not_bytes() {
        let max = "电".repeat(2000);
        assert_eq!(MessageText::parse(&format!("  {max}\n"), 2000).unwrap().as_str(), max);
        let failure = MessageText::parse(&"电".repeat(2001), 2000).unwrap_err();
        assert_eq!(
            (failure.code.as_ref(), failure.facts["actual_length"].as_str()),
            ("MESSAGE_TOO_LONG", "2001")
        );
    }

    #[test]
    fn message_characters() {
        assert_eq!(MessageText::parse("a\r\nb\rc\td", 10).unwrap().as_str(), "a\nb\nc\td");
        assert_eq!(MessageText::parse("e\u{301}", 10).unwrap().as_str(), "\u{e9}");
        assert_eq!(MessageText::parse(" \u{3000}\n", 10).unwrap_err().code, "MESSAGE_EMPTY");
        let failure = MessageText::parse("a\u{0}b", 10).unwrap_err();
        assert_eq!(failure.facts["code_point"], "U+0000");
    }

    #[test]
    fn model_text_loses_its_control_characters() {
        assert_eq!(sanitize("a\u{7}\r\nb\u{9b}c\t"), "a\nbc\t");
    }
}
