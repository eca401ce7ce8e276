//! What can go wrong, as the outside sees it: one kind (which decides gRPC and HTTP codes), one stable code, one safe
//! sentence. Causes stay inside and are logged once, where the request ends.

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

/// The restricted set of ways a call can fail. Mapped to gRPC in `mesh/status.rs` and to HTTP in `gateway/error.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller sent something that can never succeed (400, or 422 when the shape is right and the value is not).
    Invalid,
    /// A well-formed request whose content contradicts an earlier one (422).
    Mismatch,
    /// More than a limit allows in one request (413).
    TooLarge,
    /// Nobody is identified (401).
    Unauthenticated,
    /// Somebody is identified and may not (403).
    Forbidden,
    /// The thing does not exist for this caller (404).
    NotFound,
    /// The state does not allow it now, or somebody else was faster (409).
    Conflict,
    /// The caller's quota is used up (429).
    RateLimited,
    /// The time given was not enough; whether it happened is unknown (504).
    Timeout,
    /// A dependency is away or we shed load; repeat with the same idempotency key (503).
    Unavailable,
    /// A bug or a broken invariant (500).
    Internal,
}

impl ErrorKind {
    /// Whether a caller may send the same request again and expect another outcome.
    pub fn is_transient(self) -> bool {
        match self {
            Self::RateLimited | Self::Timeout | Self::Unavailable => true,
            Self::Invalid
            | Self::Mismatch
            | Self::TooLarge
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::Internal => false,
        }
    }
}

/// A failure as it crosses a boundary: what the other side may know, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Decides gRPC status and HTTP code.
    pub kind: ErrorKind,
    /// Stable machine code in `UPPER_SNAKE`, for example `SESSION_IN_MANUAL_MODE`.
    pub code: Cow<'static, str>,
    /// One sentence that is safe to show.
    pub message: String,
    /// Further facts by name, for example `max_length`.
    pub facts: BTreeMap<String, String>,
    /// When to try again, where that is known.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Makes a failure without facts.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: Cow::Borrowed(code),
            message: message.into(),
            facts: BTreeMap::new(),
            retry_after: None,
        }
    }

    /// Adds one fact.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.facts.insert(name.to_owned(), format!("{value}"));
        self
    }

    /// Says when to try again.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// An internal failure whose cause was logged and is not told.
    pub fn internal() -> Self {
        Self::new(ErrorKind::Internal, "INTERNAL", "something went wrong on our side")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}
