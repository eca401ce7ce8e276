//! The AI side against faithful fakes: what every fault becomes, how often anything is repeated, who shares what.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod breaker;
mod coze;
mod faults;
mod openai;
mod rig;
mod tokens;
