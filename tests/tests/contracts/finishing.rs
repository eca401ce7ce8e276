//! `FinishTurn`: one commit with the answer and the hand-over, the same again when repeated, nothing from those who have
//! lost the turn or the right to speak.

use crate::{
    words::{
        answer, ask, assert_gapless, assert_refused, chat, escalate, escalation, exchange, lines, log,
        message, session, status,
    },
    world::World,
};
use std::time::Duration;
use switchboard_domain::{ErrorKind, Language, Status, notice::Notice};
use switchboard_proto::{
    common::v1::Source,
    session::v1::{self as wire, TurnState, finish_turn_request::HandOverNotice},
};

crate::on_both_engines!(
    a_whole_answer,
    a_broken_off_answer,
    no_answer,
    an_answer_and_a_hand_over_are_one_commit,
    every_hand_over_has_its_notice,
    a_hand_over_takes_the_waiting_messages_along,
    a_repeat_gets_what_the_first_call_wrote,
    another_worker_has_the_turn,
    a_bot_cannot_speak_after_the_customer_asked_for_a_human,
    failures_are_counted_in_a_row,
    the_conversation_is_noted_once,
    nonsense_is_refused,
);

async fn finish(world: &World, request: wire::FinishTurnRequest) -> wire::FinishTurnResponse {
    world.worker().finish_turn(request).await.unwrap()
}

async fn a_whole_answer(world: &World) {
    let turn = ask(world, "s", "hello").await;
    let source =
        Source { title: "Warranty".into(), url: "https://shop/w".into(), article: "warranty".into() };
    let request = wire::FinishTurnRequest { sources: vec![source.clone()], ..answer(&turn, "hi") };
    let finished = finish(world, request).await;
    assert_eq!((finished.state(), finished.more), (TurnState::Done, false));
    assert_eq!(lines(&finished.entries), ["assistant: hi", "turn done"]);
    assert_gapless(&finished.entries, 3);
    let written = message(&finished.entries[0]);
    assert_eq!((written.turn.as_ref(), &written.sources), (Some(&turn.id), &vec![source]));
    let stored = finished.session.unwrap();
    assert_eq!((stored.turn, stored.head, stored.version, stored.ai_failures), (None, 4, 2, 0));
}

async fn a_broken_off_answer(world: &World) {
    let turn = ask(world, "s", "hello").await;
    let request =
        wire::FinishTurnRequest { state: TurnState::Interrupted.into(), ..answer(&turn, "hi, I wa") };
    let finished = finish(world, request).await;
    assert_eq!(finished.state(), TurnState::Interrupted);
    assert_eq!(lines(&finished.entries), ["assistant: hi, I wa (interrupted)", "turn interrupted"]);
}

async fn no_answer(world: &World) {
    let turn = ask(world, "s", "hello").await;
    let request = wire::FinishTurnRequest { state: TurnState::Failed.into(), ..answer(&turn, "") };
    let finished = finish(world, request).await;
    assert_eq!(
        (finished.state(), lines(&finished.entries)),
        (TurnState::Failed, vec!["turn failed".to_owned()])
    );
    assert_eq!(status(&finished.session.unwrap()), Status::BotActive);
}

fn hand_over(turn: &wire::Turn, text: &str, notice: HandOverNotice) -> wire::FinishTurnRequest {
    wire::FinishTurnRequest {
        state: TurnState::HandedOver.into(),
        escalation: Some(escalation("asked for a human")),
        notice: notice.into(),
        ..answer(turn, text)
    }
}

async fn an_answer_and_a_hand_over_are_one_commit(world: &World) {
    let turn = ask(world, "s", "hello").await;
    let before = session(world, "s").await;
    world.clock.advance(Duration::from_secs(3));
    let finished = finish(world, hand_over(&turn, "I cannot", HandOverNotice::Waiting)).await;
    assert_eq!(finished.state(), TurnState::HandedOver);
    let told = format!("system: {}", Notice::Waiting.text(Language::En));
    assert_eq!(
        lines(&finished.entries),
        ["assistant: I cannot", "bot_active -> pending_manual (manual)", &told, "turn handed_over"]
    );
    let stored = finished.session.unwrap();
    assert_eq!(stored.version, before.version + 1, "one commit");
    assert_eq!((status(&stored), stored.fence, stored.turn), (Status::PendingManual, before.fence + 1, None));
    let wanted = stored.escalation.unwrap();
    assert_eq!((wanted.reason.as_str(), wanted.details.as_str()), ("manual", "asked for a human"));
    assert_eq!(wanted.at_ms, before.updated_at_ms + 3000, "the service says since when");

    let leased =
        world.notifier().lease_events(wire::LeaseEventsRequest { limit: 10, wait_ms: 0 }).await.unwrap();
    let [event] = leased.events.as_slice() else { panic!("one event: {leased:?}") };
    assert_eq!((event.kind.as_str(), event.session.as_str()), ("session.customer_waits", "s"));
}

async fn every_hand_over_has_its_notice(world: &World) {
    for (name, asked, expected) in [
        ("unspecified", HandOverNotice::Unspecified, Notice::Waiting),
        ("waiting", HandOverNotice::Waiting, Notice::Waiting),
        ("unavailable", HandOverNotice::AiUnavailable, Notice::AiUnavailable),
        ("broke", HandOverNotice::AnswerBrokeOff, Notice::AnswerBrokeOff),
    ] {
        for (language, question) in [(Language::En, "hello"), (Language::Zh, "你好")] {
            let session = format!("{name}-{}", language.tag());
            let turn = ask(world, &session, question).await;
            let finished = finish(world, hand_over(&turn, "", asked)).await;
            assert_eq!(lines(&finished.entries)[1], format!("system: {}", expected.text(language)));
        }
    }
}

async fn a_hand_over_takes_the_waiting_messages_along(world: &World) {
    let turn = ask(world, "s", "one").await;
    world.visitor("s").say(chat("s", "two")).await.unwrap();
    let finished = finish(world, hand_over(&turn, "", HandOverNotice::Waiting)).await;
    assert!(!finished.more, "a human reads what waited");
    let stored = finished.session.unwrap();
    assert_eq!((stored.uncovered, stored.covered), (0, 3));
}

async fn a_repeat_gets_what_the_first_call_wrote(world: &World) {
    let turn = ask(world, "s", "hello").await;
    let first = finish(world, answer(&turn, "hi")).await;
    exchange(world, "s", "more", "of it").await;
    for request in [
        answer(&turn, "hi"),
        answer(&turn, "another text"),
        hand_over(&turn, "another end", HandOverNotice::Waiting),
    ] {
        let again = finish(world, request).await;
        assert_eq!((again.state(), again.entries), (TurnState::Done, first.entries.clone()));
    }
    let turn = ask(world, "t", "hello").await;
    let request = hand_over(&turn, "I cannot", HandOverNotice::Waiting);
    let first = finish(world, request.clone()).await;
    assert_eq!(finish(world, request).await, first);
    assert_eq!((log(world, "s").await.len(), log(world, "t").await.len()), (8, 6));
}

async fn another_worker_has_the_turn(world: &World) {
    let turn = ask(world, "s", "hello").await;
    let before = log(world, "s").await;
    for attempt in [0, 2] {
        let request = wire::FinishTurnRequest { attempt, ..answer(&turn, "mine!") };
        assert_refused(world.worker().finish_turn(request).await, ErrorKind::Conflict, "TURN_LOST");
    }
    assert_eq!(log(world, "s").await, before);
}

async fn a_bot_cannot_speak_after_the_customer_asked_for_a_human(world: &World) {
    let turn = ask(world, "s", "hello").await;
    world.visitor("s").escalate(escalate("s", None)).await.unwrap();
    let before = log(world, "s").await;
    for request in [answer(&turn, "hi"), hand_over(&turn, "hi", HandOverNotice::AiUnavailable)] {
        let late = finish(world, request).await;
        assert_eq!((late.state(), late.more), (TurnState::HandedOver, false));
        assert_eq!(
            lines(&late.entries),
            ["turn handed_over"],
            "what ended it, and nothing that the bot said"
        );
    }
    assert_eq!(log(world, "s").await, before);
    assert!(!lines(&before).iter().any(|line| line.starts_with("assistant")));
    let leased =
        world.notifier().lease_events(wire::LeaseEventsRequest { limit: 10, wait_ms: 0 }).await.unwrap();
    assert_eq!(leased.events.len(), 1, "the customer waits once");
}

async fn failures_are_counted_in_a_row(world: &World) {
    for (failed, count) in [(Some(true), 1), (Some(true), 2), (None, 2), (Some(true), 3), (Some(false), 0)] {
        let turn = ask(world, "s", "hello").await;
        let request = wire::FinishTurnRequest { answer_failed: failed, ..answer(&turn, "eh") };
        assert_eq!(finish(world, request).await.session.unwrap().ai_failures, count);
        assert_eq!(session(world, "s").await.ai_failures, count);
    }
    let turn = ask(world, "s", "hello").await;
    assert_eq!(turn.ai_failures, 0);
}

async fn the_conversation_is_noted_once(world: &World) {
    let noted = |turn: &wire::Turn, id: &str| wire::FinishTurnRequest {
        conversation: Some(id.into()),
        ..answer(turn, "hi")
    };
    let turn = ask(world, "s", "hello").await;
    assert_eq!(turn.conversation, None);
    let finished = finish(world, noted(&turn, "c-1")).await;
    assert_eq!(lines(&finished.entries), ["conversation c-1", "assistant: hi", "turn done"]);
    for (id, known) in [("c-1", "c-1"), ("", "c-1"), ("c-2", "c-2")] {
        let turn = ask(world, "s", "hello").await;
        let before = turn.conversation.clone();
        let finished = finish(world, noted(&turn, id)).await;
        let changed = before.as_deref() != Some(known);
        assert_eq!(finished.entries.len(), if changed { 3 } else { 2 }, "{id}");
        assert_eq!(finished.session.unwrap().conversation.as_deref(), Some(known));
    }
    assert_eq!(session(world, "s").await.memory_from, 0, "the bot remembers all the same");
}

async fn nonsense_is_refused(world: &World) {
    let turn = ask(world, "s", "hello").await;
    ask(world, "other", "hello").await;
    let worker = world.worker();
    for state in [TurnState::Unspecified, TurnState::Accepted] {
        let request = wire::FinishTurnRequest { state: state.into(), ..answer(&turn, "hi") };
        assert_refused(worker.finish_turn(request).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
    }
    let other = wire::FinishTurnRequest { session: "other".into(), ..answer(&turn, "hi") };
    assert_refused(worker.finish_turn(other).await, ErrorKind::NotFound, "TURN_NOT_FOUND");
    let turn_unknown = wire::FinishTurnRequest {
        turn: "trn_0192f0c1a2b37c4d8e5f60718293a4b5".into(),
        ..answer(&turn, "hi")
    };
    assert_refused(worker.finish_turn(turn_unknown).await, ErrorKind::NotFound, "TURN_NOT_FOUND");
    let session_unknown = wire::FinishTurnRequest { session: "nobody".into(), ..answer(&turn, "hi") };
    assert_refused(worker.finish_turn(session_unknown).await, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    let customer = world.visitor("s").finish_turn(answer(&turn, "I am the bot")).await;
    assert_refused(customer, ErrorKind::Forbidden, "CALLER_NOT_ALLOWED");
    assert_eq!(lines(&log(world, "s").await), ["user: hello", "turn accepted of 1"]);
}
