//! A fresh database for each test, and ways to bring concurrent callers into a known order.

use std::{future::Future, task::Poll, time::Duration};

use futures::future::BoxFuture;
use secrecy::SecretString;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};
use switchboard_db::{Db, DbError, DurabilityCheck, Settings, Tx, sql};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
};

/// Where a test's database lives: a folder, or a schema with a name of its own.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) name: String,
    folder: TempDir,
}

const TABLES: &str = "
CREATE TABLE session (id TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL);
CREATE TABLE entry (
    id                TEXT   NOT NULL PRIMARY KEY,
    session           TEXT   NOT NULL REFERENCES session (id),
    seq               BIGINT NOT NULL,
    client_message_id TEXT,
    body              TEXT   NOT NULL CONSTRAINT body_not_empty CHECK (length(body) > 0),
    flag              BIGINT NOT NULL,
    raw               BYTEA
);
CREATE UNIQUE INDEX entry_once ON entry (session, client_message_id);
CREATE UNIQUE INDEX entry_in_order ON entry (session, seq);
";

pub(crate) fn migrator(steps: &[&'static str]) -> Migrator {
    let migrations = steps.iter().zip(1..).map(|(text, version)| {
        Migration::new(version, "step".into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

impl World {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            url: None,
            data_dir: folder.path().join("data"),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(20),
            lock_timeout: Duration::from_secs(20),
            idle_in_transaction_timeout: Duration::from_secs(20),
            transaction_timeout: Duration::from_secs(20),
            migration_timeout: Duration::from_mins(1),
            write_queue: 1024,
            group_commit_max: 256,
            sqlite_cache_bytes: 1 << 20,
            sqlite_checkpoint_every: 50,
            durability_check: DurabilityCheck::Off,
        };
        let random = folder.path().file_name().unwrap().to_string_lossy();
        let random: String = random.chars().filter(char::is_ascii_alphanumeric).collect();
        Self { settings, name: format!("t_{}_{}", random.to_lowercase(), std::process::id()), folder }
    }

    pub(crate) fn postgres() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "tests of the engine have no configuration")]
        let url = std::env::var("SWITCHBOARD_TEST_POSTGRES").ok()?;
        let mut world = Self::sqlite();
        world.settings.url = Some(SecretString::from(url));
        Some(world)
    }

    /// Opens the database and makes the tables.
    pub(crate) async fn open(&self) -> Db {
        self.open_with(&self.settings).await
    }

    pub(crate) async fn open_with(&self, settings: &Settings) -> Db {
        let db = Db::open(settings, &self.name).await.unwrap();
        db.migrate(&migrator(&[TABLES])).await.unwrap();
        db
    }

    /// Runs a test; takes the schema away when it succeeded.
    pub(crate) async fn run(self, test: impl AsyncFnOnce(&Self)) {
        test(&self).await;
        if let Some(url) = &self.settings.url {
            let url = secrecy::ExposeSecret::expose_secret(url);
            let mut connection = PgConnection::connect(url).await.unwrap();
            let drop =
                format!("DROP SCHEMA IF EXISTS {0} CASCADE; DROP SCHEMA IF EXISTS {0}_b CASCADE", self.name);
            connection.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.unwrap();
        }
        self.folder.close().unwrap();
    }
}

pub(crate) async fn add_session(db: &Db, id: &'static str) {
    let add = sql("INSERT INTO session (id, seq) VALUES ($1, 0)").bind(id);
    write(db, add).await.unwrap();
}

/// One statement in a transaction of its own.
pub(crate) async fn write(db: &Db, statement: switchboard_db::Statement) -> Result<u64, DbError> {
    db.transaction(move |tx| Box::pin(tx.execute(statement))).await
}

/// Appends the next entry of session `s` with id `id`.
pub(crate) fn append(
    id: String,
) -> impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<i64, DbError>> + Send {
    move |tx| {
        Box::pin(async move {
            let next = sql("UPDATE session SET seq = seq + 1 WHERE id = $1 RETURNING seq").bind("s");
            let (seq,): (i64,) = tx.fetch_one(next).await?;
            let entry = sql("INSERT INTO entry (id, session, seq, client_message_id, body, flag) \
                             VALUES ($1, $2, $3, $1, $1, $4)");
            tx.execute(entry.bind(id).bind("s").bind(seq).bind(true)).await?;
            Ok(seq)
        })
    }
}

/// The entries of session `s` in order.
pub(crate) async fn entries(db: &Db) -> Vec<String> {
    let all = sql("SELECT id FROM entry WHERE session = $1 ORDER BY seq").bind("s");
    db.fetch_all::<(String,)>(all).await.unwrap().into_iter().map(|(id,)| id).collect()
}

/// A transaction that stays open until [`Gate::open`]: on SQLite everything asked for meanwhile waits behind it and
/// then shares one commit.
pub(crate) struct Gate {
    release: oneshot::Sender<()>,
    task: JoinSet<Result<(), DbError>>,
}

impl Gate {
    pub(crate) async fn shut(db: &Db) -> Self {
        let (release, released) = oneshot::channel::<()>();
        let entered = std::sync::Arc::new(Notify::new());
        let (db, inside) = (db.clone(), entered.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            db.transaction(move |_| {
                Box::pin(async move {
                    inside.notify_one();
                    let _ = released.await;
                    Ok(())
                })
            })
            .await
        });
        entered.notified().await;
        Self { release, task }
    }

    pub(crate) async fn open(self) {
        self.release.send(()).unwrap();
        for outcome in self.task.join_all().await {
            outcome.unwrap();
        }
    }
}

/// Polls once: hands the work over without waiting for its end.
pub(crate) async fn hand_over<F: Future + Unpin>(future: &mut F) {
    std::future::poll_fn(|context| {
        let _ = std::pin::Pin::new(&mut *future).poll(context);
        Poll::Ready(())
    })
    .await;
}
