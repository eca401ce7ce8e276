//! What can go wrong in the notifier.

use crate::webhook::address::Forbidden;
use std::time::Duration;
use switchboard_db::DbError;
use switchboard_domain::{ErrorKind, Failure, limits::PAGE_MAX};
use switchboard_mesh::{Fail, status::from_status};
use switchboard_proto::convert::WireError;
use tonic::Status;

/// When to try again while the store is away.
const STORE_RETRY: Duration = Duration::from_secs(1);

const URL: &str = "an address is an absolute https URL without user name, password and fragment";
const PRIVATE: &str = "the address is private, local or reserved; endpoints lie outside";
const KIND: &str = "a kind is 1 to 64 of a-z 0-9 . _ and may end in .* for a family; a list has at most 50";
const REDRIVE: &str =
    "only a dead delivery can be tried again, and only while its endpoint is enabled or mail is configured";
const MAIL: &str = "set notifier.mail.host and notifier.mail.recipients first";

/// What can go wrong in the notifier.
#[derive(Debug, thiserror::Error)]
pub enum NotifierError {
    /// A message cannot be read.
    #[error("a message cannot be read")]
    Wire(#[from] WireError),
    /// More things, or fewer, than one page may have.
    #[error("{limit} things were asked for, {max} are allowed")]
    Limit {
        /// How many were asked for.
        limit: u32,
        /// How many there may be.
        max: u32,
    },
    /// An endpoint's address is none.
    #[error("not an https address")]
    InvalidUrl,
    /// An endpoint's address is inside.
    #[error("a private address")]
    PrivateAddress,
    /// What cannot be the name of a kind of event.
    #[error("not a kind of event")]
    InvalidEventKind {
        /// What was given.
        kind: String,
    },
    /// A description that is too long.
    #[error("a description of {length} characters")]
    DescriptionTooLong {
        /// How long it is, in characters.
        length: usize,
        /// How long it may be.
        max: usize,
    },
    /// There is no such delivery.
    #[error("no such delivery")]
    UnknownDelivery,
    /// What has arrived cannot be given up.
    #[error("the delivery is done")]
    DeliveryDone,
    /// Only what was given up can be tried again, and only where somebody is called.
    #[error("the delivery cannot be redriven")]
    NotRedrivable,
    /// There is no such endpoint.
    #[error("no such endpoint")]
    UnknownEndpoint,
    /// Nobody calls it.
    #[error("the endpoint is disabled")]
    EndpointDisabled,
    /// There are enough.
    #[error("there are {max} endpoints")]
    TooManyEndpoints {
        /// How many there may be.
        max: u32,
    },
    /// There is no mail server, or nobody to write to.
    #[error("mail is not configured")]
    MailNotConfigured,
    /// The session service does not answer, or refuses.
    #[error("the session service did not do what it was asked")]
    Session(#[source] Failure),
    /// The store cannot be reached, or refused.
    #[error("the store failed")]
    Db(#[from] DbError),
}

impl NotifierError {
    /// How this failure looks from outside.
    pub fn kind(&self) -> ErrorKind {
        self.failure().kind
    }

    /// A limit that is not one of a page.
    pub(crate) fn page(limit: u32) -> Self {
        Self::Limit { limit, max: u32::try_from(PAGE_MAX).unwrap_or(u32::MAX) }
    }
}

impl From<Status> for NotifierError {
    fn from(status: Status) -> Self {
        Self::Session(from_status(&status))
    }
}

impl From<Forbidden> for NotifierError {
    fn from(forbidden: Forbidden) -> Self {
        match forbidden {
            Forbidden::Malformed => Self::InvalidUrl,
            Forbidden::Private => Self::PrivateAddress,
        }
    }
}

impl Fail for NotifierError {
    fn failure(&self) -> Failure {
        let invalid = |code, told: &str| Failure::new(ErrorKind::Invalid, code, told);
        let unknown = |code, told: &str| Failure::new(ErrorKind::NotFound, code, told);
        let conflict = |code, told: &str| Failure::new(ErrorKind::Conflict, code, told);
        match self {
            Self::Wire(error) => (*error).into(),
            Self::Limit { max, .. } => {
                invalid("INVALID_LIMIT", &format!("limit is 1 to {max}")).with("max", max)
            }
            Self::InvalidUrl => invalid("INVALID_URL", URL),
            Self::PrivateAddress => invalid("PRIVATE_ADDRESS", PRIVATE),
            Self::InvalidEventKind { kind } => invalid("INVALID_EVENT_KIND", KIND).with("kind", kind),
            Self::DescriptionTooLong { length, max } => {
                let told = format!("the description has {length} characters, {max} are allowed");
                invalid("DESCRIPTION_TOO_LONG", &told).with("max_length", max).with("actual_length", length)
            }
            Self::UnknownDelivery => unknown("UNKNOWN_DELIVERY", "there is no such delivery"),
            Self::UnknownEndpoint => unknown("UNKNOWN_ENDPOINT", "there is no such endpoint"),
            Self::DeliveryDone => conflict("DELIVERY_DONE", "the delivery has arrived already"),
            Self::NotRedrivable => conflict("NOT_REDRIVABLE", REDRIVE),
            Self::EndpointDisabled => {
                conflict("ENDPOINT_DISABLED", "the endpoint is disabled, enable it first")
            }
            Self::TooManyEndpoints { max } => {
                let told = "there are as many endpoints as are allowed";
                conflict("TOO_MANY_ENDPOINTS", told).with("max", max)
            }
            Self::MailNotConfigured => conflict("MAIL_NOT_CONFIGURED", MAIL),
            Self::Session(failure) => failure.clone(),
            Self::Db(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
                let told = "the notifier's store cannot be reached right now, try again";
                Failure::new(ErrorKind::Unavailable, "STORE_UNAVAILABLE", told).retry_after(STORE_RETRY)
            }
            Self::Db(_) => Failure::internal(),
        }
    }
}
