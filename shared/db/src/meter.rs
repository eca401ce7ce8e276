//! Counting: how long transactions take, how many share a commit, what fails.

use std::{sync::Arc, time::Duration};

use crate::DbError;

/// The metrics of one database. Series carry its name as label `db`.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    name: Arc<str>,
}

impl Meter {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: Arc::from(name) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// From asking for a transaction to its answer.
    pub(crate) fn transaction(&self, took: Duration) {
        metrics::histogram!("switchboard_db_transaction_seconds", "db" => Arc::clone(&self.name))
            .record(took);
    }

    /// Transactions that shared one commit.
    pub(crate) fn group(&self, size: usize) {
        let size = f64::from(u32::try_from(size).unwrap_or(u32::MAX));
        metrics::histogram!("switchboard_db_group_size", "db" => Arc::clone(&self.name)).record(size);
    }

    /// Counts a failure and hands it on.
    pub(crate) fn failed(&self, error: DbError) -> DbError {
        metrics::counter!("switchboard_db_errors_total", "db" => Arc::clone(&self.name), "error" => error.label())
            .increment(1);
        error
    }
}
