//! Opening, migrating, sharing one server or folder.

use secrecy::{ExposeSecret, SecretString};
use switchboard_db::{Db, DbError, DurabilityCheck, sql};
use tokio::task::JoinSet;

use crate::world::{World, add_session, entries, migrator, write};

crate::on_both_engines!(
    many_processes_may_start_at_once,
    services_that_share_a_place_do_not_see_each_other,
    a_changed_migration_is_refused,
    names_that_cannot_be_one_are_refused,
);

async fn many_processes_may_start_at_once(world: &World) {
    let mut settings = world.settings.clone();
    settings.max_connections = 2;
    let steps = ["CREATE TABLE a (id BIGINT)", "INSERT INTO a VALUES (1)", "CREATE INDEX a_id ON a (id)"];
    let mut starts = JoinSet::new();
    for _ in 0..20 {
        let (settings, name) = (settings.clone(), world.name.clone());
        starts.spawn(async move {
            let db = Db::open(&settings, &name).await?;
            db.migrate(&migrator(&steps)).await?;
            Ok::<_, DbError>(db)
        });
    }
    for start in starts.join_all().await {
        let db = start.unwrap();
        db.ping().await.unwrap();
        assert_eq!(db.fetch_one::<(i64,)>(sql("SELECT COUNT(*) FROM a")).await.unwrap(), (1,));
        db.close().await;
    }
}

async fn services_that_share_a_place_do_not_see_each_other(world: &World) {
    let a = world.open().await;
    let b = Db::open(&world.settings, &format!("{}_b", world.name)).await.unwrap();
    b.migrate(&migrator(&["CREATE TABLE agent (id TEXT PRIMARY KEY)", "CREATE TABLE session (id BIGINT)"]))
        .await
        .unwrap();
    add_session(&a, "s").await;
    write(&b, sql("INSERT INTO session VALUES ($1)").bind(1_i64)).await.unwrap();
    assert_eq!(a.fetch_all::<(String,)>(sql("SELECT id FROM session")).await.unwrap(), [("s".to_owned(),)]);
    assert_eq!(b.fetch_all::<(i64,)>(sql("SELECT id FROM session")).await.unwrap(), [(1,)]);
    assert!(a.fetch_all::<(String,)>(sql("SELECT id FROM agent")).await.is_err());
    a.close().await;
    b.close().await;
    assert!(entries(&world.open().await).await.is_empty());
}

async fn a_changed_migration_is_refused(world: &World) {
    let db = world.open().await;
    let changed = db.migrate(&migrator(&["CREATE TABLE other (id TEXT)"])).await.unwrap_err();
    assert!(matches!(&changed, DbError::Migration { .. }), "{changed:?}");
    db.close().await;

    // A step that fails leaves nothing behind and lets the next process try.
    let db = Db::open(&world.settings, &format!("{}_b", world.name)).await.unwrap();
    let broken =
        db.migrate(&migrator(&["CREATE TABLE x (id TEXT); CREATE TABLE x (id TEXT)"])).await.unwrap_err();
    assert!(matches!(&broken, DbError::Migration { .. }), "{broken:?}");
    db.migrate(&migrator(&["CREATE TABLE x (id TEXT)"])).await.unwrap();
    db.close().await;
}

async fn names_that_cannot_be_one_are_refused(world: &World) {
    for name in ["", "a b", "a\"b", "../a", "Agent", "1a", "agent-auth", &"a".repeat(49)] {
        let refused = Db::open(&world.settings, name).await.unwrap_err();
        assert!(matches!(&refused, DbError::Misconfigured(_)), "{name}: {refused:?}");
    }
    let mut settings = world.settings.clone();
    settings.write_queue = 0;
    assert!(matches!(Db::open(&settings, &world.name).await, Err(DbError::Misconfigured(_))));
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_without_showing_it() {
    let world = World::sqlite();
    for url in ["mysql://root:hunter2@db/x", "postgres://root:hunter2@host:port/x"] {
        let mut settings = world.settings.clone();
        settings.url = Some(SecretString::from(url));
        let refused = Db::open(&settings, "session").await.unwrap_err();
        assert!(matches!(&refused, DbError::Misconfigured(_)), "{refused:?}");
        assert!(!format!("{refused} {refused:?} {settings:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_server_that_acknowledges_too_early_is_refused() {
    let Some(world) = World::postgres() else { return };
    world
        .run(async |world| {
            let mut settings = world.settings.clone();
            let url = settings.url.as_ref().unwrap().expose_secret().to_owned();
            let separator = if url.contains('?') { '&' } else { '?' };
            settings.url =
                Some(SecretString::from(format!("{url}{separator}options[synchronous_commit]=off")));
            settings.durability_check = DurabilityCheck::Enforce;
            let refused = Db::open(&settings, &world.name).await.unwrap_err();
            let DbError::Misconfigured(why) = &refused else { panic!("{refused:?}") };
            assert!(why.contains("synchronous_commit"), "{why}");
            settings.durability_check = DurabilityCheck::Warn;
            Db::open(&settings, &world.name).await.unwrap().close().await;
        })
        .await;
}
