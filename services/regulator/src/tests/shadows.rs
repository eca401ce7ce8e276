//! Shadows that cannot be used or follow each other, and questions that are too big.

use super::{World, staff, told};
use crate::{document::Document, in_force::InForce, store::Store};
use std::sync::Arc;
use switchboard_boot::system::{SystemClock, SystemRng};
use switchboard_db::{Db, audit, sql};
use switchboard_domain::{BuiltinRole, ErrorKind, ServiceName};
use switchboard_proto::regulator::v1::{WhatIfRequest, what_if_request::Candidate};
use tempfile::TempDir;

fn store(db: &Db) -> Store {
    Store::new(db.clone(), Arc::new(SystemClock), Arc::new(SystemRng))
}

/// Keeps a version; tells its number.
async fn put(store: &Store, document: &str) -> i64 {
    store.put(Document::parse(document).unwrap(), String::new()).await.unwrap().0.ordinal
}

#[tokio::test]
async fn a_shadow_that_cannot_be_used_keeps_nothing_from_coming_into_force() {
    let folder = TempDir::new().unwrap();
    let world = World::open(&folder, &[]).await;
    let db = world.db().await;
    let store = store(&db);
    let in_force = InForce::read(store.clone()).await.unwrap();
    let shadow = put(&store, "rules: {vip: {enabled: false}}").await;
    store.set_shadow(Some(shadow)).await.unwrap();
    let spoil = sql("UPDATE rule_document SET canonical = '{\"rules\":3}' WHERE ordinal = $1").bind(shadow);
    db.transaction(move |tx| Box::pin(async move { tx.execute(spoil).await })).await.unwrap();
    let next = put(&store, "rules: {sentiment: {enabled: false}}").await;
    store.publish(next, 1).await.unwrap();

    in_force.refresh().await.unwrap();
    let rulers = in_force.now();
    assert_eq!((rulers.published.ordinal, rulers.shadow.is_none()), (next, true));
    let at_start = InForce::read(store.clone()).await.unwrap().now();
    assert_eq!((at_start.published.ordinal, at_start.shadow.is_none()), (next, true));
    // The next shadow decides again.
    let other = put(&store, "rules: {vip: {enabled: false}, sentiment: {enabled: false}}").await;
    store.set_shadow(Some(other)).await.unwrap();
    in_force.refresh().await.unwrap();
    assert_eq!(in_force.now().shadow.unwrap().ordinal, other);
    world.close().await;
}

#[tokio::test]
async fn the_log_says_what_the_shadow_was_before() {
    let folder = TempDir::new().unwrap();
    let world = World::open(&folder, &[]).await;
    let db = world.db().await;
    let store = store(&db);
    let one = put(&store, "rules: {vip: {enabled: false}}").await;
    let other = put(&store, "rules: {sentiment: {enabled: false}}").await;
    for shadow in [Some(one), Some(other), None] {
        store.set_shadow(shadow).await.unwrap();
    }
    let query = audit::Query { action: "rules.shadow".to_owned(), limit: 10, ..audit::Query::default() };
    let records = audit::list(&db, &query).await.unwrap();
    let [none, second, first] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((first.before_digest.as_str(), none.after_digest.as_str()), ("", ""));
    assert!(!first.after_digest.is_empty() && first.after_digest != second.after_digest);
    assert_eq!((&second.before_digest, &none.before_digest), (&first.after_digest, &second.after_digest));
    world.close().await;
}

#[tokio::test]
async fn a_queue_has_no_more_agents_than_any_shop() {
    let folder = TempDir::new().unwrap();
    let world = World::open(&folder, &[]).await;
    let mut edge = world.client(ServiceName::Gateway);
    let request = WhatIfRequest {
        candidate: Some(Candidate::Document("{}".to_owned())),
        since_ms: 1,
        agents: u32::MAX,
        ..WhatIfRequest::default()
    };
    let refused = told(staff(BuiltinRole::Admin).scope(edge.what_if(request)).await).map(drop);
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Invalid);
    world.close().await;
}
