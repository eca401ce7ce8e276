//! `ClaimTurns`: a turn whose worker died goes to exactly one other; a message that nobody began is begun.

use crate::{
    words::{answer, ask, assert_refused, chat, escalate, lines, log, message, session},
    world::World,
};
use std::{collections::BTreeMap, time::Duration};
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1 as wire;
use tokio::task::JoinSet;

crate::on_both_engines!(
    an_abandoned_turn_goes_to_another_worker,
    each_worker_that_takes_over_counts,
    a_renewed_lease_stays,
    turns_that_have_ended_are_left_alone,
    forgotten_messages_are_begun,
    of_many_sweepers_one_gets_a_turn,
);

/// The configured lease and a millisecond.
const PAST_LEASE: Duration = Duration::from_millis(10_001);

async fn claim(world: &World, limit: u32) -> Vec<wire::Turn> {
    let request = wire::ClaimTurnsRequest { limit, context_limit: 10 };
    world.worker().claim_turns(request).await.unwrap().turns
}

fn renew(turn: &wire::Turn, partial: &str) -> wire::RenewTurnRequest {
    wire::RenewTurnRequest { turn: turn.id.clone(), attempt: turn.attempt, partial: partial.into() }
}

async fn an_abandoned_turn_goes_to_another_worker(world: &World) {
    let old = ask(world, "s", "hello").await;
    assert!(world.worker().renew_turn(renew(&old, "so f")).await.unwrap().held);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(claim(world, 10).await, [], "the lease runs to its last millisecond");
    world.clock.advance(Duration::from_millis(1));

    let taken = claim(world, 10).await;
    let [new] = taken.as_slice() else { panic!("one turn: {taken:?}") };
    assert_eq!((&new.id, new.attempt, new.fence), (&old.id, 2, old.fence));
    assert_eq!((new.partial.as_str(), &new.questions, &new.covers), ("so f", &old.questions, &old.covers));
    assert_eq!(claim(world, 10).await, [], "it has a worker again");

    assert!(!world.worker().renew_turn(renew(&old, "so far")).await.unwrap().held);
    assert_refused(world.worker().finish_turn(answer(&old, "old")).await, ErrorKind::Conflict, "TURN_LOST");
    world.worker().finish_turn(answer(new, "new")).await.unwrap();
    let told = world.worker().finish_turn(answer(&old, "old")).await.unwrap();
    assert_eq!(
        lines(&told.entries),
        ["assistant: new", "turn done"],
        "after the end all are told how it ended"
    );
    assert_eq!(log(world, "s").await.len(), 4);
}

async fn each_worker_that_takes_over_counts(world: &World) {
    ask(world, "s", "hello").await;
    for attempt in 2..=4 {
        world.clock.advance(PAST_LEASE);
        let taken = claim(world, 10).await;
        assert_eq!(taken.iter().map(|turn| turn.attempt).collect::<Vec<_>>(), [attempt]);
    }
    assert_eq!(session(world, "s").await.version, 1, "the log knows nothing of workers");
}

async fn a_renewed_lease_stays(world: &World) {
    let turn = ask(world, "s", "hello").await;
    world.clock.advance(Duration::from_secs(9));
    assert!(world.worker().renew_turn(renew(&turn, "")).await.unwrap().held);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(claim(world, 10).await, []);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(claim(world, 10).await.len(), 1);
}

async fn turns_that_have_ended_are_left_alone(world: &World) {
    let done = ask(world, "done", "hello").await;
    world.worker().finish_turn(answer(&done, "hi")).await.unwrap();
    ask(world, "handed", "hello").await;
    world.visitor("handed").escalate(escalate("handed", None)).await.unwrap();
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(claim(world, 10).await, []);
}

async fn forgotten_messages_are_begun(world: &World) {
    let first = ask(world, "s", "one").await;
    let said = world.visitor("s").say(chat("s", "two")).await.unwrap();
    world.worker().finish_turn(answer(&first, "1")).await.unwrap();
    assert_eq!(claim(world, 10).await, [], "the worker may still be on its way");
    world.clock.advance(PAST_LEASE);
    let taken = claim(world, 10).await;
    let [turn] = taken.as_slice() else { panic!("one turn: {taken:?}") };
    assert_eq!((turn.attempt, &turn.questions), (1, &vec!["two".to_owned()]));
    assert_eq!(turn.covers, [message(&said.entries[0]).id.clone()]);
    assert_eq!(lines(&log(world, "s").await).last().unwrap(), "turn accepted of 1");
    assert_eq!(claim(world, 10).await, []);
}

async fn of_many_sweepers_one_gets_a_turn(world: &World) {
    for n in 0..20 {
        ask(world, &format!("s{n}"), "hello").await;
    }
    world.clock.advance(PAST_LEASE);
    let mut sweepers = JoinSet::new();
    for _ in 0..4 {
        let worker = world.worker();
        sweepers.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let request = wire::ClaimTurnsRequest { limit: 3, context_limit: 0 };
                let turns = worker.claim_turns(request).await.unwrap().turns;
                assert!(turns.len() <= 3, "no more than asked for");
                if turns.is_empty() {
                    return taken;
                }
                taken.extend(turns);
            }
        });
    }
    let mut owners: BTreeMap<String, i64> = BTreeMap::new();
    for turn in sweepers.join_all().await.into_iter().flatten() {
        assert_eq!(turn.attempt, 2);
        *owners.entry(turn.id).or_default() += 1;
    }
    // A sweeper that finds all it looked at taken meanwhile comes again; here the test does.
    for turn in claim(world, 20).await {
        *owners.entry(turn.id).or_default() += 1;
    }
    assert_eq!(owners.len(), 20);
    assert!(owners.values().all(|times| *times == 1), "{owners:?}");
}
