//! What can go wrong in the session service.

use crate::desk::Denied;
use switchboard_db::DbError;
use switchboard_domain::{
    ErrorKind, Failure, document::DocumentError, offer::Unanswerable, session::Refused,
};
use switchboard_mesh::Fail;
use switchboard_proto::convert::WireError;

/// What can go wrong in the session service.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The state machine refuses the event.
    #[error("the event is refused")]
    Refused(#[from] Refused),
    /// An agent may not do it, or not like this.
    #[error("the desk refuses it")]
    Denied(#[from] Denied),
    /// An offer cannot be answered.
    #[error("the offer cannot be answered")]
    Unanswerable(#[from] Unanswerable),
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
    /// A document of working hours cannot be published.
    #[error("the working hours cannot be read")]
    InvalidHours(Vec<DocumentError>),
    /// Other working hours are published than the caller saw.
    #[error("version {0} of the working hours is published")]
    HoursMoved(i64),
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
            Self::Denied(denied) => denied.failure(),
            Self::Unanswerable(why) => why.failure(),
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
            Self::InvalidHours(problems) => invalid_hours(problems),
            Self::HoursMoved(version) => new(
                ErrorKind::Conflict,
                "VERSION_CONFLICT",
                "other working hours were published meanwhile; look at them first",
            )
            .with("version", version),
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

/// The first problem in words; all of them as JSON.
fn invalid_hours(problems: &[DocumentError]) -> Failure {
    let told = problems.first().map(ToString::to_string).unwrap_or_default();
    let failure = Failure::new(ErrorKind::Invalid, "INVALID_HOURS", told);
    let all: Vec<_> = problems
        .iter()
        .map(|problem| {
            serde_json::json!({ "line": problem.line, "column": problem.column, "reason": problem.reason })
        })
        .collect();
    let failure = match problems.first() {
        Some(first) => {
            failure.with("line", first.line).with("column", first.column).with("reason", &first.reason)
        }
        None => failure,
    };
    failure.with("problems", serde_json::Value::from(all))
}
