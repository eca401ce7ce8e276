//! A full disk, another process that holds the file, a server that goes away.

use std::time::Duration;

use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use switchboard_db::{DbError, Outage, sql};

use crate::world::{Gate, World, add_session, append, entries, hand_over};

#[tokio::test]
async fn a_full_disk_fails_the_write_and_is_over_when_there_is_room() {
    let world = World::sqlite();
    let db = world.open().await;
    add_session(&db, "s").await;
    let filling = db.transaction(|tx| {
        Box::pin(async move {
            append("big".into())(tx).await?;
            tx.fetch_one::<(i64,)>(sql("PRAGMA max_page_count = 1")).await?;
            let big = sql("UPDATE entry SET raw = $1").bind(vec![7_u8; 1 << 20]);
            tx.execute(big).await.map(drop)
        })
    });
    let full = filling.await.unwrap_err();
    assert!(matches!(&full, DbError::Unavailable { outage: Outage::DiskFull, .. }), "{full:?}");
    assert!(entries(&db).await.is_empty(), "reads go on");
    // The limit belonged to the connection, which was replaced: the probe finds room.
    db.ping().await.unwrap();
    assert_eq!(db.transaction(append("next".into())).await.unwrap(), 1);
    db.close().await;
}

#[tokio::test]
async fn a_full_disk_in_a_group_acknowledges_nobody_wrongly() {
    let world = World::sqlite();
    let db = world.open().await;
    add_session(&db, "s").await;
    let gate = Gate::shut(&db).await;
    let mut before = Box::pin(db.transaction(append("before".into())));
    let mut filling = Box::pin(db.transaction(|tx| {
        Box::pin(async move {
            tx.fetch_one::<(i64,)>(sql("PRAGMA max_page_count = 1")).await?;
            let big = sql(
                "INSERT INTO entry (id, session, seq, body, flag, raw) VALUES ('f', 's', 99, 'b', 0, $1)",
            );
            tx.execute(big.bind(vec![7_u8; 1 << 20])).await.map(drop)
        })
    }));
    let mut after = Box::pin(db.transaction(append("after".into())));
    hand_over(&mut before).await;
    hand_over(&mut filling).await;
    hand_over(&mut after).await;
    gate.open().await;
    let outcomes = [("before", before.await.is_ok()), ("after", after.await.is_ok())];
    assert!(filling.await.is_err());
    let stored = entries(&db).await;
    for (id, acknowledged) in outcomes {
        assert_eq!(stored.iter().any(|stored| stored == id), acknowledged, "{id}");
    }
    db.transaction(append("next".into())).await.unwrap();
    db.close().await;
}

#[tokio::test]
async fn a_file_somebody_else_is_writing_is_contention() {
    let world = World::sqlite();
    let mut settings = world.settings.clone();
    settings.lock_timeout = Duration::from_millis(50);
    let db = world.open_with(&settings).await;
    add_session(&db, "s").await;
    let file = settings.data_dir.join(format!("{}.db", world.name));
    let mut other =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let busy = db.transaction(append("busy".into())).await.unwrap_err();
    assert!(matches!(&busy, DbError::Contention { .. }), "{busy:?}");
    assert!(entries(&db).await.is_empty(), "reads go on");
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(db.transaction(append("free".into())).await.unwrap(), 1);
    other.close().await.unwrap();
    db.close().await;
}

const END_SESSION: &str =
    "SELECT CASE WHEN pg_terminate_backend(CAST($1 AS INTEGER)) THEN 'ended' ELSE 'gone' END";
const SESSION: &str = "SELECT CAST(pg_backend_pid() AS BIGINT)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_while_working_stores_nothing_and_is_replaced() {
    let Some(world) = World::postgres() else { return };
    world
        .run(async |world| {
            let db = world.open().await;
            add_session(&db, "s").await;
            let lost: Result<(), DbError> = db
                .transaction(|tx| {
                    Box::pin(async move {
                        append("lost".into())(tx).await?;
                        let (pid,): (i64,) = tx.fetch_one(sql(SESSION)).await?;
                        tx.fetch_one::<(String,)>(sql(END_SESSION).bind(pid)).await.map(drop)
                    })
                })
                .await;
            let lost = lost.unwrap_err();
            assert!(matches!(&lost, DbError::Unavailable { outage: Outage::Connection, .. }), "{lost:?}");
            assert!(entries(&db).await.is_empty());
            db.ping().await.unwrap();
            assert_eq!(db.transaction(append("next".into())).await.unwrap(), 1);
            db.close().await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_before_the_answer_to_commit_is_an_unknown_outcome() {
    let Some(world) = World::postgres() else { return };
    world
        .run(async |world| {
            let db = world.open().await;
            add_session(&db, "s").await;
            let other = db.clone();
            let lost: Result<(), DbError> = db
                .transaction(move |tx| {
                    Box::pin(async move {
                        append("lost".into())(tx).await?;
                        let (pid,): (i64,) = tx.fetch_one(sql(SESSION)).await?;
                        other.fetch_one::<(String,)>(sql(END_SESSION).bind(pid)).await.map(drop)
                    })
                })
                .await;
            let lost = lost.unwrap_err();
            assert!(matches!(&lost, DbError::UnknownOutcome { .. }), "{lost:?}");
            assert_eq!(lost.kind(), switchboard_domain::ErrorKind::Timeout);
            assert_eq!(db.transaction(append("next".into())).await.unwrap(), 1);
            db.close().await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_and_a_long_wait_for_a_lock_are_ended_by_the_server() {
    let Some(world) = World::postgres() else { return };
    world
        .run(async |world| {
            let mut settings = world.settings.clone();
            settings.statement_timeout = Duration::from_millis(1500);
            settings.lock_timeout = Duration::from_millis(300);
            let db = world.open_with(&settings).await;
            add_session(&db, "s").await;
            let slow = db.fetch_one::<(String,)>(sql("SELECT CAST(pg_sleep(30) AS TEXT)")).await.unwrap_err();
            assert!(
                matches!(&slow, DbError::Unavailable { outage: Outage::StatementTimeout, .. }),
                "{slow:?}"
            );

            let (locked, mut is_locked) = tokio::sync::oneshot::channel::<()>();
            let (release, released) = tokio::sync::oneshot::channel::<()>();
            let mut holder = Box::pin(db.transaction(|tx| {
                Box::pin(async move {
                    append("holder".into())(tx).await?;
                    let _ = locked.send(());
                    let _ = released.await;
                    Ok::<_, DbError>(())
                })
            }));
            tokio::select! {
                biased;
                held = &mut is_locked => held.unwrap(),
                ended = &mut holder => panic!("the holder ended: {ended:?}"),
            }
            let waiting = db.transaction(append("waiting".into())).await.unwrap_err();
            assert!(matches!(&waiting, DbError::Contention { .. }), "{waiting:?}");
            release.send(()).unwrap();
            holder.await.unwrap();
            assert_eq!(entries(&db).await, ["holder"]);
            db.close().await;
        })
        .await;
}
