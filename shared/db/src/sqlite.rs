//! SQLite: one file per service, one writer that owns its connection, and a pool that only reads.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection as _, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    DbError, Outage, Settings,
    job::Job,
    meter::Meter,
    tx::{Connection, Tx},
};

mod writer;

pub(crate) use writer::State;
use writer::{Health, Writer};

/// How often to look again whether another process let go of the file while it opens or migrates it.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// An open SQLite database.
pub(crate) struct Sqlite {
    readers: SqlitePool,
    queue: mpsc::Sender<Box<dyn Job>>,
    closing: CancellationToken,
    tasks: TaskTracker,
    health: Arc<Health>,
    options: SqliteConnectOptions,
    lock_path: PathBuf,
    migration_timeout: Duration,
    statement_timeout: Duration,
}

impl Sqlite {
    pub(crate) async fn open(settings: &Settings, name: &str, meter: &Meter) -> Result<Self, DbError> {
        tokio::fs::create_dir_all(&settings.data_dir).await.map_err(|error| {
            DbError::Misconfigured(format!(
                "the folder {} cannot be made: {error}",
                settings.data_dir.display()
            ))
        })?;
        let path = settings.data_dir.join(format!("{name}.db"));
        owned_by_us_alone(&path)?;
        let options = options(settings, &path);
        let lock_path = settings.data_dir.join(format!("{name}.db.lock"));

        // Turning a new file into WAL mode needs it alone and does not wait for it: one process after the other.
        let lock = lock(&lock_path, settings.migration_timeout).await?;
        let connection = options.connect().await?;
        drop(lock);

        let readers = SqlitePoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(reading(settings, &path));
        let (queue, jobs) = mpsc::channel(settings.write_queue);
        let (closing, tasks, health) =
            (CancellationToken::new(), TaskTracker::new(), Arc::new(Health::new()));
        let writer = Writer::new(
            settings,
            options.clone(),
            Tx::new(Connection::Sqlite(connection), meter.clone()),
            Arc::clone(&health),
            meter.clone(),
            readers.clone(),
        );
        tasks.spawn(writer.run(jobs, closing.clone()));
        tasks.close();
        Ok(Self {
            readers,
            queue,
            closing,
            tasks,
            health,
            options,
            lock_path,
            migration_timeout: settings.migration_timeout,
            statement_timeout: settings.statement_timeout,
        })
    }

    /// Queues work for the writer.
    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<(), DbError> {
        self.queue.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => DbError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => DbError::unavailable(Outage::Closed),
        })
    }

    /// A connection for one read.
    pub(crate) async fn reader(&self) -> Result<Connection, DbError> {
        Ok(Connection::SqliteReader(self.readers.acquire().await?))
    }

    /// How long one read may take.
    pub(crate) fn read_timeout(&self) -> Duration {
        self.statement_timeout
    }

    pub(crate) fn state(&self) -> State {
        self.health.state()
    }

    /// Applies what is missing. One process after the other; sqlx has no lock of its own on this engine.
    pub(crate) async fn migrate(&self, migrator: &Migrator) -> Result<(), DbError> {
        let _lock = lock(&self.lock_path, self.migration_timeout).await?;
        let mut connection = self.options.connect().await?;
        let outcome = migrator.run_direct(None, &mut connection, false).await;
        connection.close().await?;
        outcome.map_err(DbError::from)
    }

    /// Finishes what is queued, moves the log into the file and closes it.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.tasks.wait().await;
    }
}

/// A connection that writes.
fn options(settings: &Settings, file: &Path) -> SqliteConnectOptions {
    base(settings, file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a commit is on the disk before it is answered. Set explicitly, builds of SQLite differ in their default.
        .synchronous(SqliteSynchronous::Full)
        // The writer makes its checkpoints itself, after answering: a failing flush in there must not go unheard.
        .pragma("wal_autocheckpoint", "0")
}

/// A connection that only reads.
fn reading(settings: &Settings, file: &Path) -> SqliteConnectOptions {
    base(settings, file).read_only(true)
}

fn base(settings: &Settings, file: &Path) -> SqliteConnectOptions {
    let cache_kib = settings.sqlite_cache_bytes.div_ceil(1024);
    SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(true)
        .busy_timeout(settings.lock_timeout)
        // Negative: a size in KiB rather than in pages.
        .pragma("cache_size", format!("-{cache_kib}"))
        // A disk error in mapped memory would be a signal that ends the process instead of an error.
        .pragma("mmap_size", "0")
}

/// Makes the database file readable for us alone: signing keys and customers' words are in there. SQLite gives its
/// journal files the mode of the database.
fn owned_by_us_alone(path: &Path) -> Result<(), DbError> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(0o600)))
        .map_err(|error| DbError::Misconfigured(format!("{} cannot be used: {error}", path.display())))
}

/// Takes the lock file, held until the returned file is dropped.
async fn lock(path: &Path, patience: Duration) -> Result<File, DbError> {
    let refused = |error: io::Error| {
        DbError::Misconfigured(format!("the lock file {} cannot be used: {error}", path.display()))
    };
    let file = File::options().create(true).append(true).open(path).map_err(refused)?;
    let until = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => tokio::time::sleep(LOCK_POLL).await,
            Err(TryLockError::WouldBlock) => return Err(DbError::Contention { source: None }),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
    }
}
