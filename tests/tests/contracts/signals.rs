//! `Type` and `Acknowledge`: signals beside the log, to those who listen.

use crate::{
    feed::{Feed, after},
    hands::{Hand, agent, hand, hand_at, owned, waiting},
    words::{assert_refused, log, manual},
    world::{Place, World},
};
use switchboard_domain::{BuiltinRole, ErrorKind, ServiceName};
use switchboard_proto::session::v1::{self as wire, subscribe_response::Event};

crate::on_both_engines!(
    the_other_side_sees_who_writes,
    places_only_grow_and_stay_within_the_log,
    who_may_signal,
    whoever_comes_later_learns_how_far_both_have_come,
);

fn typing(session: &str) -> wire::TypeRequest {
    wire::TypeRequest { session: session.into() }
}

fn acknowledged(session: &str, delivered: i64, read: i64) -> wire::AcknowledgeRequest {
    wire::AcknowledgeRequest { session: session.into(), delivered, read }
}

fn receipt(party: wire::Party, delivered: i64, read: i64) -> wire::Receipt {
    wire::Receipt { party: party.into(), delivered, read }
}

fn visitor(world: &World, session: &str) -> Hand {
    Hand::on(world.visitor(session), 0)
}

async fn the_other_side_sees_who_writes(world: &World) {
    let me = owned(world, "s", 1).await;
    let mut feed = Feed::open(&world.visitor("s"), after("s", None)).await.unwrap();
    feed.catch_up().await;
    me.r#type(typing("s")).await.unwrap();
    let told = wire::Typing { party: wire::Party::Agent.into(), agent: Some(agent(1)) };
    assert_eq!(feed.next().await, Some(Event::Typing(told)));
    // Again at once is dropped; the next thing that comes is the other side's.
    me.r#type(typing("s")).await.unwrap();
    visitor(world, "s").r#type(typing("s")).await.unwrap();
    let told = wire::Typing { party: wire::Party::Customer.into(), agent: None };
    assert_eq!(feed.next().await, Some(Event::Typing(told)));
    assert_eq!(log(world, "s").await.len(), 7, "signals are kept nowhere");
}

async fn places_only_grow_and_stay_within_the_log(world: &World) {
    let me = owned(world, "s", 1).await;
    let customer = visitor(world, "s");
    let mut feed = Feed::open(&world.visitor("s"), after("s", None)).await.unwrap();
    feed.catch_up().await;
    let (theirs, mine) = (wire::Party::Customer, wire::Party::Agent);
    for (delivered, read, expected) in [
        (3, 1, (3, 1)),
        (2, 2, (3, 2)),
        (0, 0, (3, 2)),
        (-5, -5, (3, 2)),
        (0, 5, (5, 5)),
        (i64::MAX, 6, (7, 6)),
        (7, i64::MAX, (7, 7)),
    ] {
        let answer = customer.acknowledge(acknowledged("s", delivered, read)).await.unwrap();
        let told = receipt(theirs, expected.0, expected.1);
        assert_eq!((answer.customer, answer.agent), (Some(told), Some(receipt(mine, 0, 0))));
    }
    me.acknowledge(acknowledged("s", 4, 2)).await.unwrap();
    let mut last = (None, None);
    while last != (Some(receipt(theirs, 7, 7)), Some(receipt(mine, 4, 2))) {
        match feed.next().await {
            Some(Event::Receipt(told)) if told.party() == theirs => last.0 = Some(told),
            Some(Event::Receipt(told)) => last.1 = Some(told),
            other => panic!("a receipt was expected: {other:?}"),
        }
    }
    let got = world.visitor("s").get(wire::GetRequest { session: "s".into(), tail: 0 }).await.unwrap();
    assert_eq!((got.customer, got.agent), (last.0, last.1));
}

async fn who_may_signal(world: &World) {
    owned(world, "s", 1).await;
    for other in [hand(world, 2), crate::hands::boss(world, 7)] {
        assert_refused(other.r#type(typing("s")).await, ErrorKind::Forbidden, "NOT_OWNER");
        let refused = other.acknowledge(acknowledged("s", 1, 1)).await;
        assert_refused(refused, ErrorKind::Forbidden, "NOT_OWNER");
    }
    let other = visitor(world, "t");
    assert_refused(other.r#type(typing("s")).await, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    let refused = other.acknowledge(acknowledged("s", 1, 1)).await;
    assert_refused(refused, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    let nobody = Hand::on(world.anonymous(), 0);
    let refused = nobody.acknowledge(acknowledged("s", 1, 1)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unauthenticated);
    for unknown in [visitor(world, "none"), hand(world, 1)] {
        let refused = unknown.acknowledge(acknowledged("none", 1, 1)).await;
        assert_refused(refused, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    }
    waiting(world, "w").await;
    assert_refused(hand(world, 1).r#type(typing("w")).await, ErrorKind::Forbidden, "NOT_OWNER");
    visitor(world, "w").r#type(typing("w")).await.unwrap();
}

async fn whoever_comes_later_learns_how_far_both_have_come(world: &World) {
    let me = owned(world, "s", 1).await;
    me.acknowledge(acknowledged("s", 5, 2)).await.unwrap();
    visitor(world, "s").acknowledge(acknowledged("s", 7, 7)).await.unwrap();
    let mut feed = Feed::open(&world.visitor("s"), after("s", None)).await.unwrap();
    assert_eq!(feed.catch_up().await.0.len(), 7, "after the past, not in it");
    assert_eq!(feed.next().await, Some(Event::Receipt(receipt(wire::Party::Customer, 7, 7))));
    assert_eq!(feed.next().await, Some(Event::Receipt(receipt(wire::Party::Agent, 5, 2))));
    world.visitor("s").say(manual("s", "are you there?")).await.unwrap();
    assert_eq!(feed.entry().await.seq, 8);
}

/// What another replica notes is found when this one looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_another_replica() {
    World::run(Place::postgres().await, async |world| {
        let settings = [("session.poll_interval", "20ms")];
        let (one, other) = (world.replica(&settings).await, world.replica(&settings).await);
        owned(world, "s", 1).await;
        let line = world.line_to(&one, ServiceName::Gateway, world.visitor("s").principal());
        let mut feed = Feed::open(&line, after("s", None)).await.unwrap();
        feed.catch_up().await;
        let there = hand_at(world, &other, 1, BuiltinRole::Agent);
        there.acknowledge(acknowledged("s", 7, 3)).await.unwrap();
        assert_eq!(feed.next().await, Some(Event::Receipt(receipt(wire::Party::Agent, 7, 3))));
    })
    .await;
}
