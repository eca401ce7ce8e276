//! What can go wrong in the regulator.

use switchboard_db::DbError;
use switchboard_domain::{ErrorKind, Failure, document::DocumentError};
use switchboard_mesh::Fail;
use switchboard_proto::convert::WireError;

/// Why the regulator cannot decide, keep or replay.
#[derive(Debug, thiserror::Error)]
pub enum RegulatorError {
    /// The request cannot be read.
    #[error("the request cannot be read")]
    Wire(#[from] WireError),
    /// A rule document cannot be used.
    #[error("the rules cannot be used")]
    InvalidRules(#[from] DocumentError),
    /// A document or report cannot be written as JSON, or one that was kept cannot be read.
    #[error("a document cannot be written or read")]
    Json(#[from] serde_json::Error),
    /// There is no version of this number.
    #[error("there is no such version")]
    NoVersion,
    /// Somebody else has published in between.
    #[error("another version is in force")]
    Moved {
        /// The version that is.
        published: i64,
    },
    /// The version in force cannot be its own shadow.
    #[error("the version is in force")]
    InForce,
    /// The store cannot be reached, or refused.
    #[error("the store failed")]
    Db(#[from] DbError),
    /// So many replays run already.
    #[error("too many replays run")]
    Busy,
    /// The past cannot be read.
    #[error("the archive cannot be read")]
    Archive(#[source] Failure),
    /// The report could not be made.
    #[error("the report was given up")]
    Report(#[from] tokio::task::JoinError),
    /// The replay took too long.
    #[error("the replay took too long")]
    TooSlow,
}

impl RegulatorError {
    /// How this failure looks from outside.
    pub fn kind(&self) -> ErrorKind {
        self.failure().kind
    }
}

impl Fail for RegulatorError {
    fn failure(&self) -> Failure {
        let new = |kind, code, message: &str| Failure::new(kind, code, message);
        match self {
            Self::Wire(error) => (*error).into(),
            Self::InvalidRules(error) => new(ErrorKind::Invalid, "INVALID_RULES", &error.to_string())
                .with("line", error.line)
                .with("column", error.column)
                .with("reason", &error.reason),
            Self::Json(_) | Self::Report(_) => Failure::internal(),
            Self::NoVersion => {
                new(ErrorKind::NotFound, "RULES_NOT_FOUND", "there is no version of this number")
            }
            Self::Moved { published } => {
                new(ErrorKind::Conflict, "RULES_MOVED", "another version has been published in between")
                    .with("published", published)
            }
            Self::InForce => {
                new(ErrorKind::Conflict, "RULES_IN_FORCE", "the version in force cannot be its own shadow")
            }
            Self::Db(error) if error.kind() == ErrorKind::Internal => Failure::internal(),
            Self::Db(_) => {
                new(ErrorKind::Unavailable, "STORE_UNAVAILABLE", "it cannot be stored right now, try again")
                    .retry_after(std::time::Duration::from_secs(1))
            }
            Self::Busy => {
                new(ErrorKind::RateLimited, "WHAT_IF_BUSY", "too many replays run, try again later")
                    .retry_after(std::time::Duration::from_secs(10))
            }
            Self::Archive(failure) => failure.clone(),
            Self::TooSlow => new(
                ErrorKind::Timeout,
                "WHAT_IF_TOO_SLOW",
                "the replay took too long; ask for a shorter span or fewer sessions",
            ),
        }
    }
}
