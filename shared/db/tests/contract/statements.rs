//! One text on both engines: parameters, rows, and what a violated rule looks like.

use switchboard_db::{ConstraintKind, DbError, sql};
use switchboard_domain::ErrorKind;

use crate::world::{World, add_session, append, write};

crate::on_both_engines!(
    values_go_in_and_come_out_unchanged,
    a_parameter_may_stand_in_several_places,
    rows_that_do_not_fit_are_errors,
    violated_rules_are_named,
);

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct EntryRow {
    id: String,
    seq: i64,
    client_message_id: Option<String>,
    body: String,
    flag: i64,
    raw: Option<Vec<u8>>,
}

async fn values_go_in_and_come_out_unchanged(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    let add = "INSERT INTO entry (id, session, seq, client_message_id, body, flag, raw) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let owned = String::from("您好, \u{1f600} 'quoted' $1");
    let body = owned.as_str();
    let full = sql(add).bind("e1").bind("s").bind(i64::MAX).bind(Some("c1")).bind(body.to_owned()).bind(true);
    assert_eq!(write(&db, full.bind(vec![0_u8, 255, 10])).await.unwrap(), 1);
    let bare = sql(add).bind("e2").bind("s").bind(7_i32).bind(None::<&str>).bind(&owned).bind(false);
    assert_eq!(write(&db, bare.bind(None::<Vec<u8>>)).await.unwrap(), 1);

    let select = "SELECT id, seq, client_message_id, body, flag, raw FROM entry WHERE id = $1";
    let e1 = EntryRow {
        id: "e1".into(),
        seq: i64::MAX,
        client_message_id: Some("c1".into()),
        body: body.into(),
        flag: 1,
        raw: Some(vec![0, 255, 10]),
    };
    let e2 =
        EntryRow { id: "e2".into(), seq: 7, client_message_id: None, body: body.into(), flag: 0, raw: None };
    assert_eq!(db.fetch_one::<EntryRow>(sql(select).bind("e1")).await.unwrap(), e1);
    let inside = db
        .transaction(move |tx| {
            Box::pin(async move { tx.fetch_all::<EntryRow>(sql(select).bind("e2")).await })
        })
        .await;
    assert_eq!(inside.unwrap(), [e2]);
    assert_eq!(db.fetch_optional::<EntryRow>(sql(select).bind("e3")).await.unwrap(), None);
    let missing = db.fetch_one::<EntryRow>(sql(select).bind("e3")).await.unwrap_err();
    assert!(matches!(missing, DbError::NoRow));
    assert_eq!(write(&db, sql("UPDATE entry SET flag = 1")).await.unwrap(), 2);
    db.close().await;
}

async fn a_parameter_may_stand_in_several_places(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    db.transaction(append("e1".into())).await.unwrap();
    let both = sql(
        "SELECT COUNT(*) FROM entry WHERE id = $1 AND session = $2 AND body = $1 AND client_message_id = $1",
    );
    assert_eq!(db.fetch_one::<(i64,)>(both.bind("e1").bind("s")).await.unwrap(), (1,));
    let upsert = sql("INSERT INTO session (id, seq) VALUES ($1, $2) \
                      ON CONFLICT (id) DO UPDATE SET seq = excluded.seq WHERE session.seq < $2");
    assert_eq!(write(&db, upsert.clone().bind("s").bind(5_i64)).await.unwrap(), 1);
    assert_eq!(write(&db, upsert.bind("s").bind(5_i64)).await.unwrap(), 0);
    db.close().await;
}

async fn rows_that_do_not_fit_are_errors(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    let text_as_number = db.fetch_one::<(i64,)>(sql("SELECT id FROM session")).await.unwrap_err();
    assert!(matches!(text_as_number, DbError::Decode { .. }), "{text_as_number:?}");
    let nonsense = db.fetch_all::<(i64,)>(sql("SELEKT 1")).await.unwrap_err();
    assert!(matches!(nonsense, DbError::Query { .. }), "{nonsense:?}");
    assert_eq!(nonsense.to_string(), "the database refused a statement");
    db.close().await;
}

async fn violated_rules_are_named(world: &World) {
    let db = world.open().await;
    add_session(&db, "s").await;
    db.transaction(append("e1".into())).await.unwrap();
    let add =
        "INSERT INTO entry (id, session, seq, client_message_id, body, flag) VALUES ($1, $2, $3, $4, $5, 0)";

    let again = sql(add).bind("e2").bind("s").bind(2_i64).bind("e1").bind("b");
    let again = write(&db, again).await.unwrap_err();
    assert!(again.is_unique_violation("entry", &["session", "client_message_id"]), "{again:?}");
    assert!(!again.is_unique_violation("entry", &["session", "seq"]));
    assert_eq!(again.kind(), ErrorKind::Conflict);
    let DbError::Constraint { kind: ConstraintKind::Unique, name, .. } = &again else { panic!("{again:?}") };
    assert!(["entry_once", "entry.session, entry.client_message_id"].contains(&name.as_str()));

    let same_id = sql(add).bind("e1").bind("s").bind(2_i64).bind("c2").bind("b");
    assert!(write(&db, same_id).await.unwrap_err().is_unique_violation("entry", &["id"]));

    let orphan =
        write(&db, sql(add).bind("e2").bind("nobody").bind(2_i64).bind("c").bind("b")).await.unwrap_err();
    assert!(matches!(&orphan, DbError::Constraint { kind: ConstraintKind::ForeignKey, .. }), "{orphan:?}");
    assert_eq!(orphan.kind(), ErrorKind::Internal);

    let empty = write(&db, sql(add).bind("e2").bind("s").bind(2_i64).bind("c").bind("")).await.unwrap_err();
    let DbError::Constraint { kind: ConstraintKind::Check, name, .. } = &empty else { panic!("{empty:?}") };
    assert_eq!(name, "body_not_empty");

    let nothing = sql(add).bind("e2").bind("s").bind(2_i64).bind("c").bind(None::<String>);
    let nothing = write(&db, nothing).await.unwrap_err();
    let DbError::Constraint { kind: ConstraintKind::NotNull, columns, .. } = &nothing else {
        panic!("{nothing:?}")
    };
    assert_eq!(columns.as_slice(), ["body"]);

    // What customers wrote must not reach a log through an error.
    assert!(!format!("{again:?}").contains("(s, e1)"), "{again:?}");
    db.close().await;
}
