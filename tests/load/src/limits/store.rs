//! The store's limit (f): callers that each wait until their own row is safe, and one writer that commits all that are
//! waiting together. SQLite with `synchronous=FULL`, or Postgres.

use crate::{clock::now_ns, error::Error, proc, stats};
use serde::{Deserialize, Serialize};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, QueryBuilder, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{path::Path, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// Rows that share one commit at most.
const GROUP_MAX: usize = 512;
const TEXT: &str =
    "Hello, my order has not arrived yet; the number is 20261122-000123. Could you look where it is, please?";

/// What one run found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Rows acknowledged.
    pub(crate) rows: u64,
    /// Length of the run, in seconds.
    pub(crate) secs: f64,
    /// Wait for an acknowledgement, in microseconds.
    pub(crate) p50_us: f64,
    /// See [`Self::p50_us`].
    pub(crate) p99_us: f64,
    /// CPU time of this process during the run, in microseconds.
    pub(crate) cpu_us: f64,
}

/// Where the rows go.
#[derive(Debug)]
enum Store {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

struct Row {
    session: i64,
    done: oneshot::Sender<()>,
}

/// Lets `waiters` write for `time`, each waiting for its own row.
pub(crate) async fn run(
    folder: &Path,
    postgres: Option<&str>,
    waiters: usize,
    time: Duration,
) -> Result<Found, Error> {
    let store = Store::open(folder, postgres)
        .await
        .map_err(|error| Error::other("the store cannot be opened", error))?;
    let me = proc::Group::of(vec![std::process::id()]);
    let (sender, receiver) = mpsc::channel(8192);
    let (before, began) = (me.cpu(), Instant::now());
    let callers: Vec<_> =
        (0..waiters).map(|caller| tokio::spawn(wait(caller, sender.clone(), began + time))).collect();
    drop(sender);
    write(store, receiver).await.map_err(|error| Error::other("a row cannot be written", error))?;
    let secs = began.elapsed().as_secs_f64();
    let cpu_us = me.cpu().saturating_sub(before).as_secs_f64() * 1e6;
    let mut waits = Vec::new();
    for caller in callers {
        waits.extend(caller.await.map_err(|error| Error::other("a caller failed", error))?);
    }
    waits.sort_unstable();
    let us = |percent| stats::real(stats::percentile(&waits, percent)) / 1e3;
    let rows = u64::try_from(waits.len()).unwrap_or(u64::MAX);
    Ok(Found { rows, secs, p50_us: us(50), p99_us: us(99), cpu_us })
}

async fn wait(caller: usize, rows: mpsc::Sender<Row>, until: Instant) -> Vec<u64> {
    let session = i64::try_from(caller).unwrap_or(i64::MAX);
    let mut waits = Vec::new();
    while Instant::now() < until {
        let began = now_ns();
        let (done, safe) = oneshot::channel();
        if rows.send(Row { session, done }).await.is_err() || safe.await.is_err() {
            break; // the writer has failed and tells why
        }
        waits.push(now_ns().saturating_sub(began));
    }
    waits
}

/// Clocks itself: what arrives during one commit shares the next.
async fn write(mut store: Store, mut rows: mpsc::Receiver<Row>) -> Result<(), sqlx::Error> {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while rows.recv_many(&mut group, GROUP_MAX).await > 0 {
        store.insert(&group).await?;
        for row in group.drain(..) {
            // A caller that no longer waits has ended.
            let _ = row.done.send(());
        }
    }
    Ok(())
}

impl Store {
    async fn open(folder: &Path, postgres: Option<&str>) -> Result<Self, sqlx::Error> {
        if let Some(url) = postgres {
            let mut connection = PgConnection::connect(url).await?;
            for sql in [
                "create schema if not exists load_bench",
                "drop table if exists load_bench.message",
                "create table load_bench.message(id bigserial primary key, session bigint not null, \
                 role integer not null, at bigint not null, body text not null)",
                "create index on load_bench.message(session, id)",
            ] {
                sqlx::query(sql).execute(&mut connection).await?;
            }
            return Ok(Self::Postgres(connection));
        }
        let mut connection = SqliteConnectOptions::new()
            .filename(folder.join("limit.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .connect()
            .await?;
        for sql in [
            "create table if not exists message(id integer primary key, session integer not null, \
             role integer not null, at integer not null, body text not null)",
            "create index if not exists message_session on message(session, id)",
        ] {
            sqlx::query(sql).execute(&mut connection).await?;
        }
        Ok(Self::Sqlite(connection))
    }

    /// One statement, one transaction, one wait for the disk.
    async fn insert(&mut self, group: &[Row]) -> Result<(), sqlx::Error> {
        let at = i64::try_from(now_ns() / 1_000_000).unwrap_or(i64::MAX);
        match self {
            Self::Sqlite(connection) => {
                let mut insert = QueryBuilder::new("insert into message(session, role, at, body) ");
                insert.push_values(group, |mut values, row| {
                    values.push_bind(row.session).push_bind(1).push_bind(at).push_bind(TEXT);
                });
                insert.build().execute(connection).await?;
            }
            Self::Postgres(connection) => {
                let sessions: Vec<i64> = group.iter().map(|row| row.session).collect();
                let insert = "insert into load_bench.message(session, role, at, body) \
                              select session, 1, $2, $3 from unnest($1::bigint[]) as session";
                sqlx::query(insert).bind(sessions).bind(at).bind(TEXT).execute(connection).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_acknowledged_row_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let found = run(folder.path(), None, 4, Duration::from_millis(30)).await.unwrap();
        let mut file =
            SqliteConnectOptions::new().filename(folder.path().join("limit.db")).connect().await.unwrap();
        let rows: i64 =
            sqlx::query_scalar("select count(*) from message").fetch_one(&mut file).await.unwrap();
        assert!(found.rows >= 4);
        assert_eq!(u64::try_from(rows), Ok(found.rows));
    }
}
