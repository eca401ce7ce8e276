//! Every kind of id, in one place: a readable prefix, a time-ordered UUID (version 7) behind it, and a type of its own,
//! so that a turn cannot be passed where a message is meant. Alphabetical; entries are added, never changed.

use crate::{Clock, Rng};
use std::{fmt, str::FromStr};

/// Why a text is no id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected `{prefix}_` followed by 32 hexadecimal digits")]
pub struct IdError {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// What the id's text form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes a new id: 48 bits of time, 74 bits of chance.
            pub fn mint(clock: &dyn Clock, rng: &dyn Rng) -> Self {
                let mut chance = [0_u8; 10];
                rng.fill(&mut chance);
                let ms = u64::try_from(clock.now().millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(ms, &chance).into_uuid())
            }

            /// Reads the text form; refuses a foreign prefix.
            ///
            /// # Errors
            /// [`IdError`] when prefix or digits are wrong.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|hex| hex.len() == 32)
                    .and_then(|hex| uuid::Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or(IdError { prefix: $prefix })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

typed_ids! {
    /// An agent's account.
    AgentId "agt";
    /// A key of a program that acts for an account.
    ApiKeyId "key";
    /// One colleague's question to another about a session.
    AssistId "ast";
    /// One thing to be sent to one place.
    DeliveryId "dlv";
    /// One event of the outbox: the same id in every retry, so receivers can tell repeats.
    EventId "evt";
    /// One login of an agent on one device: the family of its refresh tokens.
    LoginId "lgn";
    /// One message of a session.
    MessageId "msg";
    /// An internal note on a session.
    NoteId "nte";
    /// A session offered to an agent: by assignment or by a colleague who hands it over.
    OfferId "ofr";
    /// A quick reply.
    ReplyId "rpl";
    /// One request as it entered at the edge; stands in every log line of it.
    RequestId "req";
    /// A tag.
    TagId "tag";
    /// One turn: from a customer's message to a recorded answer.
    TurnId "trn";
    /// A webhook endpoint.
    WebhookId "whk";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_prefix_is_refused() {
        let text = "msg_0192f0c1a2b37c4d8e5f60718293a4b5";
        assert_eq!(MessageId::parse(text).unwrap().to_string(), text);
        assert_eq!(TurnId::parse(text), Err(IdError { prefix: "trn" }));
        assert!(MessageId::parse("msg_0192f0c1-a2b3-7c4d-8e5f-60718293a4b5").is_err());
        assert!(MessageId::parse("msg_").is_err());
    }
}
