//! The mail server, and what mails say.

use super::Problem;
use lettre::{
    Address,
    message::{Mailbox, Mailboxes},
};
use secrecy::SecretString;
use serde::Deserialize;
use std::path::PathBuf;
use switchboard_boot::config::optional;
use switchboard_domain::Language;

/// Table `[notifier.mail]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The mail server's name; empty: no mails.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// A file of further root certificates (PEM) for it.
    #[serde(deserialize_with = "optional")]
    pub root_ca_file: Option<String>,
    /// Login; empty: none.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// The sender's address; empty: the username.
    pub from_address: String,
    /// The sender's name.
    pub from_name: String,
    /// The team; empty: no mails.
    pub recipients: Vec<String>,
    /// Whether customers who left an address get a confirmation.
    pub confirm_to_customer: bool,
    /// The shop's name in subjects and texts.
    pub shop_name: String,
    /// The language of mails to the team, and to customers whose own is not known.
    pub language: Language,
    /// Where the team opens a session; `{session}` stands for its name. Empty: no link.
    pub session_url: String,
    /// How many of the last messages the team's mail shows.
    pub transcript_messages: u32,
    /// Mails on their way at the same time.
    pub concurrency: u32,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From the first byte on; port 465.
    Implicit,
    /// By STARTTLS, or nothing is sent; port 587.
    Starttls,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    /// Not at all.
    None,
}

impl Mail {
    /// The sender, if an address is set and can be read.
    pub fn sender(&self) -> Option<Mailbox> {
        let text = if self.from_address.is_empty() { &self.username } else { &self.from_address };
        Some(Mailbox::new(Some(self.from_name.clone()), text.parse().ok()?))
    }

    /// The team, if there is one.
    pub fn team(&self) -> Option<Mailboxes> {
        let boxes: Mailboxes =
            self.recipients.iter().filter_map(|text| text.trim().parse::<Mailbox>().ok()).collect();
        boxes.iter().next().is_some().then_some(boxes)
    }

    /// Whether mails can be sent: a server, a sender and somebody to send to.
    pub fn is_configured(&self) -> bool {
        !self.host.is_empty() && self.team().is_some() && self.sender().is_some()
    }

    /// The file of further root certificates.
    pub fn root_ca(&self) -> Option<PathBuf> {
        self.root_ca_file.as_ref().map(PathBuf::from)
    }

    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(wrong) = self.recipients.iter().find(|text| text.trim().parse::<Mailbox>().is_err()) {
            problems.push(("notifier.mail.recipients", format!("`{wrong}` is no mail address")));
        }
        if !self.from_address.is_empty() && self.from_address.parse::<Address>().is_err() {
            problems.push(("notifier.mail.from_address", "no mail address".to_owned()));
        }
        if !self.host.is_empty() && !self.recipients.is_empty() && self.sender().is_none() {
            let told = "needed when notifier.mail.username is no mail address";
            problems.push(("notifier.mail.from_address", told.to_owned()));
        }
        if !self.username.is_empty() && matches!(self.tls, Tls::None | Tls::Opportunistic) {
            let told = "\"implicit\" or \"starttls\" with a login, or the password could be read on the way";
            problems.push(("notifier.mail.tls", told.to_owned()));
        }
        if !self.session_url.is_empty()
            && !["https://", "http://"].iter().any(|scheme| self.session_url.starts_with(scheme))
        {
            problems.push(("notifier.mail.session_url", "begins with https:// or http://".to_owned()));
        }
        if self.concurrency == 0 {
            problems.push(("notifier.mail.concurrency", "at least 1".to_owned()));
        }
        problems
    }
}
