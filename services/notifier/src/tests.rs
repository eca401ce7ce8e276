//! The reader against a fake session service, and what is received as the edge sees it.

mod fake;
mod place;
mod world;

use crate::{Config, config::Settings};
use fake::event;
use place::Place;
use std::time::Duration;
use switchboard_boot::{Configured as _, Sources, Tree};
use switchboard_domain::{ErrorKind, Principal, Role, ServiceName};
use switchboard_mesh::status::from_status;
use switchboard_proto::notifier::v1::ListReceivedRequest;
use world::{World, settings};

#[tokio::test]
async fn events_are_stored_then_acknowledged() {
    let mut world = World::start(&[event(1), event(2)]).await;
    world.acknowledged(2).await;
    let listed = world.list(10).await.unwrap();
    assert_eq!(listed.total, 2);
    assert_eq!(listed.events.len(), 2);
    let newest = &listed.events[0];
    assert_eq!((newest.session.as_str(), newest.kind.as_str()), ("alice", "session.customer_waits"));
    assert_eq!((newest.event_id.as_str(), newest.seq), (event(2).id.as_str(), 2));
    assert_eq!(newest.at_ms, event(2).at_ms);
    assert!(newest.received_at_ms > newest.at_ms);
    world.stop().await;
}

#[tokio::test]
async fn events_that_come_again_after_a_failed_acknowledgement_are_kept_once() {
    for place in Place::each().await {
        let mut world = World::at(place).await;
        world.session.refuse_acks(2);
        world.session.publish(&[event(1), event(2), event(3)]);
        world.acknowledged(3).await;
        assert!(
            world.session.deliveries() >= 9,
            "three events, refused twice: {}",
            world.session.deliveries()
        );
        let listed = world.list(200).await.unwrap();
        assert_eq!((listed.total, listed.events.len()), (3, 3));
        world.stop().await;
    }
}

#[tokio::test]
async fn a_session_service_that_is_away_is_asked_again() {
    let mut world = World::start(&[]).await;
    world.session.refuse_leases(3);
    world.session.publish(&[event(1)]);
    world.acknowledged(1).await;
    assert_eq!(world.list(1).await.unwrap().total, 1);
    world.stop().await;
}

#[tokio::test]
async fn two_readers_of_one_inbox_keep_an_event_once() {
    for place in Place::each().await {
        let mut one = World::at(place).await;
        let two = one.second().await;
        one.session.deliver_to_all();
        one.session.publish(&(1..=20).map(event).collect::<Vec<_>>());
        one.acknowledged(20).await;
        assert_eq!(one.list(200).await.unwrap().total, 20);
        assert_eq!(two.list(200).await.unwrap().total, 20);
        two.stop().await;
        one.stop().await;
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_holds_nobody_up_and_is_not_lost() {
    let mut world = World::start(&[]).await;
    let broken = switchboard_proto::session::v1::OutboxEvent { id: "evt_?".into(), ..event(9) };
    world.session.publish(&[event(1), broken, event(2)]);
    world.acknowledged(2).await;
    assert_eq!(world.list(10).await.unwrap().total, 2);
    assert_eq!(world.session.open(), ["evt_?"]);
    world.stop().await;
}

#[tokio::test]
async fn the_reader_asks_as_the_notifier_and_ends_with_the_process() {
    let mut world = World::start(&[event(1)]).await;
    world.acknowledged(1).await;
    let lease = world.session.last_lease();
    assert_eq!((lease.request.limit, lease.request.wait_ms), (100, 20_000));
    assert_eq!(lease.principal, Principal::Service(ServiceName::Notifier));
    assert!(lease.patience > Duration::from_secs(20), "the channel's own limit is shorter than the wait");
    // The reader now waits for events, for 20 s; the soft stop does not.
    world.stop().await;
}

#[tokio::test]
async fn pages_have_a_limit_and_a_reader() {
    let world = World::start(&[]).await;
    for limit in [0, 201, u32::MAX] {
        let failure = from_status(&world.list(limit).await.unwrap_err());
        assert_eq!((failure.kind, &*failure.code), (ErrorKind::Invalid, "INVALID_LIMIT"), "{limit}");
        assert_eq!(failure.facts["max"], "200");
    }
    let id = switchboard_domain::AgentId::parse("agt_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap();
    let list = |role| world.list_as(Principal::Agent { id, role }, ListReceivedRequest { limit: 1 });
    assert_eq!(from_status(&list(Role::Agent).await.unwrap_err()).kind, ErrorKind::Forbidden);
    assert_eq!(list(Role::Admin).await.unwrap().total, 0);
    world.stop().await;
}

#[test]
fn settings_that_cannot_work_are_told() {
    let keys = |change: fn(&mut Settings)| {
        let mut config = Config { notifier: settings() };
        change(&mut config.notifier);
        config.check().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert!(keys(|_| ()).is_empty());
    assert_eq!(keys(|s| s.lease_limit = 0), ["notifier.lease_limit"]);
    assert_eq!(keys(|s| s.lease_limit = 1001), ["notifier.lease_limit"]);
    assert_eq!(keys(|s| s.lease_wait *= 2), ["notifier.lease_wait"]);
    assert_eq!(keys(|s| s.retry_min *= 0), ["notifier.retry_min"]);
    assert_eq!(keys(|s| s.retry_max = s.retry_min / 2), ["notifier.retry_max"]);
}

#[test]
fn the_default_configuration_is_complete_and_works() {
    let mut problems = Vec::new();
    let config = Tree::load(&Sources::default(), &mut problems).extract::<Config>(&mut problems);
    assert!(config.is_some() && problems.is_empty(), "{problems:?}");
}
