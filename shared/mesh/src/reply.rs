//! How a handler answers: its crate's error becomes a status here, and what only operators may see is logged once.

use crate::status::to_status;
use std::{error::Error, fmt::Write as _, future::Future};
use switchboard_domain::{ErrorKind, Failure};
use tonic::{Response, Status};

/// An error of a service crate that can tell its outside.
pub trait Fail: Error {
    /// What the caller may know.
    fn failure(&self) -> Failure;
}

impl Fail for Failure {
    fn failure(&self) -> Failure {
        self.clone()
    }
}

/// Runs a handler's work and turns its outcome into a gRPC reply.
///
/// # Errors
/// The work's error as a status. Failures that are ours (internal, unavailable) are logged here with their causes.
pub async fn reply<T, E: Fail>(work: impl Future<Output = Result<T, E>>) -> Result<Response<T>, Status> {
    work.await.map(Response::new).map_err(|error| explain(&error))
}

/// Logs an error that is ours, once, and gives the status that the caller sees.
pub fn explain<E: Fail>(error: &E) -> Status {
    let failure = error.failure();
    match failure.kind {
        ErrorKind::Internal => tracing::error!(code = %failure.code, error = chain(error), "call failed"),
        ErrorKind::Unavailable | ErrorKind::Timeout => {
            tracing::warn!(code = %failure.code, error = chain(error), "call could not be served");
        }
        ErrorKind::Invalid
        | ErrorKind::Mismatch
        | ErrorKind::TooLarge
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::RateLimited => tracing::debug!(code = %failure.code, "call refused"),
    }
    to_status(&failure)
}

/// An error and all its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _ = write!(text, ": {inner}"); // writing to a String cannot fail
        cause = inner.source();
    }
    text
}
