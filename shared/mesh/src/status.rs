//! Failures to gRPC status and back: the only file that knows gRPC codes. The kinds map one to one, so nothing is lost
//! on the way; code, facts and retry time travel as google.rpc error details.

use std::borrow::Cow;
use switchboard_domain::{ErrorKind, Failure};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

const DOMAIN: &str = "switchboard";

/// The gRPC code of a kind.
pub fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::Mismatch => Code::FailedPrecondition,
        ErrorKind::TooLarge => Code::OutOfRange,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Forbidden => Code::PermissionDenied,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::RateLimited => Code::ResourceExhausted,
        ErrorKind::Timeout => Code::DeadlineExceeded,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Internal => Code::Internal,
    }
}

/// The kind of a gRPC code. A cancelled call is a timeout: that is how tonic's client reports its own timer.
pub fn kind(code: Code) -> ErrorKind {
    match code {
        Code::InvalidArgument => ErrorKind::Invalid,
        Code::FailedPrecondition => ErrorKind::Mismatch,
        Code::OutOfRange => ErrorKind::TooLarge,
        Code::Unauthenticated => ErrorKind::Unauthenticated,
        Code::PermissionDenied => ErrorKind::Forbidden,
        Code::NotFound => ErrorKind::NotFound,
        Code::Aborted | Code::AlreadyExists => ErrorKind::Conflict,
        Code::ResourceExhausted => ErrorKind::RateLimited,
        Code::DeadlineExceeded | Code::Cancelled => ErrorKind::Timeout,
        Code::Unavailable => ErrorKind::Unavailable,
        Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
            ErrorKind::Internal
        }
    }
}

/// A failure as a gRPC status.
pub fn to_status(failure: &Failure) -> Status {
    let facts: std::collections::HashMap<String, String> = failure.facts.clone().into_iter().collect();
    let mut details = ErrorDetails::with_error_info(failure.code.clone(), DOMAIN, facts);
    if let Some(after) = failure.retry_after {
        details.set_retry_info(Some(after));
    }
    Status::with_error_details(code(failure.kind), failure.message.clone(), details)
}

/// A gRPC status as a failure. One that none of our services made tells its kind and nothing else.
pub fn from_status(status: &Status) -> Failure {
    let details = status.get_error_details();
    let kind = kind(status.code());
    let mut failure = match details.error_info() {
        Some(info) if info.domain == DOMAIN => {
            let mut failure = Failure::new(kind, "", status.message());
            failure.code = Cow::Owned(info.reason.clone());
            failure.facts = info.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            failure
        }
        _ => foreign(kind),
    };
    failure.retry_after = details.retry_info().and_then(|info| info.retry_delay);
    failure
}

fn foreign(kind: ErrorKind) -> Failure {
    match kind {
        ErrorKind::Timeout => {
            Failure::new(kind, "TIMEOUT", "it took too long; whether it happened is not known")
        }
        ErrorKind::Unavailable => {
            Failure::new(kind, "UNAVAILABLE", "a part of the service is away, try again")
        }
        ErrorKind::RateLimited => Failure::new(kind, "OVERLOADED", "too much at once, try again later"),
        ErrorKind::Invalid
        | ErrorKind::Mismatch
        | ErrorKind::TooLarge
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::Internal => Failure::internal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_kind_survives_the_wire() {
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::Mismatch,
            ErrorKind::TooLarge,
            ErrorKind::Unauthenticated,
            ErrorKind::Forbidden,
            ErrorKind::NotFound,
            ErrorKind::Conflict,
            ErrorKind::RateLimited,
            ErrorKind::Timeout,
            ErrorKind::Unavailable,
            ErrorKind::Internal,
        ] {
            let failure = Failure::new(kind, "SOME_CODE", "会话已被坐席【X】接入")
                .with("agent_id", "7")
                .retry_after(Duration::from_secs(3));
            assert_eq!(from_status(&to_status(&failure)), failure);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a status as somebody else makes it")]
    fn a_foreign_status_leaks_nothing() {
        let status = Status::new(Code::Unknown, "connection string postgres://user:secret@db");
        assert_eq!(from_status(&status), Failure::internal());
        assert_eq!(from_status(&Status::new(Code::Cancelled, "Timeout expired")).kind, ErrorKind::Timeout);
    }
}
