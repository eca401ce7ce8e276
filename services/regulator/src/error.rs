//! What can go wrong in the regulator.

use switchboard_domain::{ErrorKind, Failure, regulation::RulesError};
use switchboard_mesh::Fail;
use switchboard_proto::convert::WireError;

/// Why the regulator cannot decide or cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RegulatorError {
    /// The request cannot be read.
    #[error("the request cannot be read")]
    Wire(#[from] WireError),
    /// The configured rules cannot be used.
    #[error("the rules cannot be used")]
    Rules(#[from] RulesError),
    /// The rules cannot be written as JSON.
    #[error("the rules cannot be written down")]
    Document(#[from] serde_json::Error),
}

impl RegulatorError {
    /// How this failure looks from outside.
    pub fn kind(&self) -> ErrorKind {
        self.failure().kind
    }
}

impl Fail for RegulatorError {
    fn failure(&self) -> Failure {
        match self {
            Self::Wire(error) => (*error).into(),
            Self::Rules(error) => Failure::new(error.kind(), "INVALID_RULES", error.to_string()),
            Self::Document(_) => Failure::internal(),
        }
    }
}
