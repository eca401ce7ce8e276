//! Races: exactly one of many agents gets a session, and no bot talks over a human. `SWITCHBOARD_RACES` says how many
//! (100 unless said); two replicas work on one database.

use crate::{
    hands::{Hand, agent, hand_at, waiting},
    words::{answer, ask, lines, log},
    world::{Place, World},
};
use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use switchboard_domain::{BuiltinRole, ErrorKind, Failure, ServiceName};
use switchboard_mesh::Mounted;
use switchboard_proto::session::v1 as wire;
use tokio::{sync::Barrier, task::JoinSet};

const RACES: usize = 100;
/// Races that run at once: they do not know of each other.
const LANES: usize = 4;
const CALLERS: u32 = 16;
/// From so many on both sides win some.
const ENOUGH: usize = 50;

fn races() -> usize {
    env::var("SWITCHBOARD_RACES").map_or(RACES, |text| text.parse().expect("SWITCHBOARD_RACES is a number"))
}

/// Two replicas on one database.
async fn replicas(world: &World) -> [Mounted; 2] {
    [world.replica(&[]).await, world.replica(&[]).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_sixteen_takes_over_on_postgres() {
    World::run(Place::postgres().await, async |world| take_overs(world).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_sixteen_takes_over_on_sqlite() {
    World::run(Place::sqlite(), async |world| take_overs(world).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_after_a_take_over_on_postgres() {
    World::run(Place::postgres().await, async |world| answers(world).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_after_a_take_over_on_sqlite() {
    World::run(Place::sqlite(), async |world| answers(world).await).await;
}

async fn take_overs(world: &World) {
    let replicas = replicas(world).await;
    let callers: Vec<Hand> =
        (0..CALLERS).map(|n| hand_at(world, &replicas[n as usize % 2], n, BuiltinRole::Agent)).collect();
    let lanes = (0..LANES).map(|lane| {
        let callers = &callers;
        async move {
            for race in (lane..races()).step_by(LANES) {
                let name = format!("race-{race}");
                waiting(world, &name).await;
                one_winner(world, &name, callers).await;
            }
        }
    });
    futures::future::join_all(lanes).await;
}

async fn one_winner(world: &World, name: &str, callers: &[Hand]) {
    let start = Arc::new(Barrier::new(callers.len()));
    let mut calls = JoinSet::new();
    for hand in callers.iter().cloned() {
        let (start, name) = (Arc::clone(&start), name.to_owned());
        calls.spawn(async move {
            start.wait().await;
            (hand.me.id.clone(), hand.take(&name).await)
        });
    }
    let outcomes: Vec<(String, Result<wire::CommandResponse, Failure>)> = calls.join_all().await;
    let winners: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).collect();
    assert_eq!(winners.len(), 1, "{name}: {outcomes:?}");
    let winner = &winners[0].0;
    for (who, outcome) in &outcomes {
        if let Err(failure) = outcome {
            assert_eq!(
                (failure.kind, failure.code.as_ref()),
                (ErrorKind::Conflict, "ALREADY_TAKEN"),
                "{name} {who}"
            );
            assert_eq!(&failure.facts["agent_id"], winner, "{name} {who}");
        }
    }
    let log = log(world, name).await;
    let taken = lines(&log).iter().filter(|line| line.starts_with("pending_manual -> manual_live")).count();
    assert_eq!((taken, log.len()), (1, 7), "{name}");
}

/// A worker ends its turn while a supervisor takes the session from the bot, and again.
#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
async fn answers(world: &World) {
    let replicas = replicas(world).await;
    let boss = hand_at(world, &replicas[0], 1, BuiltinRole::Supervisor);
    let worker = world.line_to(&replicas[1], ServiceName::ChatGateway, world.worker().principal());
    let answered = AtomicUsize::new(0);
    let lanes = (0..LANES).map(|lane| {
        let (boss, worker, answered) = (&boss, &worker, &answered);
        async move {
            for race in (lane..races()).step_by(LANES) {
                let name = format!("race-{race}");
                let turn = ask(world, &name, "hello").await;
                let start = Arc::new(Barrier::new(2));
                let (go, line, request) = (Arc::clone(&start), worker.clone(), answer(&turn, "the answer"));
                let ending = async move {
                    go.wait().await;
                    line.finish_turn(request).await.unwrap()
                };
                let taking = async {
                    start.wait().await;
                    // One side sets out a little later, now the one, now the other.
                    for _ in 0..race % 7 {
                        tokio::task::yield_now().await;
                    }
                    boss.barge_in(&name).await.unwrap()
                };
                let mut other = JoinSet::new();
                other.spawn(ending);
                let _taken = taking.await;
                let ended = other.join_next().await.unwrap().unwrap();
                if silent_after_taking(world, &name, ended.state()).await {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    futures::future::join_all(lanes).await;
    let (answered, races) = (answered.into_inner(), races());
    println!("{races} races: {answered} answers came before the take-over, {} after it", races - answered);
    let both = answered > 0 && answered < races;
    assert!(both || races < ENOUGH, "only one order was seen: {answered} of {races} answers came first");
}

/// Whether the answer came first.
async fn silent_after_taking(world: &World, name: &str, state: wire::TurnState) -> bool {
    let log = log(world, name).await;
    let said = lines(&log);
    let taken = said.iter().position(|line| line == "bot_active -> manual_live ()").expect("it was taken");
    assert!(!said[taken..].iter().any(|line| line.starts_with("assistant:")), "{name}: {said:?}");
    let answered = said[..taken].iter().any(|line| line == "assistant: the answer");
    let expected = if answered { wire::TurnState::Done } else { wire::TurnState::HandedOver };
    assert_eq!(state, expected, "{name}: {said:?}");
    assert_eq!(crate::words::session(world, name).await.agent, Some(agent(1)), "{name}");
    answered
}
