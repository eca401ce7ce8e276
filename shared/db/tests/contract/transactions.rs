//! Together or not at all, in order, whoever else is writing, whoever stops listening.

use futures::future::join_all;
use switchboard_db::{ConstraintKind, DbError, Outage, sql};
use tokio::task::JoinSet;

use crate::world::{Gate, World, add_session, append, entries, hand_over, write};

crate::on_both_engines!(
    concurrent_appends_leave_no_gap,
    failing_work_takes_nothing_of_its_neighbours_with_it,
    a_swallowed_failure_is_not_acknowledged,
    a_caller_that_gives_up_does_not_undo_the_work,
    endless_work_is_ended_and_its_neighbours_go_on,
    more_than_the_queue_holds_is_refused,
    closing_loses_nothing_that_was_acknowledged,
);

/// A store's own error, as the services have it.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error("refused")]
    Refused,
    #[error("the store failed")]
    Db(#[from] DbError),
}

async fn concurrent_appends_leave_no_gap(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let db = db.clone();
        writers.spawn(async move {
            let mut last = 0;
            for turn in 0..25 {
                let seq = db.transaction(append(format!("{writer}/{turn}"))).await.unwrap();
                assert!(seq > last, "one caller's appends are in the order it made them");
                last = seq;
            }
        });
    }
    writers.join_all().await;
    let seqs = db.fetch_all::<(i64,)>(sql("SELECT seq FROM entry ORDER BY seq")).await.unwrap();
    assert_eq!(seqs, (1..=400).map(|seq| (seq,)).collect::<Vec<_>>());
    assert_eq!(db.fetch_one::<(i64,)>(sql("SELECT seq FROM session")).await.unwrap(), (400,));
    db.close().await;
}

async fn failing_work_takes_nothing_of_its_neighbours_with_it(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    let gate = Gate::shut(&db).await;
    let mut before = Box::pin(db.transaction(append("before".into())));
    let mut refusing = Box::pin(db.transaction(|tx| {
        Box::pin(async move {
            append("refused".into())(tx).await?;
            Err::<(), _>(StoreError::Refused)
        })
    }));
    let mut violating = Box::pin(db.transaction(|tx| {
        Box::pin(async move {
            append("violating".into())(tx).await?;
            append("violating".into())(tx).await?;
            Ok::<_, StoreError>(())
        })
    }));
    let mut panicking = Box::pin(db.transaction(|tx| {
        Box::pin(async move {
            append("panicked".into())(tx).await?;
            let rows = tx.fetch_all::<(i64,)>(sql("SELECT seq FROM entry WHERE id = 'nobody'")).await?;
            Ok::<_, StoreError>(rows[0].0)
        })
    }));
    let mut after = Box::pin(db.transaction(append("after".into())));
    hand_over(&mut before).await;
    hand_over(&mut refusing).await;
    hand_over(&mut violating).await;
    hand_over(&mut panicking).await;
    hand_over(&mut after).await;
    gate.open().await;

    before.await.unwrap();
    assert!(matches!(refusing.await, Err(StoreError::Refused)));
    let violated = violating.await.unwrap_err();
    let StoreError::Db(DbError::Constraint { kind, table, .. }) = &violated else { panic!("{violated:?}") };
    assert_eq!((*kind, table.as_str()), (ConstraintKind::Unique, "entry"));
    assert!(matches!(panicking.await, Err(StoreError::Db(DbError::Panicked))));
    after.await.unwrap();
    let mut stored = entries(&db).await;
    stored.sort();
    assert_eq!(stored, ["after", "before"]);
    assert_eq!(db.fetch_one::<(i64,)>(sql("SELECT seq FROM session")).await.unwrap(), (2,));
    db.close().await;
}

async fn a_swallowed_failure_is_not_acknowledged(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    let outcome: Result<(), DbError> = db
        .transaction(|tx| {
            Box::pin(async move {
                append("first".into())(tx).await?;
                let violated = tx.execute(sql("INSERT INTO session (id, seq) VALUES ('s', 0)")).await;
                assert!(violated.is_err());
                let next = tx.execute(sql("UPDATE session SET seq = 9")).await;
                assert!(matches!(next, Err(DbError::Aborted)));
                Ok(())
            })
        })
        .await;
    assert!(matches!(outcome, Err(DbError::Aborted)), "{outcome:?}");
    assert!(entries(&db).await.is_empty());
    assert_eq!(db.transaction(append("next".into())).await.unwrap(), 1);
    db.close().await;
}

async fn a_caller_that_gives_up_does_not_undo_the_work(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    let gate = Gate::shut(&db).await;
    for id in ["one", "two"] {
        let mut gone = Box::pin(db.transaction(append(id.into())));
        hand_over(&mut gone).await;
        drop(gone);
    }
    gate.open().await;
    // Closing waits for what was accepted.
    db.close().await;
    let db = world.open().await;
    let mut stored = entries(&db).await;
    stored.sort();
    assert_eq!(stored, ["one", "two"]);
    db.close().await;
}

async fn endless_work_is_ended_and_its_neighbours_go_on(world: &World) {
    let mut settings = world.settings.clone();
    settings.transaction_timeout = std::time::Duration::from_secs(2);
    let db = world.open_with(&settings).await;
    add_session(&db, "s").await;
    let endless = db.transaction(|tx| {
        Box::pin(async move {
            append("endless".into())(tx).await?;
            std::future::pending::<()>().await;
            Ok::<_, DbError>(())
        })
    });
    let (endless, neighbours) = tokio::join!(endless, async {
        let names = (0..8).map(|n| db.transaction(append(format!("n{n}"))));
        join_all(names).await
    });
    let timed_out =
        |error: &DbError| matches!(error, DbError::Unavailable { outage: Outage::TransactionTimeout, .. });
    assert!(timed_out(&endless.unwrap_err()));
    // On Postgres the neighbours wait for the row the endless one holds, and may run into the same limit.
    let stored = neighbours.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(
        neighbours.iter().all(|outcome| outcome.as_ref().map_or_else(timed_out, |_| true)),
        "{neighbours:?}"
    );
    assert_eq!(entries(&db).await.len(), stored);
    assert_eq!(db.transaction(append("next".into())).await.unwrap(), i64::try_from(stored).unwrap() + 1);
    db.close().await;
}

async fn more_than_the_queue_holds_is_refused(world: &World) {
    let mut settings = world.settings.clone();
    settings.write_queue = 3;
    let db = world.open_with(&settings).await;
    add_session(&db, "s").await;
    let gate = Gate::shut(&db).await;
    let crowd = join_all((0..8).map(|n| db.transaction(append(format!("m{n}")))));
    let (outcomes, ()) = tokio::join!(crowd, gate.open());
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(DbError::Overloaded))).count();
    let stored = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(refused >= 4 && stored >= 2 && refused + stored == 8, "{outcomes:?}");
    db.close().await;
}

async fn closing_loses_nothing_that_was_acknowledged(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    let gate = Gate::shut(&db).await;
    let callers = (0..100).map(|n| {
        let db = db.clone();
        async move { (format!("n{n}"), db.transaction(append(format!("n{n}"))).await) }
    });
    let (outcomes, (), ()) = tokio::join!(join_all(callers), db.close(), gate.open());
    let late = write(&db, sql("UPDATE session SET seq = 0")).await;
    assert!(matches!(late, Err(DbError::Unavailable { outage: Outage::Closed, .. })), "{late:?}");
    assert!(db.ping().await.is_err());

    let mut acknowledged: Vec<String> = Vec::new();
    for (id, outcome) in outcomes {
        outcome.unwrap();
        acknowledged.push(id);
    }
    let db = world.open().await;
    let mut stored = entries(&db).await;
    stored.sort();
    acknowledged.sort();
    assert_eq!(stored, acknowledged);
    db.close().await;
}
