//! One open transaction, on either engine.

use std::fmt;

use sqlx::{Connection as _, Postgres, Sqlite, pool::PoolConnection, sqlite::SqliteConnection};

use crate::{DbError, Row, Statement, error::Outage, meter::Meter};

/// An open write transaction. Statements run in the order they are awaited; nothing but this may be awaited for long
/// inside, and never another transaction of the same [`Db`](crate::Db).
pub struct Tx {
    connection: Connection,
    meter: Meter,
    doomed: bool,
    harm: Harm,
}

/// The connection a transaction runs on.
pub(crate) enum Connection {
    /// The writer's own, or one for migrations.
    Sqlite(SqliteConnection),
    /// One of the pool that only reads.
    SqliteReader(PoolConnection<Sqlite>),
    /// One of the pool.
    Postgres(PoolConnection<Postgres>),
}

/// What a failure says about the connection it happened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Harm {
    /// The connection is fine.
    None,
    /// The disk or the connection failed; open another.
    Broken,
    /// A flush failed; never write again.
    Fatal,
}

/// Runs one body with whichever connection is open.
macro_rules! on_connection {
    ($tx:ident, $connection:ident => $sqlite:expr, $postgres:expr) => {
        match &mut $tx.connection {
            Connection::Sqlite($connection) => $sqlite,
            Connection::SqliteReader($connection) => {
                let $connection = &mut **$connection;
                $sqlite
            }
            Connection::Postgres($connection) => {
                let $connection = &mut **$connection;
                $postgres
            }
        }
    };
}

impl Tx {
    pub(crate) fn new(connection: Connection, meter: Meter) -> Self {
        Self { connection, meter, doomed: false, harm: Harm::None }
    }

    /// Runs a statement; answers how many rows it changed.
    ///
    /// # Errors
    /// Any [`DbError`]; from then on every statement of this transaction is [`DbError::Aborted`].
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        self.alive()?;
        let text = statement.text();
        let done = on_connection!(self, connection =>
            statement.sqlite().execute(connection).await.map(|done| done.rows_affected()),
            statement.postgres().execute(connection).await.map(|done| done.rows_affected()));
        self.judge(text, done)
    }

    /// Runs a statement; answers all its rows.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn fetch_all<R: Row>(&mut self, statement: Statement) -> Result<Vec<R>, DbError> {
        self.alive()?;
        let text = statement.text();
        let rows = on_connection!(self, connection =>
            statement.sqlite_rows().fetch_all(connection).await,
            statement.postgres_rows().fetch_all(connection).await);
        self.judge(text, rows)
    }

    /// Runs a statement; answers its first row, if there is any.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn fetch_optional<R: Row>(&mut self, statement: Statement) -> Result<Option<R>, DbError> {
        self.alive()?;
        let text = statement.text();
        let row = on_connection!(self, connection =>
            statement.sqlite_rows().fetch_optional(connection).await,
            statement.postgres_rows().fetch_optional(connection).await);
        self.judge(text, row)
    }

    /// Runs a statement; answers its first row.
    ///
    /// # Errors
    /// [`DbError::NoRow`] if there is none (the transaction goes on); otherwise as [`Tx::execute`].
    pub async fn fetch_one<R: Row>(&mut self, statement: Statement) -> Result<R, DbError> {
        self.fetch_optional(statement).await?.ok_or(DbError::NoRow)
    }

    /// Runs one of this crate's own statements (BEGIN, SAVEPOINT, COMMIT, …).
    pub(crate) async fn control(&mut self, text: &'static str) -> Result<(), DbError> {
        let done = on_connection!(self, connection =>
            sqlx::query(text).execute(connection).await.map(drop),
            sqlx::query(text).execute(connection).await.map(drop));
        self.judge(text, done)
    }

    /// Whether a statement failed since the last [`Tx::renew`].
    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed
    }

    /// The worst that happened to the connection since the last [`Tx::renew`].
    pub(crate) fn harm(&self) -> Harm {
        self.harm
    }

    /// Forgets failures that were rolled back, before the next work runs on this connection.
    pub(crate) fn renew(&mut self) {
        self.doomed = false;
    }

    /// Says that the state of the connection is unknown: it will be closed, not used again.
    pub(crate) fn distrust(&mut self) {
        self.harm = self.harm.max(Harm::Broken);
    }

    /// Closes the connection; what is open on it is rolled back.
    pub(crate) async fn discard(self) {
        match self.connection {
            // Waits for the file to be let go, so that the next connection finds it free.
            Connection::Sqlite(connection) => drop(connection.close().await),
            Connection::SqliteReader(connection) => drop(connection.detach()),
            // Without a good-bye: whoever does not answer would keep us waiting for that, too.
            Connection::Postgres(connection) => drop(connection.detach()),
        }
    }

    // A server refuses everything after a failure until ROLLBACK, and turns COMMIT into ROLLBACK without a word; SQLite
    // would go on. Refusing here makes both behave alike and keeps a swallowed failure from being acknowledged.
    fn alive(&self) -> Result<(), DbError> {
        if self.doomed { Err(DbError::Aborted) } else { Ok(()) }
    }

    fn judge<T>(&mut self, text: &'static str, outcome: Result<T, sqlx::Error>) -> Result<T, DbError> {
        outcome.map_err(|error| {
            let error = DbError::from(error);
            self.doomed = true;
            self.harm = self.harm.max(Harm::of(&error));
            tracing::debug!(db.name = self.meter.name(), db.statement = text, error = %error, "statement failed");
            self.meter.failed(error)
        })
    }
}

impl Harm {
    pub(crate) fn of(error: &DbError) -> Self {
        let outage = match error {
            DbError::Unavailable { outage, .. } => *outage,
            DbError::Corrupt { .. } => return Self::Broken,
            DbError::Constraint { .. }
            | DbError::Contention { .. }
            | DbError::Overloaded
            | DbError::UnknownOutcome { .. }
            | DbError::Decode { .. }
            | DbError::NoRow
            | DbError::Query { .. }
            | DbError::Aborted
            | DbError::Panicked
            | DbError::Migration { .. }
            | DbError::Misconfigured(_) => return Self::None,
        };
        match outage {
            Outage::Flush => Self::Fatal,
            Outage::StatementTimeout | Outage::TransactionTimeout => Self::None,
            Outage::Connection
            | Outage::PoolTimeout
            | Outage::DiskFull
            | Outage::ReadOnly
            | Outage::Io
            | Outage::Closed => Self::Broken,
        }
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("db", &self.meter.name())
            .field("doomed", &self.doomed)
            .finish_non_exhaustive()
    }
}
