//! SQLite alone: commits are shared, and the file is what it should be.

use metrics_exporter_prometheus::PrometheusBuilder;
use switchboard_db::sql;
use tokio::task::JoinSet;

use crate::world::{World, add_session, append, entries, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_shares_commits() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let figures = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    let world = World::sqlite();
    let db = world.open().await;
    add_session(&db, "s").await;
    let mut callers = JoinSet::new();
    for n in 0..200 {
        let db = db.clone();
        callers.spawn(async move { db.transaction(append(format!("n{n}"))).await });
    }
    for outcome in callers.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(entries(&db).await.len(), 200);
    let text = figures.render();
    let figure = |name: &str| -> f64 {
        let series = format!("{name}{{db=\"{}\"", world.name);
        let line = text
            .lines()
            .find(|line| line.starts_with(&series))
            .unwrap_or_else(|| panic!("no {series} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let commits = figure("switchboard_db_group_size_count");
    assert!(figure("switchboard_db_group_size_sum") >= 201.0);
    assert!(commits <= 100.0, "200 transactions took {commits} commits");
    assert!(figure("switchboard_db_transaction_seconds_count") >= 201.0);
    db.close().await;
}

#[tokio::test]
async fn the_writer_flushes_each_commit_and_reads_cannot_write() {
    let world = World::sqlite();
    let db = world.open().await;
    let asked = db
        .transaction(|tx| {
            Box::pin(async move {
                let (mode,): (String,) = tx.fetch_one(sql("PRAGMA journal_mode")).await?;
                let (synchronous,): (i64,) = tx.fetch_one(sql("PRAGMA synchronous")).await?;
                let (foreign_keys,): (i64,) = tx.fetch_one(sql("PRAGMA foreign_keys")).await?;
                let (cache,): (i64,) = tx.fetch_one(sql("PRAGMA cache_size")).await?;
                Ok::<_, switchboard_db::DbError>((mode, synchronous, foreign_keys, cache))
            })
        })
        .await;
    assert_eq!(asked.unwrap(), ("wal".to_owned(), 2, 1, -1024));
    let written =
        db.fetch_all::<(String,)>(sql("INSERT INTO session (id, seq) VALUES ('x', 0) RETURNING id")).await;
    assert!(written.is_err());
    db.close().await;
}

#[tokio::test]
async fn closing_folds_the_log_into_the_file() {
    let world = World::sqlite();
    let db = world.open().await;
    add_session(&db, "s").await;
    for n in 0..120 {
        db.transaction(append(format!("n{n}"))).await.unwrap();
    }
    assert_eq!(entries(&db).await.len(), 120);
    let log = world.settings.data_dir.join(format!("{}.db-wal", world.name));
    let grown = std::fs::metadata(&log).unwrap().len();
    // Each append writes some pages of 4 KiB; with a checkpoint every 50 the log starts again at its beginning.
    assert!(grown < 120 * 6 * 4096, "the log grew to {grown} bytes");
    db.close().await;
    assert!(!log.exists(), "the log is still there");
    let db = world.open().await;
    assert_eq!(entries(&db).await.len(), 120);
    write(&db, sql("DELETE FROM entry")).await.unwrap();
    db.close().await;
}
