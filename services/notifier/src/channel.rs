//! By which way something goes out, and where to.

use std::{fmt, str::FromStr};
use switchboard_domain::WebhookId;

/// The kind of event that only tests of a channel have.
pub(crate) const TEST_KIND: &str = "notifier.test";
/// A customer asked for a human while the shop is shut.
pub(crate) const AFTER_HOURS_KIND: &str = "session.after_hours_request";

/// By which way something goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// A mail to the team.
    MailTeam,
    /// A mail to the customer.
    MailCustomer,
    /// A call of an endpoint.
    Webhook(WebhookId),
}

/// Where it goes: what shares a breaker and a number of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Destination {
    /// The mail server.
    Smtp,
    /// An endpoint.
    Endpoint(WebhookId),
}

/// A text names no channel or no destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown;

impl Channel {
    /// Where it goes.
    pub(crate) fn destination(self) -> Destination {
        match self {
            Self::MailTeam | Self::MailCustomer => Destination::Smtp,
            Self::Webhook(id) => Destination::Endpoint(id),
        }
    }

    /// Its kind, for metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::MailTeam => "mail_team",
            Self::MailCustomer => "mail_customer",
            Self::Webhook(_) => "webhook",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MailTeam | Self::MailCustomer => f.write_str(self.label()),
            Self::Webhook(id) => write!(f, "webhook:{id}"),
        }
    }
}

impl FromStr for Channel {
    type Err = Unknown;
    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text.split_once(':') {
            Some(("webhook", id)) => WebhookId::parse(id).map(Self::Webhook).map_err(|_| Unknown),
            None if text == "mail_team" => Ok(Self::MailTeam),
            None if text == "mail_customer" => Ok(Self::MailCustomer),
            Some(_) | None => Err(Unknown),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp => f.write_str("smtp"),
            Self::Endpoint(id) => id.fmt(f),
        }
    }
}

impl FromStr for Destination {
    type Err = Unknown;
    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "smtp" => Ok(Self::Smtp),
            id => WebhookId::parse(id).map(Self::Endpoint).map_err(|_| Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip() {
        for text in ["mail_team", "mail_customer", "webhook:whk_0192f0c1a2b37c4d8e5f60718293a4b5"] {
            let channel: Channel = text.parse().unwrap();
            assert_eq!(channel.to_string(), text);
            let destination = channel.destination();
            assert_eq!(destination.to_string().parse(), Ok(destination));
        }
        for bad in ["", "mail", "webhook", "webhook:evt_0192f0c1a2b37c4d8e5f60718293a4b5", "mail_team:1"] {
            assert_eq!(bad.parse::<Channel>(), Err(Unknown), "{bad}");
        }
    }
}
