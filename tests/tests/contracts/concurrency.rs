//! Many callers at once: each message once, no place left out, one maker of a session.

use crate::{
    words::{answer, ask, begin, keyed, log, message, session},
    world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1::{self as wire, begin_turn_response::Next};
use tokio::task::JoinSet;

crate::on_both_engines!(
    many_messages_in_one_session,
    many_messages_in_many_sessions,
    many_strangers_make_one_session,
    many_ends_of_one_turn,
    many_workers_begin_one_turn,
);

const MANY: usize = 64;

/// Sends each request twice at once, as an impatient client does.
async fn twice(world: &World, requests: impl Iterator<Item = wire::SayRequest>) -> Vec<wire::SayResponse> {
    let mut calls = JoinSet::new();
    for request in requests {
        for _ in 0..2 {
            let (line, request) = (world.visitor(&request.session), request.clone());
            calls.spawn(async move { line.say(request).await.unwrap() });
        }
    }
    calls.join_all().await
}

async fn many_messages_in_one_session(world: &World) {
    let requests =
        (0..MANY).map(|n| keyed("s", &format!("message {n}"), &format!("key {n}").replace(' ', "-")));
    let said = twice(world, requests).await;
    assert_eq!(said.len(), 2 * MANY);
    assert_eq!(said.iter().filter(|answer| answer.replayed).count(), MANY);
    let began = |answer: &&wire::SayResponse| matches!(answer.next, Some(wire::say_response::Next::Turn(_)));
    assert_eq!(said.iter().filter(began).count(), 1, "one turn runs");

    let mut told: BTreeMap<String, BTreeSet<(i64, String)>> = BTreeMap::new();
    for answer in &said {
        let written = message(&answer.entries[0]);
        let place = (answer.entries[0].seq, written.id.clone());
        told.entry(written.text.clone()).or_default().insert(place);
    }
    assert!(told.values().all(|places| places.len() == 1), "both calls are told the same place");
    let log = log(world, "s").await;
    let kept: BTreeSet<_> = log
        .iter()
        .filter(|entry| matches!(entry.body, Some(wire::entry::Body::Message(_))))
        .map(|entry| (entry.seq, message(entry).id.clone()))
        .collect();
    assert_eq!((log.len(), kept.len()), (MANY + 1, MANY));
    assert_eq!(kept, told.into_values().flatten().collect());
    let stored = session(world, "s").await;
    assert_eq!((stored.head, stored.version), (65, 64), "one commit for each message");
    assert_eq!(stored.uncovered, 63);
}

async fn many_messages_in_many_sessions(world: &World) {
    let requests = (0..MANY).map(|n| keyed(&format!("s{n}"), "hello", "k"));
    let said = twice(world, requests).await;
    assert_eq!(said.iter().filter(|answer| answer.replayed).count(), MANY);
    let mut messages = BTreeSet::new();
    let mut turns = BTreeSet::new();
    for n in 0..MANY {
        let log = log(world, &format!("s{n}")).await;
        assert_eq!(log.len(), 2);
        messages.insert(message(&log[0]).id.clone());
        turns.insert(message(&log[0]).turn.clone());
    }
    assert_eq!((messages.len(), turns.len()), (MANY, MANY));
}

async fn many_strangers_make_one_session(world: &World) {
    let mut calls = JoinSet::new();
    for n in 0..32 {
        let line = world.anonymous();
        let key = format!("key-of-a-stranger-{n}");
        calls.spawn(async move { line.say(keyed("s", &format!("I am {n}"), &key)).await });
    }
    let (made, refused): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 31));
    assert!(made[0].as_ref().unwrap().created);
    for outcome in refused {
        let failure = outcome.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_ref()), (ErrorKind::Unauthenticated, "TOKEN_REQUIRED"));
    }
    assert_eq!(log(world, "s").await, made[0].as_ref().unwrap().entries);
}

async fn many_ends_of_one_turn(world: &World) {
    let turn = ask(world, "s", "hello").await;
    let mut calls = JoinSet::new();
    for n in 0..16 {
        let (worker, request) = (world.worker(), answer(&turn, &format!("answer {n}")));
        calls.spawn(async move { worker.finish_turn(request).await.unwrap().entries });
    }
    let told: BTreeSet<String> =
        calls.join_all().await.iter().map(|entries| message(&entries[0]).text.clone()).collect();
    assert_eq!(told.len(), 1, "all are told the one end: {told:?}");
    assert_eq!(log(world, "s").await.len(), 4);
}

async fn many_workers_begin_one_turn(world: &World) {
    let turn = ask(world, "s", "one").await;
    world.visitor("s").say(keyed("s", "two", "k")).await.unwrap();
    world.worker().finish_turn(answer(&turn, "1")).await.unwrap();
    let mut calls = JoinSet::new();
    for n in 0..16 {
        let (worker, visitor) = (world.worker(), world.visitor("s"));
        calls.spawn(async move {
            // A repeat of the message may begin its turn as well.
            if n % 4 == 0 {
                let again = visitor.say(keyed("s", "two", "k")).await.unwrap();
                return matches!(again.next, Some(wire::say_response::Next::Turn(_)));
            }
            matches!(worker.begin_turn(begin("s")).await.unwrap().next, Some(Next::Turn(_)))
        });
    }
    assert_eq!(calls.join_all().await.into_iter().filter(|began| *began).count(), 1);
    assert_eq!(log(world, "s").await.len(), 6);
}
