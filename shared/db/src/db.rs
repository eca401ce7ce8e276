//! The one type stores hold.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sqlx::migrate::Migrator;

use crate::{
    DbError, Outage, Row, Settings, Statement, Tx,
    job::pack,
    meter::Meter,
    postgres::Postgres,
    sql,
    sqlite::{Sqlite, State},
};

/// Which engine a [`Db`] runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file beside the process.
    Sqlite,
    /// A server.
    Postgres,
}

/// An open database. Clones share everything.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Backend,
    meter: Meter,
}

enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Db {
    /// Opens the database of the service `name` (`a-z`, `0-9`, `_`): the schema of that name on the Postgres server of
    /// the URL, made when missing, or without a URL the file `<data_dir>/<name>.db`.
    ///
    /// # Errors
    /// [`DbError::Misconfigured`] when the settings, the name, the folder, the rights or the server's durability do not
    /// allow it; [`DbError::Unavailable`] when the engine does not answer in time.
    pub async fn open(settings: &Settings, name: &str) -> Result<Self, DbError> {
        settings.check(name)?;
        let meter = Meter::new(name);
        let backend = match settings.postgres_url() {
            Some(url) => Backend::Postgres(Postgres::open(settings, url, name, &meter).await?),
            None => Backend::Sqlite(Sqlite::open(settings, name, &meter).await?),
        };
        Ok(Self { inner: Arc::new(Inner { backend, meter }) })
    }

    /// Brings the tables to the version of this program. Safe when many processes start at once: one works, the others
    /// wait for it and find nothing left to do.
    ///
    /// # Errors
    /// [`DbError::Migration`] when a step fails or the applied ones differ from `migrator`'s; [`DbError::Contention`]
    /// when another process does not finish in time.
    pub async fn migrate(&self, migrator: &Migrator) -> Result<(), DbError> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.migrate(migrator).await,
            Backend::Postgres(postgres) => postgres.migrate(migrator).await,
        }
    }

    /// The engine chosen when this was opened.
    pub fn engine(&self) -> Engine {
        match &self.inner.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// Whether reads and writes can be expected to work: for readiness. After a failed write on SQLite this writes, so
    /// that a disk with room again is noticed without traffic.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when they cannot.
    pub async fn ping(&self) -> Result<(), DbError> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => match sqlite.state() {
                State::Well => self.fetch_one::<(i64,)>(sql("SELECT 1")).await.map(drop),
                State::Failing => {
                    let probe = sql("PRAGMA user_version = 0");
                    self.transaction(move |tx| Box::pin(async move { tx.execute(probe).await.map(drop) }))
                        .await
                }
                State::Stopped => Err(DbError::unavailable(Outage::Flush)),
            },
            Backend::Postgres(_) => {
                let standby = sql("SELECT CAST(CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END AS BIGINT)");
                match self.fetch_one(standby).await? {
                    (0_i64,) => Ok(()),
                    _ => Err(DbError::unavailable(Outage::ReadOnly)),
                }
            }
        }
    }

    /// Refuses new work, finishes what was accepted, closes. On SQLite the log is folded into the file.
    pub async fn close(&self) {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Runs `work` in one write transaction and answers its result once that is on the disk. `Err` from `work` rolls
    /// back, so does a panic or a statement whose failure `work` swallowed. The transaction goes on to its end even
    /// when the returned future is dropped. It is never repeated: a [`DbError::Contention`] is the caller's to repeat.
    ///
    /// SQLite runs the work of concurrent callers one after the other and flushes once for all of them; one that fails
    /// takes nothing of its neighbours with it. Postgres runs them side by side at READ COMMITTED.
    ///
    /// # Errors
    /// What `work` answered; [`DbError::Overloaded`] when the queue is full; [`DbError::UnknownOutcome`] when the answer
    /// to COMMIT is missing; any other [`DbError`] when nothing was stored.
    pub async fn transaction<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let meter = &self.inner.meter;
        let (job, answer) = pack(work, meter.clone());
        let submitted = match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.submit(job),
            Backend::Postgres(postgres) => postgres.submit(job),
        };
        submitted.map_err(|error| E::from(meter.failed(error)))?;
        // Without an answer the runtime is going down, possibly during a COMMIT.
        answer.await.unwrap_or_else(|_| Err(E::from(meter.failed(DbError::UnknownOutcome { source: None }))))
    }

    /// Reads all rows, outside of any transaction.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub async fn fetch_all<R: Row>(&self, statement: Statement) -> Result<Vec<R>, DbError> {
        let (mut reader, limit) = self.reader().await?;
        let outcome = tokio::time::timeout(limit, reader.fetch_all(statement)).await;
        self.end_read(reader, outcome).await
    }

    /// Reads the first row, if there is any, outside of any transaction.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub async fn fetch_optional<R: Row>(&self, statement: Statement) -> Result<Option<R>, DbError> {
        let (mut reader, limit) = self.reader().await?;
        let outcome = tokio::time::timeout(limit, reader.fetch_optional(statement)).await;
        self.end_read(reader, outcome).await
    }

    /// Reads the first row, outside of any transaction.
    ///
    /// # Errors
    /// [`DbError::NoRow`] if there is none; any [`DbError`] of a read.
    pub async fn fetch_one<R: Row>(&self, statement: Statement) -> Result<R, DbError> {
        self.fetch_optional(statement).await?.ok_or(DbError::NoRow)
    }

    async fn reader(&self) -> Result<(Tx, Duration), DbError> {
        let (connection, limit) = match &self.inner.backend {
            Backend::Sqlite(sqlite) => (sqlite.reader().await, sqlite.read_timeout()),
            Backend::Postgres(postgres) => (postgres.reader().await, postgres.read_timeout()),
        };
        let meter = &self.inner.meter;
        let connection = connection.map_err(|error| meter.failed(error))?;
        Ok((Tx::new(connection, meter.clone()), limit))
    }

    async fn end_read<T>(
        &self,
        reader: Tx,
        outcome: Result<Result<T, DbError>, tokio::time::error::Elapsed>,
    ) -> Result<T, DbError> {
        if let Ok(outcome) = outcome {
            return outcome;
        }
        // The statement still runs; the connection is of no use to the next reader.
        reader.discard().await;
        Err(self.inner.meter.failed(DbError::unavailable(Outage::StatementTimeout)))
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("name", &self.inner.meter.name()).field("engine", &self.engine()).finish()
    }
}
