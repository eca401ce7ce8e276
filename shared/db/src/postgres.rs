//! Postgres: one pool, one schema per service, every transaction in a task of its own.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::{Semaphore, TryAcquireError};
use tokio_util::task::TaskTracker;

use crate::{
    DbError, DurabilityCheck, Outage, Settings,
    job::{Job, run_within},
    meter::Meter,
    tx::{Connection, Tx},
};

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// Server settings without which an acknowledged write can be lost.
const DURABLE: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// An open Postgres schema.
pub(crate) struct Postgres {
    pool: PgPool,
    admin: PgConnectOptions,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    meter: Meter,
    transaction_timeout: Duration,
    migration_timeout: Duration,
}

impl Postgres {
    pub(crate) async fn open(
        settings: &Settings,
        url: &str,
        name: &str,
        meter: &Meter,
    ) -> Result<Self, DbError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(DbError::Misconfigured("database.url does not start with postgres://".into()));
        }
        // The parser's own words could quote the password.
        let base = PgConnectOptions::from_str(url)
            .map_err(|_| DbError::Misconfigured("database.url is no Postgres URL".into()))?
            .application_name(&format!("switchboard-{name}"))
            .options([("search_path", name)]);
        let options = base.clone().options([
            ("statement_timeout", milliseconds(settings.statement_timeout)),
            ("lock_timeout", milliseconds(settings.lock_timeout)),
            ("idle_in_transaction_session_timeout", milliseconds(settings.idle_in_transaction_timeout)),
        ]);
        // A migration may take longer than any statement of the service, and waits for its turn longer than for a lock.
        let admin = base.options([
            ("statement_timeout", "0".to_owned()),
            ("lock_timeout", milliseconds(settings.migration_timeout)),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            .connect_with(options)
            .await?;
        let mut connection = pool.acquire().await?;
        check_durability(&mut connection, settings.durability_check).await?;
        ensure_schema(&mut connection, name).await?;
        drop(connection);
        Ok(Self {
            pool,
            admin,
            slots: Arc::new(Semaphore::new(settings.write_queue)),
            tasks: TaskTracker::new(),
            meter: meter.clone(),
            transaction_timeout: settings.transaction_timeout,
            migration_timeout: settings.migration_timeout,
        })
    }

    /// Starts work in a task of its own, which a caller that gives up does not take with it.
    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<(), DbError> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|refused| match refused {
            TryAcquireError::NoPermits => DbError::Overloaded,
            TryAcquireError::Closed => DbError::unavailable(Outage::Closed),
        })?;
        let (pool, meter, limit) = (self.pool.clone(), self.meter.clone(), self.transaction_timeout);
        self.tasks.spawn(async move {
            transact(&pool, &meter, limit, job).await;
            drop(slot);
        });
        Ok(())
    }

    /// A connection for one read.
    pub(crate) async fn reader(&self) -> Result<Connection, DbError> {
        Ok(Connection::Postgres(self.pool.acquire().await?))
    }

    /// How long to wait for the answer to one read. The server ends a statement earlier; this is for one that is gone.
    pub(crate) fn read_timeout(&self) -> Duration {
        self.transaction_timeout
    }

    /// Applies what is missing, on a connection of its own. sqlx holds an advisory lock meanwhile.
    pub(crate) async fn migrate(&self, migrator: &Migrator) -> Result<(), DbError> {
        let connect = tokio::time::timeout(self.migration_timeout, self.admin.connect()).await;
        let mut connection = connect.map_err(|_| DbError::unavailable(Outage::Connection))??;
        let outcome = migrator.run_direct(None, &mut connection, false).await;
        // Also lets go of the advisory lock, which a failed step leaves behind.
        drop(connection.close().await);
        outcome.map_err(DbError::from)
    }

    /// Finishes the transactions under way and closes the pool.
    pub(crate) async fn close(&self) {
        self.slots.close();
        self.tasks.close();
        self.tasks.wait().await;
        self.pool.close().await;
    }
}

/// One transaction from BEGIN to its answer.
async fn transact(pool: &PgPool, meter: &Meter, limit: Duration, mut job: Box<dyn Job>) {
    let connection = match pool.acquire().await {
        Ok(connection) => connection,
        Err(error) => return job.answer(Err(meter.failed(error.into()))),
    };
    let mut tx = Tx::new(Connection::Postgres(connection), meter.clone());
    if let Err(error) = control(&mut tx, meter, limit, BEGIN).await {
        tx.discard().await;
        return job.answer(Err(error));
    }
    let keep = run_within(limit, &mut *job, &mut tx).await;
    tx.renew();
    let ended = control(&mut tx, meter, limit, if keep { COMMIT } else { ROLLBACK }).await;
    if ended.is_err() {
        tx.discard().await;
    } else {
        drop(tx);
    }
    job.answer(if keep { ended.map_err(DbError::of_commit) } else { Ok(()) });
}

/// Runs BEGIN, COMMIT or ROLLBACK; a server that does not answer is a lost connection.
async fn control(tx: &mut Tx, meter: &Meter, limit: Duration, text: &'static str) -> Result<(), DbError> {
    match tokio::time::timeout(limit, tx.control(text)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(meter.failed(DbError::unavailable(Outage::Connection))),
    }
}

async fn check_durability(connection: &mut PgConnection, check: DurabilityCheck) -> Result<(), DbError> {
    if check == DurabilityCheck::Off {
        return Ok(());
    }
    let mut lax = Vec::new();
    for key in DURABLE {
        let (value,): (String,) =
            sqlx::query_as("SELECT current_setting($1)").bind(key).fetch_one(&mut *connection).await?;
        if value == "off" {
            lax.push(key);
        }
    }
    if lax.is_empty() {
        return Ok(());
    }
    let lax = lax.join(", ");
    if check == DurabilityCheck::Enforce {
        return Err(DbError::Misconfigured(format!(
            "the server would lose acknowledged writes: {lax} is off"
        )));
    }
    tracing::warn!(db.settings = %lax, "the server would lose acknowledged writes: settings are off");
    Ok(())
}

/// Makes the schema when it is missing. `name` was checked: it needs no quoting and fits nothing but a name.
async fn ensure_schema(connection: &mut PgConnection, name: &str) -> Result<(), DbError> {
    // Looked up first: a role without the right to create schemas may use one that was made for it.
    const EXISTS: &str = "SELECT COUNT(*) FROM pg_namespace WHERE nspname = $1";
    // Two processes that create it at once would both find it missing; the second would fail.
    const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended('switchboard.schema', 0))";

    let (count,): (i64,) = sqlx::query_as(EXISTS).bind(name).fetch_one(&mut *connection).await?;
    if count > 0 {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    sqlx::query(TURN).execute(&mut *transaction).await?;
    sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS \"{name}\"")))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Never 0, which would mean no limit.
fn milliseconds(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}
