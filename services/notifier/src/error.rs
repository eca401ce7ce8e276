//! What can go wrong in the notifier.

use std::time::Duration;
use switchboard_db::DbError;
use switchboard_domain::{ErrorKind, Failure, limits::PAGE_MAX};
use switchboard_mesh::{Fail, status::from_status};
use switchboard_proto::convert::WireError;
use tonic::Status;

/// When to try again while the store is away.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// What can go wrong in the notifier.
#[derive(Debug, thiserror::Error)]
pub enum NotifierError {
    /// A message cannot be read.
    #[error("a message cannot be read")]
    Wire(#[from] WireError),
    /// More events, or fewer, than one page may have.
    #[error("{limit} events were asked for")]
    Limit {
        /// How many were asked for.
        limit: u32,
    },
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
}

impl From<Status> for NotifierError {
    fn from(status: Status) -> Self {
        Self::Session(from_status(&status))
    }
}

impl Fail for NotifierError {
    fn failure(&self) -> Failure {
        match self {
            Self::Wire(error) => (*error).into(),
            Self::Limit { .. } => {
                let told = format!("limit is 1 to {PAGE_MAX}");
                Failure::new(ErrorKind::Invalid, "INVALID_LIMIT", told).with("max", PAGE_MAX)
            }
            Self::Session(failure) => failure.clone(),
            Self::Db(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
                let told = "the inbox cannot be read right now, try again";
                Failure::new(ErrorKind::Unavailable, "STORE_UNAVAILABLE", told).retry_after(STORE_RETRY)
            }
            Self::Db(_) => Failure::internal(),
        }
    }
}
