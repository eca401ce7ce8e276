//! `Open`, `Escalate`, `SetConversation`: what happens beside the turns, once for each key.

use crate::{
    words::{
        STRONG, answer, ask, assert_gapless, assert_refused, escalate, exchange, keyed, lines, log, manual,
        once, session, status,
    },
    world::{START, World},
};
use std::time::Duration;
use switchboard_domain::{BuiltinRole, ErrorKind, Language, Status, notice::Notice};
use switchboard_proto::session::v1 as wire;

crate::on_both_engines!(
    opening_makes_an_empty_session,
    who_opened_may_repeat_for_a_while,
    opening_needs_the_right_visitor,
    a_call_for_a_human_passes_the_right_to_speak_on,
    a_repeated_call_for_a_human_writes_nothing,
    a_key_means_one_command,
    a_key_is_kept_for_its_time,
    waiting_twice_keeps_the_place,
    who_may_call_a_human,
    a_new_conversation_begins_the_memory_anew,
    a_new_conversation_is_set_once_for_each_key,
    who_may_set_the_conversation,
);

fn open(session: &str, key: Option<&str>) -> wire::OpenRequest {
    let idempotency = key.map(|key| once(key, "open"));
    wire::OpenRequest { session: session.into(), profile: None, idempotency }
}

fn conversation(session: &str, id: &str) -> wire::SetConversationRequest {
    wire::SetConversationRequest { session: session.into(), conversation: id.into(), idempotency: None }
}

async fn opening_makes_an_empty_session(world: &World) {
    let profile =
        wire::Profile { nickname: Some("Ann".into()), email: None, vip: true, language: "en-GB".into() };
    let request = wire::OpenRequest { profile: Some(profile), ..open("s", Some(STRONG)) };
    let opened = world.anonymous().open(request).await.unwrap();
    assert!(opened.created);
    assert_eq!(opened.epoch, START / 1000, "a new database has an epoch of its own");
    let made = opened.session.unwrap();
    assert_eq!((status(&made), made.head, made.fence), (Status::BotActive, 0, 1));
    let known = made.profile.unwrap();
    assert_eq!((known.nickname.as_deref(), known.vip, known.language.as_str()), (Some("Ann"), true, "en"));
    assert_eq!(log(world, "s").await, []);
}

async fn who_opened_may_repeat_for_a_while(world: &World) {
    let nobody = world.anonymous();
    let first = nobody.open(open("s", Some(STRONG))).await.unwrap();
    world.clock.advance(Duration::from_mins(10));
    let again = nobody.open(open("s", Some(STRONG))).await.unwrap();
    assert_eq!(again, first, "and changes nothing");
    // The way in with the same key: the first message of the page that opened the session.
    let said = nobody.say(keyed("s", "hello", STRONG)).await.unwrap();
    assert!(said.created && !said.replayed);
    for key in [None, Some("short"), Some("another-key-of-16")] {
        let outcome = nobody.open(open("s", key)).await;
        assert_refused(outcome, ErrorKind::Unauthenticated, "TOKEN_REQUIRED");
    }
    world.clock.advance(Duration::from_millis(1));
    let late = nobody.open(open("s", Some(STRONG))).await;
    assert_refused(late, ErrorKind::Unauthenticated, "TOKEN_REQUIRED");
    assert!(nobody.open(open("t", None)).await.unwrap().created);
    let keyless = nobody.open(open("t", None)).await;
    assert_refused(keyless, ErrorKind::Unauthenticated, "TOKEN_REQUIRED");
}

async fn opening_needs_the_right_visitor(world: &World) {
    let opened = world.visitor("s").open(open("s", None)).await.unwrap();
    assert!(!opened.created, "who has a token needs no other");
    let again = world.visitor("s").open(open("s", None)).await.unwrap();
    assert_eq!(again.session, opened.session);
    let stranger = world.visitor("t");
    assert_refused(stranger.open(open("s", None)).await, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    assert_refused(stranger.open(open("new", None)).await, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    let malformed = world.anonymous().open(open("a b", None)).await;
    assert_refused(malformed, ErrorKind::Invalid, "INVALID_SESSION_NAME");
}

async fn a_call_for_a_human_passes_the_right_to_speak_on(world: &World) {
    ask(world, "s", "hello").await;
    world.clock.advance(Duration::from_secs(5));
    let called = world.visitor("s").escalate(escalate("s", Some(once("k", "f")))).await.unwrap();
    assert!(!called.replayed);
    let told = format!("system: {}", Notice::Waiting.text(Language::En));
    assert_eq!(lines(&called.entries), ["turn handed_over", "bot_active -> pending_manual (manual)", &told]);
    assert_gapless(&called.entries, 3);
    let stored = called.session.unwrap();
    assert_eq!(
        (status(&stored), stored.fence, stored.turn, stored.version),
        (Status::PendingManual, 2, None, 2)
    );
    let wanted = stored.escalation.unwrap();
    assert_eq!(
        (wanted.severity.as_str(), wanted.details.as_str(), wanted.at_ms),
        ("high", "please", START + 5000)
    );
}

async fn a_repeated_call_for_a_human_writes_nothing(world: &World) {
    ask(world, "s", "hello").await;
    let visitor = world.visitor("s");
    let first = visitor.escalate(escalate("s", Some(once("k", "f")))).await.unwrap();
    visitor.say(manual("s", "anybody?")).await.unwrap();
    let now = session(world, "s").await;
    world.clock.advance(Duration::from_hours(24));
    let again = visitor.escalate(escalate("s", Some(once("k", "f")))).await.unwrap();
    assert!(again.replayed);
    assert_eq!((again.entries, again.session), (first.entries, Some(now)), "first answer, present state");
    assert_eq!(log(world, "s").await.len(), 6);
}

async fn a_key_means_one_command(world: &World) {
    let visitor = world.visitor("s");
    ask(world, "s", "hello").await;
    visitor.escalate(escalate("s", Some(once("k", "f")))).await.unwrap();
    let before = session(world, "s").await;
    let other = visitor.escalate(escalate("s", Some(once("k", "other")))).await;
    assert_refused(other, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    assert_eq!(session(world, "s").await, before);
    let malformed = visitor.escalate(escalate("s", Some(once("two words", "f")))).await;
    assert_refused(malformed, ErrorKind::Invalid, "INVALID_IDEMPOTENCY_KEY");

    // The same key of another method and of another session is another command.
    let set = wire::SetConversationRequest { idempotency: Some(once("k", "g")), ..conversation("s", "c") };
    assert!(!world.worker().set_conversation(set).await.unwrap().replayed);
    ask(world, "t", "hello").await;
    let elsewhere = world.visitor("t").escalate(escalate("t", Some(once("k", "h")))).await.unwrap();
    assert!(!elsewhere.replayed);
}

async fn a_key_is_kept_for_its_time(world: &World) {
    ask(world, "s", "hello").await;
    let (visitor, hour) = (world.visitor("s"), Duration::from_hours(1));
    visitor.escalate(escalate("s", Some(once("older", "f")))).await.unwrap();
    world.clock.advance(2 * hour);
    visitor.escalate(escalate("s", Some(once("younger", "f")))).await.unwrap();
    // Kept for 48 hours; then whoever cleans up may take it away.
    world.clock.advance(47 * hour);
    world.replica(&[("session.cleanup_interval", "1ms")]).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while visitor.escalate(escalate("s", Some(once("older", "f")))).await.unwrap().replayed {
        assert!(tokio::time::Instant::now() < deadline, "nobody cleans up");
        tokio::task::yield_now().await;
    }
    assert!(visitor.escalate(escalate("s", Some(once("younger", "f")))).await.unwrap().replayed);
}

async fn waiting_twice_keeps_the_place(world: &World) {
    let visitor = world.visitor("s");
    ask(world, "s", "hello").await;
    let first = visitor.escalate(escalate("s", None)).await.unwrap().session.unwrap();
    world.clock.advance(Duration::from_mins(5));
    for key in [None, Some(once("k", "f")), Some(once("k", "f"))] {
        let again = visitor.escalate(escalate("s", key)).await.unwrap();
        assert_eq!(again.entries, []);
        let stored = again.session.unwrap();
        assert_eq!((stored.escalation, stored.fence), (first.escalation.clone(), first.fence));
    }
    assert_eq!(log(world, "s").await.len(), 5);
    let leased =
        world.notifier().lease_events(wire::LeaseEventsRequest { limit: 10, wait_ms: 0 }).await.unwrap();
    assert_eq!(leased.events.len(), 1, "the team is told once");
}

async fn who_may_call_a_human(world: &World) {
    let request = escalate("s", None);
    ask(world, "s", "hello").await;
    assert_refused(
        world.anonymous().escalate(request.clone()).await,
        ErrorKind::Unauthenticated,
        "TOKEN_REQUIRED",
    );
    assert_refused(
        world.visitor("t").escalate(request.clone()).await,
        ErrorKind::Forbidden,
        "NOT_YOUR_SESSION",
    );
    assert_refused(
        world.worker().escalate(request.clone()).await,
        ErrorKind::Forbidden,
        "CALLER_NOT_ALLOWED",
    );
    let missing = world.visitor("t").escalate(escalate("t", None)).await;
    assert_refused(missing, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    let wordless = wire::EscalateRequest { escalation: None, ..request.clone() };
    assert_refused(world.visitor("s").escalate(wordless).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
    assert_eq!(log(world, "s").await.len(), 2);
    assert!(world.staff(BuiltinRole::Agent).escalate(request).await.is_ok());
}

async fn a_new_conversation_begins_the_memory_anew(world: &World) {
    exchange(world, "s", "old question", "old answer").await;
    let turn = ask(world, "s", "bad question").await;
    let failing = wire::FinishTurnRequest { answer_failed: Some(true), ..answer(&turn, "eh") };
    world.worker().finish_turn(failing).await.unwrap();

    let set = world.visitor("s");
    let through_conductor = world.line(
        switchboard_domain::ServiceName::ChatGateway,
        switchboard_domain::Principal::Visitor(switchboard_domain::SessionName::parse("s").unwrap()),
    );
    assert_refused(
        set.set_conversation(conversation("s", "c-2")).await,
        ErrorKind::Forbidden,
        "CALLER_NOT_ALLOWED",
    );
    let changed = through_conductor.set_conversation(conversation("s", "c-2")).await.unwrap();
    assert_eq!(lines(&changed.entries), ["conversation c-2"]);
    let stored = changed.session.unwrap();
    assert_eq!((stored.memory_from, stored.head, stored.ai_failures), (9, 9, 0));
    assert_eq!(stored.conversation.as_deref(), Some("c-2"));

    let turn = ask(world, "s", "new question").await;
    assert_eq!((turn.context.clone(), turn.conversation.as_deref()), (vec![], Some("c-2")));
    assert_eq!(turn.questions, ["new question"]);
    world.worker().finish_turn(answer(&turn, "new answer")).await.unwrap();
    let next = ask(world, "s", "next question").await;
    assert_eq!(lines(&next.context), ["user: new question", "assistant: new answer"]);
}

async fn a_new_conversation_is_set_once_for_each_key(world: &World) {
    ask(world, "s", "hello").await;
    let request =
        wire::SetConversationRequest { idempotency: Some(once("k", "c-1")), ..conversation("s", "c-1") };
    let first = world.worker().set_conversation(request.clone()).await.unwrap();
    world.worker().set_conversation(conversation("s", "c-2")).await.unwrap();
    let again = world.worker().set_conversation(request.clone()).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.entries, first.entries);
    assert_eq!(again.session.unwrap().conversation.as_deref(), Some("c-2"), "a late repeat undoes nothing");
    let other =
        wire::SetConversationRequest { idempotency: Some(once("k", "c-3")), ..conversation("s", "c-3") };
    assert_refused(world.worker().set_conversation(other).await, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
}

async fn who_may_set_the_conversation(world: &World) {
    ask(world, "s", "hello").await;
    let missing = world.worker().set_conversation(conversation("nobody", "c")).await;
    assert_refused(missing, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    let nobody =
        world.line(switchboard_domain::ServiceName::ChatGateway, switchboard_domain::Principal::Anonymous);
    let outcome = nobody.set_conversation(conversation("s", "c")).await;
    assert_refused(outcome, ErrorKind::Unauthenticated, "TOKEN_REQUIRED");
    assert_eq!(session(world, "s").await.conversation, None);
}
