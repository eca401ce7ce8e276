//! What an operator may set: section `[database]`.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::DbError;

/// Where the data lives and every bound around it. Defaults are in the embedded configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `postgres://user:password@host/database`. Absent or empty: one SQLite file per service in `data_dir`.
    #[serde(default)]
    pub url: Option<SecretString>,
    /// Folder of the SQLite files; made when missing. Unused with Postgres.
    pub data_dir: PathBuf,
    /// Connections one service holds at most (SQLite: for reads; writes have one more).
    pub max_connections: u32,
    /// How long to wait for a free connection.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// How long to wait for a lock another writer holds.
    #[serde(with = "humantime_serde")]
    pub lock_timeout: Duration,
    /// Postgres: how long a transaction may sit without a statement before the server ends it.
    #[serde(with = "humantime_serde")]
    pub idle_in_transaction_timeout: Duration,
    /// How long the work of one transaction may take, and how long to wait for an answer to its COMMIT.
    #[serde(with = "humantime_serde")]
    pub transaction_timeout: Duration,
    /// How long to wait for another process that is migrating the same database.
    #[serde(with = "humantime_serde")]
    pub migration_timeout: Duration,
    /// Transactions that may wait or run at once; more are refused with [`DbError::Overloaded`].
    pub write_queue: usize,
    /// SQLite: transactions that share one commit at most.
    pub group_commit_max: usize,
    /// SQLite: page cache of each connection, in bytes; filled only as pages are read.
    pub sqlite_cache_bytes: u64,
    /// SQLite: transactions between two checkpoints of the write-ahead log.
    pub sqlite_checkpoint_every: u64,
    /// Postgres: what to do when the server would acknowledge before it stores.
    pub durability_check: DurabilityCheck,
}

/// What to do when `fsync`, `synchronous_commit` or `full_page_writes` of the server is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityCheck {
    /// Refuse to start.
    Enforce,
    /// Start and say so in the log.
    Warn,
    /// Do not look.
    Off,
}

impl Settings {
    /// The Postgres URL, if one is set.
    pub(crate) fn postgres_url(&self) -> Option<&str> {
        self.url.as_ref().map(ExposeSecret::expose_secret).filter(|url| !url.trim().is_empty())
    }

    /// Refuses sizes and names that cannot work.
    pub(crate) fn check(&self, name: &str) -> Result<(), DbError> {
        let mut letters = name.bytes();
        let starts_well = letters.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let goes_on_well =
            letters.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !starts_well || !goes_on_well || name.len() > 48 {
            return Err(DbError::Misconfigured(format!(
                "the database name {name:?} is not 1 to 48 of a-z, 0-9 and _, starting with a letter"
            )));
        }
        let sizes = [
            ("max_connections", u64::from(self.max_connections)),
            ("write_queue", self.write_queue as u64),
            ("group_commit_max", self.group_commit_max as u64),
            ("sqlite_checkpoint_every", self.sqlite_checkpoint_every),
        ];
        for (key, size) in sizes {
            if size == 0 || size > u64::from(u32::MAX) {
                return Err(DbError::Misconfigured(format!(
                    "database.{key} must be between 1 and {}",
                    u32::MAX
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DurabilityCheck, Settings};

    const SECTION: &str = r#"
        data_dir = "data"
        max_connections = 8
        acquire_timeout = "3s"
        statement_timeout = "5s"
        lock_timeout = "2s"
        idle_in_transaction_timeout = "5s"
        transaction_timeout = "8s"
        migration_timeout = "2m"
        write_queue = 4096
        group_commit_max = 256
        sqlite_cache_bytes = 67108864
        sqlite_checkpoint_every = 1000
        durability_check = "enforce"
    "#;

    #[test]
    fn durations_carry_their_unit_and_no_url_means_a_file() {
        let settings: Settings = toml::from_str(SECTION).unwrap();
        assert_eq!(settings.migration_timeout, Duration::from_mins(2));
        assert_eq!(settings.durability_check, DurabilityCheck::Enforce);
        assert_eq!(settings.postgres_url(), None);
        let empty: Settings = toml::from_str(&format!("url = \"\"\n{SECTION}")).unwrap();
        assert_eq!(empty.postgres_url(), None);
        let server: Settings = toml::from_str(&format!("url = \"postgres://h/d\"\n{SECTION}")).unwrap();
        assert_eq!(server.postgres_url(), Some("postgres://h/d"));
    }

    #[test]
    fn unknown_keys_and_bare_numbers_are_refused() {
        assert!(toml::from_str::<Settings>(&format!("{SECTION}\nsynchronous = \"off\"")).is_err());
        assert!(toml::from_str::<Settings>(&SECTION.replace("\"8s\"", "8")).is_err());
    }
}
