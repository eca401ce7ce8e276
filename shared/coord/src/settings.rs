//! Where Redis is, and how long it may take.

use secrecy::SecretString;
use serde::Deserialize;
use std::{num::NonZeroU32, time::Duration};

/// Where Redis is, and how long it may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `redis://user:password@host:port/db`, `redis+sentinel://…@host:port,host:port/master` or
    /// `redis+cluster://…@host:port,host:port`; `rediss…` for TLS. Empty: this process is alone.
    pub url: SecretString,
    /// A file with the password, read at each connection, so that it can be changed while this runs. Empty: the URL has it.
    pub password_file: String,
    /// Before all keys and channels.
    pub prefix: String,
    /// Longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Longest wait for the answer to a command.
    #[serde(with = "humantime_serde")]
    pub command_timeout: Duration,
    /// For so long after a failure Redis is not asked.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// How often the subscription is asked whether it is alive.
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    /// Hints that may wait to be sent; more are dropped, which delays like every lost hint.
    pub queue: usize,
    /// Processes of each part, at most: while Redis is away each gives its clients this share of a budget.
    pub replicas: NonZeroU32,
}
