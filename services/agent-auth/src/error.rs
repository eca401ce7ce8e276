//! What can go wrong in agent-auth.

use std::time::Duration;
use switchboard_db::DbError;
use switchboard_domain::{ErrorKind, Failure};
use switchboard_mesh::Fail;
use switchboard_proto::convert::WireError;

/// When to try again while the store is away.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// What can go wrong in agent-auth.
#[derive(Debug, thiserror::Error)]
pub enum AgentAuthError {
    /// A message cannot be read.
    #[error("a message cannot be read")]
    Wire(#[from] WireError),
    /// What a token should say of its holder is too long.
    #[error("claim `{claim}` has more than {max} characters")]
    ClaimTooLong {
        /// Which claim.
        claim: &'static str,
        /// How many characters it may have.
        max: usize,
    },
    /// A key cannot be made.
    #[error("no signing key could be made")]
    NewKey(#[from] aws_lc_rs::error::Unspecified),
    /// A row of `signing_key` holds no usable key, or not the one whose public half stands beside it.
    #[error("signing key {kid} cannot be read")]
    Key {
        /// Which key.
        kid: String,
    },
    /// There is no key to sign with.
    #[error("there is no signing key")]
    NoKey,
    /// A token cannot be signed.
    #[error("a token could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// The public keys cannot be written as JSON.
    #[error("the public keys could not be written down")]
    Jwks(#[from] serde_json::Error),
    /// A password cannot be hashed.
    #[error("a password could not be hashed")]
    Hash(#[from] argon2::password_hash::Error),
    /// Hashing was cut short.
    #[error("hashing a password was cut short")]
    HashTask(#[from] tokio::task::JoinError),
    /// `agent_auth.admin_username` is no username.
    #[error("the first admin has no usable username")]
    AdminUsername,
    /// A row holds something that this version cannot read.
    #[error("{what} cannot be read")]
    Stored {
        /// What it is.
        what: &'static str,
    },
    /// The caller is told why not.
    #[error("the call was refused: {}", .0.code)]
    Refused(Failure),
    /// The session service did not take the roster.
    #[error("the session service did not take the roster")]
    Peer(#[source] Box<tonic::Status>),
    /// The store cannot be reached, or refused.
    #[error("the store failed")]
    Db(#[from] DbError),
}

impl AgentAuthError {
    /// How this failure looks from outside.
    pub fn kind(&self) -> ErrorKind {
        self.failure().kind
    }
}

impl From<Failure> for AgentAuthError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl Fail for AgentAuthError {
    fn failure(&self) -> Failure {
        match self {
            Self::Wire(error) => (*error).into(),
            Self::ClaimTooLong { claim, max } => {
                Failure::new(ErrorKind::Invalid, "CLAIM_TOO_LONG", self.to_string())
                    .with("field", claim)
                    .with("max", max)
            }
            Self::Refused(failure) => failure.clone(),
            Self::Db(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
                let told = "accounts and keys cannot be read right now, try again";
                Failure::new(ErrorKind::Unavailable, "STORE_UNAVAILABLE", told).retry_after(STORE_RETRY)
            }
            Self::Peer(_) => Failure::new(ErrorKind::Unavailable, "UNAVAILABLE", self.to_string()),
            Self::NewKey(_)
            | Self::Key { .. }
            | Self::NoKey
            | Self::Sign(_)
            | Self::Jwks(_)
            | Self::Hash(_)
            | Self::HashTask(_)
            | Self::AdminUsername
            | Self::Stored { .. }
            | Self::Db(_) => Failure::internal(),
        }
    }
}
