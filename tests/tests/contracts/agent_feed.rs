//! `SubscribeAgent`: each agent's own log, each entry once and in order, and hints about the floor.

use crate::{
    hands::{agent, hand, hand_at, owned, roster, waiting},
    words::{assert_refused, manual},
    world::{Place, START, World},
};
use std::time::Duration;
use switchboard_domain::{BuiltinRole, ErrorKind, Principal, ServiceName};
use switchboard_proto::session::v1 as wire;
use tokio::task::JoinSet;

crate::on_both_engines!(
    from_every_place_and_live,
    a_place_that_means_nothing,
    a_customers_words_are_told_once_until_they_are_read,
    the_floor_is_hinted_at,
    many_commits_and_many_listeners,
    what_is_old_is_deleted,
    a_log_is_its_agents,
);

const EPOCH: i64 = START / 1000;

fn mention(session: &str, text: &str) -> wire::AddNoteRequest {
    wire::AddNoteRequest {
        session: session.into(),
        author: Some(agent(1)),
        text: text.into(),
        mentions: vec!["user2".into()],
        idempotency: None,
    }
}

async fn from_every_place_and_live(world: &World) {
    roster(world, 2).await;
    waiting(world, "s").await;
    let (me, other) = (hand(world, 1), hand(world, 2));
    let mut live = other.feed(None).await.unwrap();
    assert_eq!((live.opened.epoch, live.opened.head, live.opened.reset), (EPOCH, 0, false));
    for n in 1..=5 {
        me.add_note(mention("s", &format!("note {n}"))).await.unwrap();
        let entry = live.entry().await;
        assert_eq!((entry.seq, entry.kind.as_str(), entry.session.as_str()), (n, "mention", "s"));
        assert_eq!(entry.at_ms, START);
    }
    let mut feeds = Vec::new();
    for place in 0..=5 {
        let mut feed = other.feed(Some((EPOCH, place))).await.unwrap();
        assert_eq!((feed.opened.head, feed.opened.reset), (5, false));
        for seq in place + 1..=5 {
            assert_eq!(feed.entry().await.seq, seq);
        }
        feeds.push(feed);
    }
    me.add_note(mention("s", "live")).await.unwrap();
    for feed in &mut feeds {
        assert_eq!(feed.entry().await.seq, 6);
    }
}

async fn a_place_that_means_nothing(world: &World) {
    roster(world, 2).await;
    waiting(world, "s").await;
    hand(world, 1).add_note(mention("s", "one")).await.unwrap();
    for position in [(EPOCH, 2), (EPOCH, -1), (EPOCH, i64::MAX), (EPOCH - 1, 1), (EPOCH + 1, 0)] {
        let mut feed = hand(world, 2).feed(Some(position)).await.unwrap();
        assert!(feed.opened.reset, "{position:?}");
        let head = feed.opened.head;
        hand(world, 1).add_note(mention("s", "two")).await.unwrap();
        assert_eq!(feed.entry().await.seq, head + 1, "entries go on after the head");
        if position == (EPOCH, 2) {
            // It is the head by now.
            assert!(!hand(world, 2).feed(Some(position)).await.unwrap().opened.reset);
        }
    }
    assert!(!hand(world, 9).feed(Some((EPOCH, 0))).await.unwrap().opened.reset, "nothing was told yet");
}

async fn a_customers_words_are_told_once_until_they_are_read(world: &World) {
    let me = owned(world, "s", 1).await;
    let customer = world.visitor("s");
    let say = async |text: &str| customer.say(manual("s", text)).await.unwrap().entries[0].seq;
    let count = async || me.heard().await.iter().filter(|kind| *kind == "customer_message").count();
    let first = say("one").await;
    say("two").await;
    let told = me.told().await.pop().unwrap();
    assert_eq!((told.0.as_str(), &told.1["message_seq"]), ("customer_message", &first.into()));
    assert!(!told.1.to_string().contains("one"), "the words stay in the session's log");
    assert_eq!(count().await, 1);
    // Delivered is not read.
    let seen = |delivered, read| wire::AcknowledgeRequest { session: "s".into(), delivered, read };
    me.acknowledge(seen(first, 0)).await.unwrap();
    say("three").await;
    assert_eq!(count().await, 1);
    me.acknowledge(seen(0, first)).await.unwrap();
    say("four").await;
    assert_eq!(count().await, 2);
    say("five").await;
    me.post(me.posting("s", "I see", "")).await.unwrap();
    say("six").await;
    assert_eq!(count().await, 3, "who answers has read");
    me.let_go("s").await.unwrap();
    customer.say(crate::words::chat("s", "bot?")).await.unwrap();
    assert_eq!(count().await, 3, "nobody owns it");
}

async fn the_floor_is_hinted_at(world: &World) {
    let replica = world.replica(&[("session.floor_hint_interval", "10ms")]).await;
    let there = hand_at(world, &replica, 1, BuiltinRole::Agent);
    let mut feed = there.feed(None).await.unwrap();
    let line = world.line_to(&replica, ServiceName::Gateway, world.visitor("s").principal());
    line.say(crate::words::chat("s", "hello")).await.unwrap();
    line.escalate(crate::words::escalate("s", None)).await.unwrap();
    while feed.hint().await != (wire::FloorChanged { waiting: 1, live: 0 }) {}
    there.take("s").await.unwrap();
    while feed.hint().await != (wire::FloorChanged { waiting: 0, live: 1 }) {}
}

const WRITERS: u32 = 12;

/// Mentions of two agents at once, in opposite orders, by many: no ring of waits, no hole, nothing twice.
async fn many_commits_and_many_listeners(world: &World) {
    roster(world, 2).await;
    let mut listeners = JoinSet::new();
    for n in 1..=2 {
        for _ in 0..2 {
            let mut feed = hand(world, n).feed(None).await.unwrap();
            listeners.spawn(async move {
                for seq in 1..=i64::from(WRITERS) {
                    assert_eq!(feed.entry().await.seq, seq);
                }
            });
        }
    }
    for n in 0..WRITERS {
        waiting(world, &format!("s{n}")).await;
    }
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let chief = hand(world, 20);
        let mut names = vec!["user1".to_owned(), "user2".to_owned()];
        if n % 2 == 0 {
            names.reverse();
        }
        let author = Some(agent(20));
        let note = wire::AddNoteRequest { author, mentions: names, ..mention(&format!("s{n}"), "look") };
        writers.spawn(async move { chief.add_note(note).await.unwrap() });
    }
    assert_eq!(writers.join_all().await.len(), WRITERS as usize);
    listeners.join_all().await;
}

async fn what_is_old_is_deleted(world: &World) {
    roster(world, 2).await;
    waiting(world, "s").await;
    let me = hand(world, 1);
    me.add_note(mention("s", "old")).await.unwrap();
    world.clock.advance(Duration::from_hours(2));
    me.add_note(mention("s", "young")).await.unwrap();
    let settings = [("session.agent_feed_retention", "1h"), ("session.cleanup_interval", "1ms")];
    world.replica(&settings).await;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while !hand(world, 2).feed(Some((EPOCH, 0))).await.unwrap().opened.reset {
        assert!(tokio::time::Instant::now() < deadline, "nobody cleans up");
        tokio::task::yield_now().await;
    }
    let mut feed = hand(world, 2).feed(Some((EPOCH, 1))).await.unwrap();
    assert!(!feed.opened.reset, "what comes after it is kept");
    assert_eq!(feed.entry().await.seq, 2);
}

async fn a_log_is_its_agents(world: &World) {
    roster(world, 2).await;
    waiting(world, "s").await;
    hand(world, 1).add_note(mention("s", "for two")).await.unwrap();
    assert_eq!(hand(world, 1).feed(None).await.unwrap().opened.head, 0);
    for (line, kind) in [
        (world.visitor("s"), ErrorKind::Forbidden),
        (world.line(ServiceName::Gateway, Principal::Service(ServiceName::Gateway)), ErrorKind::Forbidden),
        (world.anonymous(), ErrorKind::Unauthenticated),
    ] {
        let refused = crate::hands::Hand::on(line, 2).feed(None).await.map(|feed| feed.opened);
        assert_eq!(refused.unwrap_err().kind, kind);
    }
    let guest = crate::hands::Hand::on(world.staff(BuiltinRole::Guest), 2).feed(None).await;
    assert_refused(guest.map(|feed| feed.opened), ErrorKind::Forbidden, "PERMISSION_REQUIRED");
}

/// What another replica commits is found when this one looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_another_replica() {
    World::run(Place::postgres().await, async |world| {
        let settings = [("session.poll_interval", "20ms")];
        let (one, other) = (world.replica(&settings).await, world.replica(&settings).await);
        waiting(world, "s").await;
        let mut feed = hand_at(world, &one, 1, BuiltinRole::Agent).feed(None).await.unwrap();
        hand_at(world, &other, 1, BuiltinRole::Agent).take("s").await.unwrap();
        assert_eq!(feed.entry().await.kind, "session_assigned");
        assert_eq!(feed.hint().await, wire::FloorChanged { waiting: 0, live: 1 });
    })
    .await;
}
