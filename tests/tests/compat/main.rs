//! The wire contract that clients of the original rely on: envelopes, spelling, frames, shapes of failures. Details of what
//! is served in which situation are told by the scenarios; here it is about bytes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod envelopes;
mod failures;
mod frames;
mod shared;
