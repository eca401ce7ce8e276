//! Group commit without a timer: take all that waits, run it in one transaction, flush once, then answer everybody. The
//! flush itself is the clock: a lone caller waits for nobody, a crowd shares the price.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, SqlitePool, sqlite::SqliteConnectOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    DbError, Outage, Settings,
    job::{Job, run_within},
    meter::Meter,
    tx::{Connection, Harm, Tx},
};

// IMMEDIATE takes the write lock at once: a transaction that reads first and writes later would otherwise fail, without
// waiting, whenever another process wrote in between.
const BEGIN: &str = "BEGIN IMMEDIATE";
const BEGIN_MANY: &str = "BEGIN IMMEDIATE; SAVEPOINT job";
const KEEP: &str = "RELEASE job; SAVEPOINT job";
const UNDO: &str = "ROLLBACK TO job";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";
const LAST_CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Owns the only connection that writes.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    tx: Option<Tx>,
    health: Arc<Health>,
    meter: Meter,
    readers: SqlitePool,
    group_commit_max: usize,
    transaction_timeout: Duration,
    checkpoint_every: u64,
    since_checkpoint: u64,
}

/// How the last write went, for readiness.
#[derive(Debug)]
pub(super) struct Health(AtomicU8);

/// What [`Health`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The last write was stored.
    Well,
    /// The last write failed; the next may succeed.
    Failing,
    /// A flush failed. What the disk holds is unknown, so nothing is acknowledged until a restart re-reads it.
    Stopped,
}

impl Health {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    pub(super) fn state(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Well,
            1 => State::Failing,
            _ => State::Stopped,
        }
    }

    fn set(&self, harm: Harm) {
        let level = match harm {
            Harm::None => 0,
            Harm::Broken => 1,
            Harm::Fatal => 2,
        };
        if self.state() != State::Stopped {
            self.0.store(level, Ordering::Release);
        }
    }
}

impl Writer {
    pub(super) fn new(
        settings: &Settings,
        options: SqliteConnectOptions,
        tx: Tx,
        health: Arc<Health>,
        meter: Meter,
        readers: SqlitePool,
    ) -> Self {
        Self {
            options,
            tx: Some(tx),
            health,
            meter,
            readers,
            group_commit_max: settings.group_commit_max,
            transaction_timeout: settings.transaction_timeout,
            checkpoint_every: settings.sqlite_checkpoint_every,
            since_checkpoint: 0,
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>, closing: CancellationToken) {
        let mut group = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled(), if !queue.is_closed() => queue.close(),
                taken = queue.recv_many(&mut group, self.group_commit_max) => {
                    if taken == 0 {
                        break;
                    }
                    self.serve(&mut group).await;
                }
            }
        }
        self.finish().await;
    }

    async fn serve(&mut self, group: &mut Vec<Box<dyn Job>>) {
        self.meter.group(group.len());
        let end = self.attempt(group).await;
        self.since_checkpoint += group.len() as u64;
        // Failed work is answered only here too: it may have decided on rows that a neighbour wrote just before.
        for job in group.drain(..) {
            job.answer(end.clone());
        }
        self.checkpoint_when_due().await;
    }

    /// One transaction for the whole group. `Err` means that nothing of it is acknowledged.
    async fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), DbError> {
        if self.health.state() == State::Stopped {
            return Err(self.meter.failed(DbError::unavailable(Outage::Flush)));
        }
        let mut tx = match self.tx.take() {
            Some(tx) => tx,
            None => self.reopen().await?,
        };
        tx.renew();
        let begin = if group.len() == 1 { BEGIN } else { BEGIN_MANY };
        if let Err(error) = tx.control(begin).await {
            self.put_back(tx).await;
            return Err(error);
        }
        let end = match group {
            [job] => self.commit_one(&mut tx, &mut **job).await,
            group => self.commit_many(&mut tx, group).await,
        };
        if end.is_err() {
            tx.distrust();
        }
        self.put_back(tx).await;
        end
    }

    async fn commit_one(&self, tx: &mut Tx, job: &mut dyn Job) -> Result<(), DbError> {
        if run_within(self.transaction_timeout, job, tx).await {
            return tx.control(COMMIT).await.map_err(DbError::of_commit);
        }
        // After some errors SQLite has rolled back by itself. The work failed either way and says why.
        if tx.control(ROLLBACK).await.is_err() {
            tx.distrust();
        }
        Ok(())
    }

    async fn commit_many(&self, tx: &mut Tx, group: &mut [Box<dyn Job>]) -> Result<(), DbError> {
        for job in group {
            let keep = run_within(self.transaction_timeout, &mut **job, tx).await;
            tx.renew();
            // Without its savepoint the transaction is gone: SQLite rolled back by itself when the disk failed.
            tx.control(if keep { KEEP } else { UNDO })
                .await
                .map_err(|_| self.meter.failed(DbError::unavailable(Outage::Io)))?;
        }
        tx.control(COMMIT).await.map_err(|error| {
            if let DbError::Constraint { source, .. } = error {
                // A rule that is checked late. Alone, the guilty one will hear of it and the others will succeed.
                return DbError::Contention { source: Some(source) };
            }
            error.of_commit()
        })
    }

    /// Keeps a sound connection for the next group; closes any other, which rolls back whatever is open on it.
    async fn put_back(&mut self, tx: Tx) {
        let harm = tx.harm();
        self.note(harm);
        if harm == Harm::None {
            self.tx = Some(tx);
        } else {
            tx.discard().await;
        }
    }

    fn note(&self, harm: Harm) {
        let before = self.health.state();
        self.health.set(harm);
        let after = self.health.state();
        if before == after {
            return;
        }
        match after {
            State::Well => tracing::info!(db.name = self.meter.name(), "the database stores writes again"),
            State::Failing => {
                tracing::warn!(db.name = self.meter.name(), "the database failed to store a write");
            }
            State::Stopped => {
                tracing::error!(
                    db.name = self.meter.name(),
                    "flushing to disk failed: no write until a restart"
                );
            }
        }
    }

    async fn reopen(&self) -> Result<Tx, DbError> {
        match self.options.connect().await {
            Ok(connection) => Ok(Tx::new(Connection::Sqlite(connection), self.meter.clone())),
            Err(error) => {
                let error = self.meter.failed(DbError::from(error));
                self.note(Harm::of(&error));
                Err(error)
            }
        }
    }

    /// Copies the log into the file, after the callers have their answers.
    async fn checkpoint_when_due(&mut self) {
        if self.since_checkpoint < self.checkpoint_every {
            return;
        }
        let Some(mut tx) = self.tx.take() else { return };
        self.since_checkpoint = 0;
        tx.renew();
        // Busy readers make it copy less, which is no failure; a failing disk is judged like that of any write.
        let copied = tx.control(CHECKPOINT).await;
        tracing::trace!(db.name = self.meter.name(), ok = copied.is_ok(), "checkpoint");
        if tx.harm() == Harm::None {
            self.tx = Some(tx);
        } else {
            self.put_back(tx).await;
        }
    }

    async fn finish(mut self) {
        // The readers go first: the last connection that writes can then fold the log into the file.
        self.readers.close().await;
        let Some(mut tx) = self.tx.take() else { return };
        tx.renew();
        if let Err(error) = tx.control(LAST_CHECKPOINT).await {
            tracing::warn!(db.name = self.meter.name(), error = %error, "the log stays beside the file");
        }
        tx.discard().await;
    }
}
