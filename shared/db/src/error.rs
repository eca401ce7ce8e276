//! What a database can answer instead of rows, the same for both engines.

use std::{error::Error, fmt, sync::Arc};

use switchboard_domain::ErrorKind;

mod classify;

/// Why a database call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// A row contradicts a rule of its table.
    #[error("the {kind} constraint {name:?} of table {table:?} is violated")]
    Constraint {
        /// Which sort of rule.
        kind: ConstraintKind,
        /// The engine's name for it: the constraint or index on Postgres, `table.column, table.column` on SQLite.
        name: String,
        /// The table, where the engine tells it.
        table: String,
        /// The columns, where the engine tells them (unique rules: both engines do).
        columns: Vec<String>,
        /// What the engine said.
        source: Cause,
    },
    /// The database cannot be used at the moment; nothing of this call was stored.
    #[error("the database is unavailable: {outage}")]
    Unavailable {
        /// What is missing.
        outage: Outage,
        /// What the engine said, if it said anything.
        source: Option<Cause>,
    },
    /// Another writer was in the way; nothing was stored, the same call may succeed next time.
    #[error("another writer was in the way")]
    Contention {
        /// What the engine said, if it said anything.
        source: Option<Cause>,
    },
    /// More transactions are waiting than the queue may hold; nothing was stored.
    #[error("too many transactions are waiting")]
    Overloaded,
    /// The connection was lost, or the disk failed, while committing: the transaction may or may not be stored.
    #[error("it is unknown whether the transaction was stored")]
    UnknownOutcome {
        /// What the engine said, if it said anything.
        source: Option<Cause>,
    },
    /// The stored data is damaged.
    #[error("the stored data is damaged")]
    Corrupt {
        /// What the engine said.
        source: Cause,
    },
    /// A row has not the shape its reader expects.
    #[error("a row cannot be read as expected")]
    Decode {
        /// What does not fit.
        source: Cause,
    },
    /// Exactly one row was asked for and none is there.
    #[error("a row that must exist is missing")]
    NoRow,
    /// The engine refused the statement: a bug in its text.
    #[error("the database refused a statement")]
    Query {
        /// What the engine said.
        source: Cause,
    },
    /// An earlier statement of this transaction failed, so nothing of it is stored.
    #[error("an earlier statement of the transaction failed")]
    Aborted,
    /// The work of this transaction panicked, so nothing of it is stored.
    #[error("the work of the transaction panicked")]
    Panicked,
    /// The tables could not be brought to the version of this program.
    #[error("the database could not be migrated")]
    Migration {
        /// Which step failed.
        source: Cause,
    },
    /// The configuration or the server's own set-up does not allow to start.
    #[error("the database is misconfigured: {0}")]
    Misconfigured(String),
}

/// The sort of rule a row contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// A unique index or a primary key.
    Unique,
    /// A reference to a row that is missing, or that is still referred to.
    ForeignKey,
    /// A `CHECK` clause.
    Check,
    /// `NOT NULL`.
    NotNull,
    /// Any other.
    Other,
}

/// What is missing while the database is unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// No connection, or it was lost.
    Connection,
    /// All connections were in use for too long.
    PoolTimeout,
    /// A statement took too long and was ended.
    StatementTimeout,
    /// The work of a transaction took too long and was rolled back.
    TransactionTimeout,
    /// The disk is full.
    DiskFull,
    /// The database accepts no writes.
    ReadOnly,
    /// Reading or writing the disk failed.
    Io,
    /// Flushing to the disk failed. What the disk holds is unknown, so no write is accepted until a restart.
    Flush,
    /// [`Db::close`](crate::Db::close) was called.
    Closed,
}

/// What the driver said, for logs. Shows the message alone: an engine's details can quote what customers wrote.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl DbError {
    /// How this failure looks from outside, where no store gave it a better meaning.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Constraint { kind: ConstraintKind::Unique, .. } => ErrorKind::Conflict,
            Self::Unavailable { .. } | Self::Contention { .. } | Self::Overloaded => ErrorKind::Unavailable,
            Self::UnknownOutcome { .. } => ErrorKind::Timeout,
            Self::Constraint { .. }
            | Self::Corrupt { .. }
            | Self::Decode { .. }
            | Self::NoRow
            | Self::Query { .. }
            | Self::Aborted
            | Self::Panicked
            | Self::Migration { .. }
            | Self::Misconfigured(_) => ErrorKind::Internal,
        }
    }

    /// Whether a row with these values in exactly these columns of `table` is there already. The order of `columns` is
    /// that of the index.
    pub fn is_unique_violation(&self, table: &str, columns: &[&str]) -> bool {
        let Self::Constraint { kind: ConstraintKind::Unique, table: hit, columns: hits, .. } = self else {
            return false;
        };
        hit == table && hits.iter().map(String::as_str).eq(columns.iter().copied())
    }

    /// The value of label `error` of the failure counter.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Constraint { .. } => "constraint",
            Self::Unavailable { .. } => "unavailable",
            Self::Contention { .. } => "contention",
            Self::Overloaded => "overloaded",
            Self::UnknownOutcome { .. } => "unknown_outcome",
            Self::Corrupt { .. } => "corrupt",
            Self::Decode { .. } => "decode",
            Self::NoRow => "no_row",
            Self::Query { .. } => "query",
            Self::Aborted => "aborted",
            Self::Panicked => "panicked",
            Self::Migration { .. } => "migration",
            Self::Misconfigured(_) => "misconfigured",
        }
    }

    pub(crate) fn unavailable(outage: Outage) -> Self {
        Self::Unavailable { outage, source: None }
    }

    /// What a failed COMMIT means. Only refusals that name their reason are certain not to be stored.
    pub(crate) fn of_commit(self) -> Self {
        match self {
            Self::Constraint { .. } | Self::Contention { .. } | Self::Overloaded => self,
            Self::Unavailable { source, .. } | Self::UnknownOutcome { source } => {
                Self::UnknownOutcome { source }
            }
            Self::Corrupt { source }
            | Self::Decode { source }
            | Self::Query { source }
            | Self::Migration { source } => Self::UnknownOutcome { source: Some(source) },
            Self::NoRow | Self::Aborted | Self::Panicked | Self::Misconfigured(_) => {
                Self::UnknownOutcome { source: None }
            }
        }
    }
}

impl From<sqlx::Error> for Cause {
    fn from(error: sqlx::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl Cause {
    pub(crate) fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Cause {}

impl fmt::Display for ConstraintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unique => "unique",
            Self::ForeignKey => "foreign key",
            Self::Check => "check",
            Self::NotNull => "not null",
            Self::Other => "other",
        })
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "no connection",
            Self::PoolTimeout => "no free connection in time",
            Self::StatementTimeout => "a statement took too long",
            Self::TransactionTimeout => "a transaction took too long",
            Self::DiskFull => "the disk is full",
            Self::ReadOnly => "it accepts no writes",
            Self::Io => "the disk failed",
            Self::Flush => "flushing to disk failed, writes stop until a restart",
            Self::Closed => "it was closed",
        })
    }
}
