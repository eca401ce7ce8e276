//! Wire values to domain values and back. Each field is checked here, once; what cannot be read is a [`WireError`] that
//! names the field, never a default.

mod entry;
mod escalation;
mod session;

pub use entry::{entries_from_wire, entries_to_wire};
pub use session::status_from_wire;

use switchboard_domain::{ErrorKind, Failure};

/// A field of a wire message that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}` of a message is missing or malformed")]
pub struct WireError {
    /// The field.
    pub field: &'static str,
}

impl WireError {
    /// Names the field.
    pub const fn new(field: &'static str) -> Self {
        Self { field }
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::new(ErrorKind::Invalid, "MALFORMED_MESSAGE", error.to_string()).with("field", error.field)
    }
}

/// Takes a field that must be there.
pub(crate) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, WireError> {
    value.ok_or(WireError::new(field))
}

/// Parses a text field, folding its own error into the name of the field.
pub(crate) fn parsed<T, E>(result: Result<T, E>, field: &'static str) -> Result<T, WireError> {
    result.map_err(|_| WireError::new(field))
}
