//! What can go wrong in the chat gateway. What goes wrong with a provider is no error to a customer: the ladder and the
//! hand-over see to it.

use switchboard_domain::{ErrorKind, Failure};
use switchboard_mesh::{Fail, status::from_status};
use switchboard_proto::convert::WireError;

/// What can go wrong in the chat gateway.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// A peer refused or could not be reached.
    #[error("a peer could not serve the call")]
    Peer(#[source] Failure),
    /// A wire message cannot be read.
    #[error("a message cannot be read")]
    Wire(#[from] WireError),
    /// A value is out of its range.
    #[error("a value is out of its range")]
    Value(#[from] Failure),
    /// The client's parameters are no JSON object.
    #[error("parameters are no JSON object")]
    Parameters(#[source] serde_json::Error),
    /// A provider or the knowledge base cannot be used.
    #[error("the knowledge base cannot be loaded")]
    Knowledge(#[from] switchboard_knowledge::KnowledgeError),
    /// A provider cannot be built.
    #[error("a provider cannot be built")]
    Model(#[from] switchboard_model::ModelError),
    /// A background task broke.
    #[error("a background task broke")]
    Task(#[from] tokio::task::JoinError),
}

impl From<tonic::Status> for ChatError {
    fn from(status: tonic::Status) -> Self {
        Self::Peer(from_status(&status))
    }
}

impl Fail for ChatError {
    fn failure(&self) -> Failure {
        match self {
            Self::Peer(failure) | Self::Value(failure) => failure.clone(),
            Self::Wire(error) => (*error).into(),
            Self::Parameters(_) => {
                Failure::new(ErrorKind::Invalid, "INVALID_PARAMETERS", "parameters must be a JSON object")
            }
            Self::Knowledge(_) | Self::Model(_) | Self::Task(_) => Failure::internal(),
        }
    }
}
