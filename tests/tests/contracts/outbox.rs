//! `LeaseEvents`, `AckEvents`: an event stays until somebody says that it is safe, and nobody else has it meanwhile.

use crate::{
    words::{ask, assert_refused, escalate, log},
    world::{START, World},
};
use std::{collections::BTreeMap, time::Duration};
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1 as wire;
use tokio::{task::JoinSet, time::Instant};

crate::on_both_engines!(
    a_waiting_customer_is_one_event,
    a_leased_event_comes_again_unless_acknowledged,
    an_acknowledged_event_is_gone,
    events_come_in_order_and_no_more_than_asked_for,
    two_readers_never_have_the_same_event,
    a_waiting_reader_is_woken,
    a_reader_waits_no_longer_than_it_asked,
    who_may_read_the_outbox,
);

/// The configured lease and a millisecond.
const PAST_LEASE: Duration = Duration::from_millis(30_001);

async fn lease(world: &World, limit: u32) -> Vec<wire::OutboxEvent> {
    world.notifier().lease_events(wire::LeaseEventsRequest { limit, wait_ms: 0 }).await.unwrap().events
}

async fn acknowledge(world: &World, ids: Vec<String>) {
    world.notifier().ack_events(wire::AckEventsRequest { ids }).await.unwrap();
}

/// A session whose customer waits: one event.
async fn wait_for_human(world: &World, session: &str) {
    ask(world, session, "hello").await;
    world.visitor(session).escalate(escalate(session, None)).await.unwrap();
}

async fn a_waiting_customer_is_one_event(world: &World) {
    assert_eq!(lease(world, 10).await, []);
    wait_for_human(world, "s").await;
    let leased = lease(world, 10).await;
    let [event] = leased.as_slice() else { panic!("one event: {leased:?}") };
    assert!(event.id.starts_with("evt_"));
    assert_eq!((event.session.as_str(), event.kind.as_str()), ("s", "session.customer_waits"));
    assert_eq!((event.seq, event.at_ms, event.attempts), (5, START, 1));
    assert_eq!(log(world, "s").await.len(), 5, "the event tells the last place of what caused it");
    assert_eq!(event.traceparent.split('-').count(), 4, "{}", event.traceparent);
}

async fn a_leased_event_comes_again_unless_acknowledged(world: &World) {
    wait_for_human(world, "s").await;
    let first = lease(world, 10).await;
    assert_eq!(lease(world, 10).await, []);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(lease(world, 10).await, [], "to the last millisecond");
    world.clock.advance(Duration::from_millis(1));
    let second = lease(world, 10).await;
    assert_eq!((&second[0].id, second[0].attempts), (&first[0].id, 2));
    world.clock.advance(PAST_LEASE);
    assert_eq!(lease(world, 10).await[0].attempts, 3);
}

async fn an_acknowledged_event_is_gone(world: &World) {
    wait_for_human(world, "s").await;
    let ids: Vec<String> = lease(world, 10).await.into_iter().map(|event| event.id).collect();
    // Also by a reader whose lease has run out, and more than once.
    world.clock.advance(PAST_LEASE);
    acknowledge(world, ids.clone()).await;
    acknowledge(world, ids).await;
    acknowledge(world, vec!["evt_0192f0c1a2b37c4d8e5f60718293a4b5".into(), "nonsense".into()]).await;
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(lease(world, 10).await, []);
}

async fn events_come_in_order_and_no_more_than_asked_for(world: &World) {
    for n in 0..7 {
        wait_for_human(world, &format!("s{n}")).await;
        world.clock.advance(Duration::from_millis(1));
    }
    let mut sessions = Vec::new();
    for expected in [3, 3, 1, 0] {
        let leased = lease(world, 3).await;
        assert_eq!(leased.len(), expected);
        sessions.extend(leased.into_iter().map(|event| event.session));
    }
    assert_eq!(sessions, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"], "oldest first");
}

async fn two_readers_never_have_the_same_event(world: &World) {
    for n in 0..40 {
        wait_for_human(world, &format!("s{n}")).await;
    }
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let notifier = world.notifier();
        readers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let request = wire::LeaseEventsRequest { limit: 3, wait_ms: 0 };
                let events = notifier.lease_events(request).await.unwrap().events;
                assert!(events.len() <= 3, "no more than asked for");
                if events.is_empty() {
                    return mine;
                }
                mine.extend(events);
            }
        });
    }
    let mut owners: BTreeMap<String, u32> = BTreeMap::new();
    let mut taken: Vec<wire::OutboxEvent> = readers.join_all().await.into_iter().flatten().collect();
    // A reader that met only locked events goes away empty-handed; what is left is there for the next one.
    taken.extend(lease(world, 40).await);
    for event in taken {
        assert_eq!(event.attempts, 1);
        *owners.entry(event.id).or_default() += 1;
    }
    assert_eq!(owners.len(), 40);
    assert!(owners.values().all(|times| *times == 1), "{owners:?}");
}

async fn a_waiting_reader_is_woken(world: &World) {
    for round in 0..5 {
        let session = format!("s{round}");
        ask(world, &session, "hello").await;
        let notifier = world.notifier();
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let request = wire::LeaseEventsRequest { limit: 10, wait_ms: 30_000 };
            (notifier.lease_events(request).await.unwrap().events, Instant::now())
        });
        // Nothing tells that the reader waits; should the event be first, the reader finds it.
        tokio::task::yield_now().await;
        world.visitor(&session).escalate(escalate(&session, None)).await.unwrap();
        let filled = Instant::now();
        let (events, woken) = reader.join_next().await.unwrap().unwrap();
        assert_eq!(events.len(), 1);
        // This service looks into its outbox every ten minutes, so the reader was woken: at once, or as soon as a busy
        // machine lets it.
        let waited = woken.saturating_duration_since(filled);
        assert!(waited < Duration::from_secs(5), "{waited:?}");
    }
}

async fn a_reader_waits_no_longer_than_it_asked(world: &World) {
    let started = Instant::now();
    let request = wire::LeaseEventsRequest { limit: 10, wait_ms: 200 };
    assert_eq!(world.notifier().lease_events(request).await.unwrap().events, []);
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
}

async fn who_may_read_the_outbox(world: &World) {
    wait_for_human(world, "s").await;
    let request = wire::LeaseEventsRequest { limit: 1, wait_ms: 0 };
    for line in [world.worker(), world.visitor("s"), world.staff(switchboard_domain::BuiltinRole::Admin)] {
        assert_refused(line.lease_events(request).await, ErrorKind::Forbidden, "CALLER_NOT_ALLOWED");
        let acknowledge = wire::AckEventsRequest { ids: vec!["e".into()] };
        assert_refused(line.ack_events(acknowledge).await, ErrorKind::Forbidden, "CALLER_NOT_ALLOWED");
    }
    assert_eq!(lease(world, 10).await[0].attempts, 1);
}
