//! What can go wrong in the session service.

use switchboard_db::DbError;
use switchboard_domain::{ErrorKind, Failure, session::Refused};
use switchboard_mesh::Fail;
use switchboard_proto::convert::WireError;

/// What can go wrong in the session service.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The state machine refuses the event.
    #[error("the event is refused")]
    Refused(#[from] Refused),
    /// There is no such session.
    #[error("there is no such session")]
    NotFound,
    /// There is no such turn.
    #[error("there is no such turn")]
    TurnNotFound,
    /// The turn went to another worker.
    #[error("the turn went to another worker")]
    TurnLost,
    /// The session exists, and the caller has no token of it.
    #[error("the session belongs to somebody")]
    TokenRequired,
    /// The session belongs to somebody else.
    #[error("the session belongs to somebody else")]
    NotYours,
    /// The key was used for something else.
    #[error("the idempotency key was used for something else")]
    KeyReused,
    /// A wire message cannot be read.
    #[error("a message cannot be read")]
    Wire(#[from] WireError),
    /// A value is out of its range.
    #[error("a value is out of its range")]
    Value(#[from] Failure),
    /// The store cannot be reached, or refused.
    #[error("the store failed")]
    Db(#[from] DbError),
    /// A row contradicts what was written.
    #[error("a row of table {table} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
    },
}

impl Fail for SessionError {
    fn failure(&self) -> Failure {
        let new = Failure::new;
        match self {
            Self::Refused(refused) => refused.failure(),
            Self::NotFound => new(ErrorKind::NotFound, "SESSION_NOT_FOUND", "Session not found"),
            Self::TurnNotFound => new(ErrorKind::NotFound, "TURN_NOT_FOUND", "there is no such turn"),
            Self::TurnLost => new(ErrorKind::Conflict, "TURN_LOST", "the turn went to another worker"),
            Self::TokenRequired => new(
                ErrorKind::Unauthenticated,
                "TOKEN_REQUIRED",
                "the session exists; its visitor token is required",
            ),
            Self::NotYours => {
                new(ErrorKind::Forbidden, "NOT_YOUR_SESSION", "the session belongs to somebody else")
            }
            Self::KeyReused => new(
                ErrorKind::Mismatch,
                "IDEMPOTENCY_MISMATCH",
                "the idempotency key was used for another request before",
            ),
            Self::Wire(error) => (*error).into(),
            Self::Value(failure) => failure.clone(),
            Self::Db(error) => match error.kind() {
                ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Conflict
                | ErrorKind::RateLimited => new(
                    ErrorKind::Unavailable,
                    "STORE_UNAVAILABLE",
                    "it cannot be stored right now, try again",
                )
                .retry_after(std::time::Duration::from_secs(1)),
                ErrorKind::Invalid
                | ErrorKind::Mismatch
                | ErrorKind::TooLarge
                | ErrorKind::Unauthenticated
                | ErrorKind::Forbidden
                | ErrorKind::NotFound
                | ErrorKind::Internal => Failure::internal(),
            },
            Self::Corrupt { .. } => Failure::internal(),
        }
    }
}
