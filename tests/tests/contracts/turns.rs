//! `BeginTurn`, `RenewTurn`, `GetTurn`: turns follow each other, one at a time, and each knows what it is asked.

use crate::{
    words::{
        answer, ask, assert_refused, begin, chat, escalate, exchange, lines, log, message, session, turn_of,
    },
    world::World,
};
use std::time::Duration;
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1::{self as wire, begin_turn_response::Next};

crate::on_both_engines!(
    one_turn_covers_everything_that_waited,
    nothing_to_begin,
    what_waits_for_a_human_begins_no_turn,
    a_turn_knows_what_was_said_before,
    without_context_a_turn_still_knows_its_questions,
    a_new_conversation_does_not_swallow_waiting_questions,
    a_lease_is_kept_by_its_holder_only,
    a_turn_can_be_looked_up,
    who_may_look_up_a_turn,
);

async fn begun(world: &World, request: wire::BeginTurnRequest) -> (wire::Turn, Vec<wire::Entry>) {
    let response = world.worker().begin_turn(request).await.unwrap();
    match response.next {
        Some(Next::Turn(turn)) => (turn, response.entries),
        other => panic!("a turn should have begun: {other:?}"),
    }
}

async fn one_turn_covers_everything_that_waited(world: &World) {
    let first = ask(world, "s", "one").await;
    let mut waiting = Vec::new();
    for text in ["two", "three", "four"] {
        let said = world.visitor("s").say(chat("s", text)).await.unwrap();
        waiting.push(message(&said.entries[0]).id.clone());
    }
    let running = world.worker().begin_turn(begin("s")).await.unwrap();
    assert_eq!((running.next, running.entries), (Some(Next::Running(first.id.clone())), vec![]));
    assert!(world.worker().finish_turn(answer(&first, "1")).await.unwrap().more);

    let (turn, entries) = begun(world, begin("s")).await;
    assert_eq!(turn.covers, waiting);
    assert_eq!(turn.questions, ["two", "three", "four"]);
    assert_eq!((turn.attempt, turn.fence), (1, first.fence));
    assert_ne!(turn.id, first.id);
    assert_eq!(lines(&entries), ["turn accepted of 3"]);
    let stored = session(world, "s").await;
    assert_eq!((stored.uncovered, stored.turn.as_deref()), (0, Some(turn.id.as_str())));

    let again = world.worker().begin_turn(begin("s")).await.unwrap();
    assert_eq!(again.next, Some(Next::Running(turn.id.clone())), "a repeat begins no second one");
    assert!(!world.worker().finish_turn(answer(&turn, "2")).await.unwrap().more);
    assert_eq!(log(world, "s").await.len(), 10);
}

async fn nothing_to_begin(world: &World) {
    exchange(world, "s", "one", "1").await;
    let before = session(world, "s").await;
    let idle = world.worker().begin_turn(begin("s")).await.unwrap();
    assert_eq!((idle.next, idle.entries), (Some(Next::Idle(true)), vec![]));
    assert_eq!(session(world, "s").await, before);
    let unknown = world.worker().begin_turn(begin("nobody")).await;
    assert_refused(unknown, ErrorKind::NotFound, "SESSION_NOT_FOUND");
}

async fn what_waits_for_a_human_begins_no_turn(world: &World) {
    ask(world, "s", "one").await;
    world.visitor("s").say(chat("s", "two")).await.unwrap();
    world.visitor("s").escalate(escalate("s", None)).await.unwrap();
    let idle = world.worker().begin_turn(begin("s")).await.unwrap();
    assert_eq!(idle.next, Some(Next::Idle(true)));
    assert_eq!(session(world, "s").await.uncovered, 0);
}

async fn a_turn_knows_what_was_said_before(world: &World) {
    for n in 1..=4 {
        exchange(world, "s", &format!("question {n}"), &format!("answer {n}")).await;
    }
    let asked = wire::SayRequest { context_limit: 3, ..chat("s", "question 5") };
    let turn = turn_of(&world.visitor("s").say(asked).await.unwrap());
    assert_eq!(lines(&turn.context), ["assistant: answer 3", "user: question 4", "assistant: answer 4"]);
    assert_eq!(turn.questions, ["question 5"]);

    world.visitor("s").say(chat("s", "question 6")).await.unwrap();
    world.worker().finish_turn(answer(&turn, "answer 5")).await.unwrap();
    let (next, _) = begun(world, wire::BeginTurnRequest { context_limit: 3, ..begin("s") }).await;
    assert_eq!(next.questions, ["question 6"]);
    assert_eq!(lines(&next.context), ["assistant: answer 4", "user: question 5", "assistant: answer 5"]);
}

async fn without_context_a_turn_still_knows_its_questions(world: &World) {
    let first = ask(world, "s", "one").await;
    world.visitor("s").say(chat("s", "two")).await.unwrap();
    world.worker().finish_turn(answer(&first, "1")).await.unwrap();
    let (turn, _) = begun(world, wire::BeginTurnRequest { context_limit: 0, ..begin("s") }).await;
    assert_eq!((turn.questions, turn.context), (vec!["two".to_owned()], vec![]));
}

async fn a_new_conversation_does_not_swallow_waiting_questions(world: &World) {
    let first = ask(world, "s", "one").await;
    world.visitor("s").say(chat("s", "two")).await.unwrap();
    let new =
        wire::SetConversationRequest { session: "s".into(), conversation: "c".into(), idempotency: None };
    world.worker().set_conversation(new).await.unwrap();
    world.clock.advance(Duration::from_secs(11));
    let claim = wire::ClaimTurnsRequest { limit: 10, context_limit: 10 };
    let taken = world.worker().claim_turns(claim).await.unwrap().turns;
    assert_eq!(taken[0].id, first.id);
    assert_eq!(taken[0].questions, ["one"], "the turn that ran is still asked what it was asked");

    world.worker().finish_turn(answer(&taken[0], "1")).await.unwrap();
    let (turn, _) = begun(world, begin("s")).await;
    assert_eq!(turn.questions, ["two"], "what waited is still to be answered");
}

async fn a_lease_is_kept_by_its_holder_only(world: &World) {
    let turn = ask(world, "s", "hello").await;
    let renew = |attempt, partial: &str| wire::RenewTurnRequest {
        turn: turn.id.clone(),
        attempt,
        partial: partial.into(),
    };
    assert!(world.worker().renew_turn(renew(1, "so far")).await.unwrap().held);
    assert!(!world.worker().renew_turn(renew(2, "not mine")).await.unwrap().held);
    assert!(!world.worker().renew_turn(renew(0, "not mine")).await.unwrap().held);
    world.worker().finish_turn(answer(&turn, "so far and done")).await.unwrap();
    assert!(!world.worker().renew_turn(renew(1, "after the end")).await.unwrap().held);

    let handed_over = ask(world, "t", "hello").await;
    world.visitor("t").escalate(escalate("t", None)).await.unwrap();
    let late = wire::RenewTurnRequest { turn: handed_over.id, attempt: 1, partial: "late".into() };
    assert!(!world.worker().renew_turn(late).await.unwrap().held);
    let malformed = wire::RenewTurnRequest { turn: "msg_1".into(), attempt: 1, partial: String::new() };
    assert_refused(world.worker().renew_turn(malformed).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
}

fn look_up(turn: &wire::Turn) -> wire::GetTurnRequest {
    wire::GetTurnRequest { turn: turn.id.clone(), session: turn.session.clone() }
}

async fn a_turn_can_be_looked_up(world: &World) {
    exchange(world, "s", "zero", "0").await;
    let turn = ask(world, "s", "one").await;
    world.visitor("s").say(chat("s", "two")).await.unwrap();
    let running = world.worker().get_turn(look_up(&turn)).await.unwrap();
    assert_eq!((running.state(), running.entries, running.begun_seq), (wire::TurnState::Accepted, vec![], 6));
    let finished = world.worker().finish_turn(answer(&turn, "1")).await.unwrap();
    let done = world.worker().get_turn(look_up(&turn)).await.unwrap();
    assert_eq!((done.state(), done.begun_seq), (wire::TurnState::Done, 6));
    assert_eq!(lines(&done.entries), ["assistant: 1", "turn done"]);
    assert_eq!(done.entries, finished.entries);
}

async fn who_may_look_up_a_turn(world: &World) {
    let turn = ask(world, "s", "one").await;
    ask(world, "other", "one").await;
    assert!(world.visitor("s").get_turn(look_up(&turn)).await.is_ok());
    let stranger = world.visitor("other");
    assert_refused(stranger.get_turn(look_up(&turn)).await, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    let smuggled = wire::GetTurnRequest { session: "other".into(), ..look_up(&turn) };
    assert_refused(stranger.get_turn(smuggled).await, ErrorKind::NotFound, "TURN_NOT_FOUND");
    let unknown =
        wire::GetTurnRequest { turn: "trn_0192f0c1a2b37c4d8e5f60718293a4b5".into(), ..look_up(&turn) };
    assert_refused(world.worker().get_turn(unknown).await, ErrorKind::NotFound, "TURN_NOT_FOUND");
    assert_refused(
        world.anonymous().get_turn(look_up(&turn)).await,
        ErrorKind::Unauthenticated,
        "TOKEN_REQUIRED",
    );
}
