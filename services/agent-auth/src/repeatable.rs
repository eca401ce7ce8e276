//! Calls that a client may repeat: what they make is made once for each idempotency key of the caller.

use switchboard_domain::{ClientMessageId, Failure};
use switchboard_proto::common::v1::Idempotency;

/// What makes a call repeatable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeatable {
    /// The caller's own.
    pub(crate) key: String,
    /// Digest of everything in the call that carries meaning.
    pub(crate) fingerprint: String,
}

/// Reads what a call says of it; without a key it cannot be repeated.
///
/// # Errors
/// `INVALID_IDEMPOTENCY_KEY`.
pub(crate) fn read(idempotency: Option<Idempotency>) -> Result<Option<Repeatable>, Failure> {
    let Some(Idempotency { key, fingerprint }) = idempotency.filter(|told| !told.key.is_empty()) else {
        return Ok(None);
    };
    let key = ClientMessageId::parse(&key)?.as_str().to_owned();
    Ok(Some(Repeatable { key, fingerprint }))
}
