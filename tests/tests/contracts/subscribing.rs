//! `Subscribe`: the log from a place on, each entry once and in order, whoever writes and however slowly it is read.

use crate::{
    feed::{Feed, after},
    words::{answer, ask, assert_gapless, assert_refused, chat, exchange, keyed, lines, log, session},
    world::{Line, Place, START, World},
};
use std::sync::Arc;
use switchboard_domain::{BuiltinRole, ErrorKind, Principal, ServiceName};
use switchboard_proto::session::v1::subscribe_response::{CaughtUp, Event};
use tokio::{sync::watch, task::JoinSet};

crate::on_both_engines!(
    first_what_is_written_then_what_comes,
    from_every_place,
    a_place_that_means_nothing_is_answered_with_a_snapshot,
    who_may_listen,
    writers_and_listeners_at_random_moments,
    a_slow_reader_loses_nothing_and_holds_nobody_up,
    a_stop_ends_the_stream,
);

const EPOCH: i64 = START / 1000;

async fn first_what_is_written_then_what_comes(world: &World) {
    exchange(world, "s", "one", "1").await;
    let turn = ask(world, "s", "two").await;
    let mut feed = Feed::open(&world.visitor("s"), after("s", None)).await.unwrap();
    assert!(!feed.opened.reset);
    assert_eq!((feed.opened.epoch, &feed.opened.tail), (EPOCH, &vec![]));
    assert_eq!(feed.opened.session, Some(session(world, "s").await));
    let (past, caught_up) = feed.catch_up().await;
    assert_eq!(past, log(world, "s").await);
    assert_eq!(caught_up, CaughtUp { seq: 6, turn: Some(turn.id.clone()) });

    world.visitor("s").say(chat("s", "three")).await.unwrap();
    assert_eq!(lines(&feed.entries(1).await), ["user: three"]);
    world.worker().finish_turn(answer(&turn, "2")).await.unwrap();
    let live = feed.entries(2).await;
    assert_eq!(lines(&live), ["assistant: 2", "turn done"]);
    assert_gapless(&live, 8);
}

async fn from_every_place(world: &World) {
    for n in 1..=3 {
        exchange(world, "s", &format!("question {n}"), "answer").await;
    }
    let all = log(world, "s").await;
    for place in 0..=12 {
        let request = after("s", Some((EPOCH, place)));
        let mut feed = Feed::open(&world.visitor("s"), request).await.unwrap();
        assert!(!feed.opened.reset, "from {place}");
        let (past, caught_up) = feed.catch_up().await;
        assert_eq!(past, all[usize::try_from(place).unwrap()..], "from {place}");
        assert_eq!(caught_up, CaughtUp { seq: 12, turn: None });
    }
}

async fn a_place_that_means_nothing_is_answered_with_a_snapshot(world: &World) {
    for n in 0..30 {
        exchange(world, "s", &format!("question {n}"), &format!("answer {n}")).await;
    }
    let said: Vec<_> = log(world, "s")
        .await
        .into_iter()
        .filter(|entry| !lines(std::slice::from_ref(entry))[0].starts_with("turn"))
        .collect();
    let mut feeds = Vec::new();
    for position in [(EPOCH, 121), (EPOCH, i64::MAX), (EPOCH, -1), (EPOCH - 1, 0), (EPOCH + 1, 120), (0, 0)] {
        let mut feed = Feed::open(&world.visitor("s"), after("s", Some(position))).await.unwrap();
        assert!(feed.opened.reset, "{position:?}");
        assert_eq!(feed.opened.tail, said[10..], "the last fifty messages");
        assert_eq!(feed.opened.session.as_ref().unwrap().head, 120);
        assert_eq!(feed.catch_up().await, (vec![], CaughtUp { seq: 120, turn: None }));
        feeds.push(feed);
    }
    ask(world, "s", "and then?").await;
    for feed in &mut feeds {
        let live = feed.entries(2).await;
        assert_eq!(lines(&live), ["user: and then?", "turn accepted of 1"]);
        assert_gapless(&live, 121);
    }
}

async fn who_may_listen(world: &World) {
    ask(world, "s", "hello").await;
    for line in [world.visitor("s"), world.staff(BuiltinRole::Agent), world.worker()] {
        let mut feed = Feed::open(&line, after("s", None)).await.unwrap();
        assert_eq!(feed.catch_up().await.0.len(), 2);
    }
    for (line, kind, code) in [
        (world.visitor("t"), ErrorKind::Forbidden, "NOT_YOUR_SESSION"),
        (world.anonymous(), ErrorKind::Unauthenticated, "TOKEN_REQUIRED"),
        (world.notifier(), ErrorKind::Forbidden, "CALLER_NOT_ALLOWED"),
    ] {
        assert_refused(line.subscribe(after("s", None)).await, kind, code);
    }
    let unknown = world.worker().subscribe(after("nobody", None)).await;
    assert_refused(unknown, ErrorKind::NotFound, "SESSION_NOT_FOUND");
}

/// Chance that is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64: every seed gives another, well mixed sequence.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    async fn dawdle(&mut self) {
        for _ in 0..self.below(6) {
            tokio::task::yield_now().await;
        }
    }
}

const WRITERS: u64 = 16;
const MESSAGES: u64 = 6;
const LISTENERS: u64 = 8;

async fn writers_and_listeners_at_random_moments(world: &World) {
    for seed in 1..=3 {
        storm(world, seed, &[world.visitor(&format!("s{seed}"))]).await;
    }
}

/// Writers append while listeners come, read a while, go and come back; each listener sees every entry once, in order.
async fn storm(world: &World, seed: u64, ways: &[Line]) {
    let name = format!("s{seed}");
    ask(world, &name, "hello").await;
    let written = Arc::new(watch::Sender::new(0_u64));
    let way = |n: u64| ways[usize::try_from(n).unwrap() % ways.len()].clone();
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (line, name, written, mut dice) =
            (way(writer), name.clone(), written.clone(), Dice(seed << 32 | writer));
        tasks.spawn(async move {
            for n in 0..MESSAGES {
                dice.dawdle().await;
                line.say(keyed(&name, &format!("{writer}.{n}"), &format!("{writer}.{n}"))).await.unwrap();
                written.send_modify(|count| *count += 1);
            }
        });
    }
    for listener in 0..LISTENERS {
        let (line, name, mut written) = (way(listener / 2), name.clone(), written.subscribe());
        let mut dice = Dice(seed << 48 | listener);
        tasks.spawn(async move {
            let moment = dice.below(WRITERS * MESSAGES);
            written.wait_for(|count| *count >= moment).await.unwrap();
            listen(&line, &name, &mut dice).await;
        });
    }
    tasks.join_all().await;
    assert_eq!(log(world, &name).await.len() as u64, 2 + WRITERS * MESSAGES);
}

async fn listen(line: &Line, name: &str, dice: &mut Dice) {
    let end = i64::try_from(2 + WRITERS * MESSAGES).unwrap();
    let mut last = 0;
    while last < end {
        let position = (last > 0 || dice.below(2) == 0).then_some((EPOCH, last));
        let mut feed = Feed::open(line, after(name, position)).await.unwrap();
        assert!(!feed.opened.reset);
        let leave_at = (last + 1 + i64::try_from(dice.below(40)).unwrap()).min(end);
        while last < leave_at {
            dice.dawdle().await;
            match feed.next().await.unwrap() {
                Event::Entry(entry) => {
                    assert_eq!(entry.seq, last + 1);
                    last = entry.seq;
                }
                Event::CaughtUp(caught_up) => assert_eq!(caught_up.seq, last),
                Event::Opened(opened) => panic!("opened twice: {opened:?}"),
                Event::Typing(_) | Event::Receipt(_) | Event::QueuePosition(_) => {}
            }
        }
    }
}

/// A commit of another replica wakes nobody here: listeners find it when they look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_listeners_at_two_replicas() {
    World::run(Place::postgres().await, async |world| {
        let settings = [("session.poll_interval", "20ms"), ("session.live_tail", "8")];
        let (one, other) = (world.replica(&settings).await, world.replica(&settings).await);
        let agent = world.visitor("s9").principal();
        let ways = [&one, &other].map(|replica| world.line_to(replica, ServiceName::Gateway, agent.clone()));
        storm(world, 9, &ways).await;
    })
    .await;
}

async fn a_slow_reader_loses_nothing_and_holds_nobody_up(world: &World) {
    ask(world, "s", "hello").await;
    let mut slow = Feed::open(&world.visitor("s"), after("s", None)).await.unwrap();
    let mut quick = Feed::open(&world.staff(BuiltinRole::Agent), after("s", None)).await.unwrap();
    assert_eq!(quick.catch_up().await.0.len(), 2);
    for round in 0..10 {
        let mut writers = JoinSet::new();
        for n in 0..20 {
            let line = world.visitor("s");
            writers.spawn(async move { line.say(chat("s", &format!("{round}.{n}"))).await.unwrap() });
        }
        writers.join_all().await;
        assert_gapless(&quick.entries(20).await, 3 + round * 20);
    }
    let (past, _) = slow.catch_up().await;
    let mut seen = past;
    seen.extend(slow.entries(202 - seen.len()).await);
    assert_eq!(seen, log(world, "s").await);
}

async fn a_stop_ends_the_stream(world: &World) {
    ask(world, "s", "hello").await;
    let mut feed = Feed::open(
        &world.line(ServiceName::Gateway, Principal::Service(ServiceName::Gateway)),
        after("s", None),
    )
    .await
    .unwrap();
    feed.catch_up().await;
    assert!(world.life.stop(std::time::Duration::from_secs(30)).await);
    assert_eq!(feed.next().await, None);
}
