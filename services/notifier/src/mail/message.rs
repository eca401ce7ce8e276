//! A mail as it is sent.

use super::{clean, text::Words};
use lettre::{
    Message,
    message::{
        Mailbox, Mailboxes, MessageBuilder, MultiPart,
        header::{Header, HeaderName, HeaderValue, To},
    },
};
use sha2::{Digest as _, Sha256};
use std::{
    error::Error,
    fmt::Write as _,
    time::{Duration, UNIX_EPOCH},
};
use switchboard_domain::Timestamp;

/// Longest name of a mailbox, in characters.
const NAME_MAX: usize = 100;

/// Who writes to whom, when, about what.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) from: Mailbox,
    pub(crate) to: Mailboxes,
    pub(crate) reply_to: Option<Mailbox>,
    /// The same in every attempt.
    pub(crate) message_id: String,
    /// Empty for tests.
    pub(crate) session: String,
    pub(crate) date: Timestamp,
    pub(crate) words: Words,
}

/// `Auto-Submitted: auto-generated`: no out-of-office note answers it.
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Letter {
    /// Puts it together.
    ///
    /// # Errors
    /// [`lettre::error::Error`] when nobody is written to.
    pub(crate) fn build(self) -> Result<Message, lettre::error::Error> {
        let ms = u64::try_from(self.date.millis()).unwrap_or(0);
        let mut builder = MessageBuilder::new()
            .from(tidy(self.from.clone()))
            .mailbox(To::from(self.to.into_iter().map(tidy).collect::<Mailboxes>()))
            .date(UNIX_EPOCH + Duration::from_millis(ms))
            .message_id(Some(self.message_id))
            .subject(self.words.subject)
            .header(AutoSubmitted);
        if let Some(reply_to) = self.reply_to {
            builder = builder.reply_to(tidy(reply_to));
        }
        if !self.session.is_empty() {
            let root = thread(&self.session, self.from.email.domain());
            builder = builder.in_reply_to(root.clone()).references(root);
        }
        builder.multipart(MultiPart::alternative_plain_html(self.words.text, self.words.html))
    }
}

/// A name that ends no line: the library panics at one that would.
fn tidy(mailbox: Mailbox) -> Mailbox {
    Mailbox { name: mailbox.name.map(|name| clean::line(&name, NAME_MAX)), ..mailbox }
}

/// The message that all mails of a session answer, so that readers show them together. It was never sent.
fn thread(session: &str, host: &str) -> String {
    let digest = Sha256::digest(session.as_bytes());
    let mut text = String::from("<session.");
    for byte in &digest[..16] {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    let _ = write!(text, "@{host}>");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            from: Mailbox::new(Some("Larkway客服系统".into()), "bot@larkway.example".parse().unwrap()),
            to: "A <a@larkway.example>, b@larkway.example".parse().unwrap(),
            reply_to: None,
            message_id: "<dlv_1@larkway.example>".into(),
            session: "alice".into(),
            date: Timestamp::from_millis(1_700_000_000_000),
            words: Words {
                subject: "[Larkway客服] 人工接管请求 - alice".into(),
                text: "文本".into(),
                html: "<p>文本</p>".into(),
            },
        }
    }

    fn sent(letter: Letter) -> String {
        String::from_utf8(letter.build().unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_mail_has_what_mail_servers_and_readers_want() {
        let text = sent(letter());
        for line in [
            "\r\nTo: A <a@larkway.example>, b@larkway.example\r\n",
            "\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "\r\nMessage-ID: <dlv_1@larkway.example>\r\n",
            "\r\nAuto-Submitted: auto-generated\r\n",
            "\r\nReferences: <session.",
            "\r\nIn-Reply-To: <session.",
            "multipart/alternative",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: text/html; charset=utf-8",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert!(text.lines().all(|line| line.is_ascii() && line.len() < 998), "{text}");
    }

    #[test]
    fn mails_of_a_session_belong_together() {
        let references = |session: &str| {
            let text = sent(Letter { session: session.into(), ..letter() });
            text.lines().find(|line| line.starts_with("References:")).unwrap().to_owned()
        };
        assert_eq!(references("alice"), references("alice"));
        assert_ne!(references("alice"), references("bob"));
        assert!(!sent(Letter { session: String::new(), ..letter() }).contains("References"));
    }

    #[test]
    fn names_cannot_add_headers() {
        let reply_to =
            Mailbox::new(Some("x\r\nBcc: evil@example.com".into()), "x@example.com".parse().unwrap());
        let words = Words { subject: "a\r\nBcc: evil@example.com".into(), ..letter().words };
        let text = sent(Letter { reply_to: Some(reply_to), words, ..letter() });
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    }
}
