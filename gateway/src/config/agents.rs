//! Table `[gateway.agent]`.

use serde::Deserialize;
use std::time::Duration;

/// Table `[gateway.agent]`: who the shop's people and their programs are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    /// How often an open event stream says that its agent is there.
    #[serde(with = "humantime_serde")]
    pub presence_beat: Duration,
    /// Longest life of an access token; also how long an event stream opened with an API key may last.
    #[serde(with = "humantime_serde")]
    pub max_lifetime: Duration,
    /// How often the list of what no longer counts is read.
    #[serde(with = "humantime_serde")]
    pub revocation_refresh: Duration,
    /// How old that list may be before agents can only read.
    #[serde(with = "humantime_serde")]
    pub revocation_max_age: Duration,
    /// Longest time for one reading of it.
    #[serde(with = "humantime_serde")]
    pub revocation_timeout: Duration,
    /// How long after the start requests of agents wait for the first list.
    #[serde(with = "humantime_serde")]
    pub revocation_first_wait: Duration,
    /// API keys that are remembered.
    pub api_key_entries: u64,
    /// How long a right API key is remembered at most.
    #[serde(with = "humantime_serde")]
    pub api_key_max_age: Duration,
    /// How long a wrong API key is remembered.
    #[serde(with = "humantime_serde")]
    pub api_key_wrong_age: Duration,
}

impl Agents {
    /// The keys whose values cannot be meant.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.revocation_refresh.is_zero() {
            problems.push(("gateway.agent.revocation_refresh", "must be above zero".to_owned()));
        }
        if self.revocation_max_age < self.revocation_refresh {
            problems.push(("gateway.agent.revocation_max_age", "is below revocation_refresh".to_owned()));
        }
        problems
    }
}
