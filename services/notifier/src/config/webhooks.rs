//! Calls to other programs.

use super::Problem;
use serde::Deserialize;
use std::time::Duration;

/// Table `[notifier.webhooks]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Most endpoints.
    pub max_endpoints: u32,
    /// Calls of one endpoint that are open at the same time.
    pub concurrency: u32,
    /// Longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How much of an answer is read, in bytes.
    pub response_bytes: usize,
    /// Whether endpoints may be inside: private, loopback and link-local addresses.
    pub allow_private: bool,
    /// Whether endpoints with a loopback address may use plain http. Needs [`Self::allow_private`].
    pub allow_http: bool,
    /// How long an old secret signs beside a new one.
    #[serde(with = "humantime_serde")]
    pub secret_overlap: Duration,
    /// An endpoint of which every call failed for so long is disabled.
    #[serde(with = "humantime_serde")]
    pub disable_after: Duration,
}

impl Webhooks {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.concurrency == 0 {
            problems.push(("notifier.webhooks.concurrency", "at least 1".to_owned()));
        }
        problems
    }
}
