//! The tables of this service. Statements that belong together stand in one file of the folder.

pub(crate) mod accounts;
mod keys;
pub(crate) mod logins;
pub(crate) mod throttle;

use switchboard_db::Db;

/// Reads and writes them.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) db: Db,
}

impl Store {
    /// Over an open, migrated database.
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }
}
