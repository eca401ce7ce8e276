//! Limits that are part of the wire contract. The configurable ones start from these values.

/// Longest message, in Unicode scalar values after normalising and trimming.
pub const MESSAGE_MAX_CHARS: usize = 2000;
/// Longest message of an agent, counted in the same way.
pub const AGENT_MESSAGE_MAX_CHARS: usize = 10_000;
/// Longest session name, in bytes (all allowed characters are ASCII).
pub const SESSION_NAME_MAX: usize = 128;
/// Longest idempotency key or client message id, in bytes.
pub const CLIENT_KEY_MAX: usize = 128;
/// Shortest key that is hard enough to guess to prove that a repeated first message comes from the one who sent it.
pub const CLIENT_KEY_STRONG: usize = 16;
/// Messages that a session detail carries as `history`; the rest is paged.
pub const HISTORY_TAIL: usize = 50;
/// Most entries one page may ask for.
pub const PAGE_MAX: usize = 200;
