//! `Say`: what a customer writes is kept once, in order, by whom it may be, and the bot's turn begins with it.

use crate::{
    words::{
        STRONG, answer, ask, assert_refused, begin, chat, escalate, keyed, lines, log, manual, message,
        session, status, turn_of,
    },
    world::{START, World},
};
use std::time::Duration;
use switchboard_domain::{BuiltinRole, ErrorKind, ServiceName, Status};
use switchboard_proto::session::v1::{self as wire, say_response::Next};

crate::on_both_engines!(
    the_first_message_makes_the_session_and_begins_a_turn,
    messages_take_the_next_places,
    without_an_id_every_message_is_new,
    a_repeat_gets_the_first_message_and_its_turn,
    a_repeat_of_a_waiting_message_says_where_it_waits,
    a_repeat_begins_the_turn_that_nobody_began,
    the_same_id_with_another_text_is_refused,
    texts_are_kept_normalised,
    who_made_a_session_may_repeat_for_a_while,
    a_visitor_stays_in_the_own_session,
    a_human_is_reached_by_the_other_way_only,
    nonsense_is_refused_and_keeps_nothing,
    who_may_not_write,
    what_is_known_of_the_customer_stays,
);

async fn the_first_message_makes_the_session_and_begins_a_turn(world: &World) {
    let said = world.anonymous().say(keyed("s", "hello", STRONG)).await.unwrap();
    assert!(said.created && !said.replayed);
    assert_eq!(lines(&said.entries), ["user: hello", "turn accepted of 1"]);
    let turn = turn_of(&said);
    let first = message(&said.entries[0]);
    assert_eq!(
        (first.client_message_id.as_deref(), first.turn.as_deref()),
        (Some(STRONG), Some(turn.id.as_str()))
    );
    assert_eq!((turn.attempt, turn.fence, turn.lease_ms), (1, 1, 10_000));
    assert_eq!((turn.covers, turn.questions), (vec![first.id.clone()], vec!["hello".to_owned()]));
    assert_eq!((turn.context, turn.partial.as_str(), turn.language.as_str()), (vec![], "", "en"));
    let stored = said.session.unwrap();
    assert_eq!((status(&stored), stored.head, stored.version), (Status::BotActive, 2, 1));
    assert_eq!((stored.turn, stored.uncovered, stored.covered), (Some(turn.id), 0, 1));
    assert_eq!((stored.created_at_ms, stored.updated_at_ms), (START, START));
    assert_eq!(log(world, "s").await, said.entries);
}

async fn messages_take_the_next_places(world: &World) {
    let turn = ask(world, "s", "one").await;
    for (text, place) in [("two", 3), ("three", 4)] {
        world.clock.advance(Duration::from_secs(1));
        let said = world.visitor("s").say(chat("s", text)).await.unwrap();
        assert_eq!(said.next, Some(Next::BehindTurn(turn.id.clone())));
        assert!(!said.created && !said.replayed);
        assert_eq!((said.entries.len(), said.entries[0].seq), (1, place));
        assert_eq!(said.entries[0].at_ms, START + (place - 2) * 1000);
        assert_eq!(i64::from(said.session.unwrap().uncovered), place - 2);
    }
    let log = log(world, "s").await;
    assert_eq!(lines(&log), ["user: one", "turn accepted of 1", "user: two", "user: three"]);
}

async fn without_an_id_every_message_is_new(world: &World) {
    ask(world, "s", "hello").await;
    let again = world.visitor("s").say(chat("s", "hello")).await.unwrap();
    assert!(!again.replayed);
    assert_eq!(log(world, "s").await.len(), 3);
}

async fn a_repeat_gets_the_first_message_and_its_turn(world: &World) {
    let first = world.visitor("s").say(keyed("s", "hello", "k")).await.unwrap();
    let turn = turn_of(&first);
    world.clock.advance(Duration::from_hours(24 * 30));
    let repeat = || async { world.visitor("s").say(keyed("s", "hello", "k")).await.unwrap() };
    let again = repeat().await;
    assert!(again.replayed && !again.created);
    assert_eq!(again.entries, first.entries[..1], "the message as first written");
    assert_eq!(again.next, Some(Next::CoveredByTurn(turn.id.clone())));
    world.worker().finish_turn(answer(&turn, "hi")).await.unwrap();
    assert_eq!(repeat().await.next, Some(Next::CoveredByTurn(turn.id)), "also after its end");
    assert_eq!(
        lines(&log(world, "s").await),
        ["user: hello", "turn accepted of 1", "assistant: hi", "turn done"]
    );

    let elsewhere = world.visitor("other").say(keyed("other", "hello", "k")).await.unwrap();
    assert!(!elsewhere.replayed, "ids belong to one session");
}

async fn a_repeat_of_a_waiting_message_says_where_it_waits(world: &World) {
    let running = ask(world, "s", "one").await;
    let waiting = keyed("s", "two", "k");
    let first = world.visitor("s").say(waiting.clone()).await.unwrap();
    assert_eq!(first.next, Some(Next::BehindTurn(running.id.clone())));
    let again = world.visitor("s").say(waiting.clone()).await.unwrap();
    assert!(again.replayed);
    assert_eq!((again.next, again.entries), (first.next, first.entries));

    world.worker().finish_turn(answer(&running, "1")).await.unwrap();
    let Some(wire::begin_turn_response::Next::Turn(next)) =
        world.worker().begin_turn(begin("s")).await.unwrap().next
    else {
        panic!("a message waits")
    };
    let later = world.visitor("s").say(waiting).await.unwrap();
    assert_eq!(later.next, Some(Next::CoveredByTurn(next.id)));
}

async fn a_repeat_begins_the_turn_that_nobody_began(world: &World) {
    let running = ask(world, "s", "one").await;
    let first = world.visitor("s").say(keyed("s", "two", "k")).await.unwrap();
    assert!(world.worker().finish_turn(answer(&running, "1")).await.unwrap().more);
    let again = world.visitor("s").say(keyed("s", "two", "k")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.entries, first.entries);
    let turn = turn_of(&again);
    assert_eq!(
        (turn.covers, turn.questions),
        (vec![message(&first.entries[0]).id.clone()], vec!["two".to_owned()])
    );
    let log = log(world, "s").await;
    assert_eq!(lines(&log)[2..], ["user: two", "assistant: 1", "turn done", "turn accepted of 1"]);
}

async fn the_same_id_with_another_text_is_refused(world: &World) {
    world.visitor("s").say(keyed("s", "hello", "k")).await.unwrap();
    let before = session(world, "s").await;
    let other = world.visitor("s").say(keyed("s", "goodbye", "k")).await;
    assert_refused(other, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    assert_eq!(session(world, "s").await, before);
    assert_eq!(log(world, "s").await.len(), 2);
}

async fn texts_are_kept_normalised(world: &World) {
    world.visitor("s").say(keyed("s", " cafe\u{301}\r\nau lait ", "k")).await.unwrap();
    let again = world.visitor("s").say(keyed("s", "caf\u{e9}\nau lait", "k")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(lines(&again.entries), ["user: caf\u{e9}\nau lait"]);
}

async fn who_made_a_session_may_repeat_for_a_while(world: &World) {
    let token_required = |outcome: Result<wire::SayResponse, _>| {
        assert_refused(outcome, ErrorKind::Unauthenticated, "TOKEN_REQUIRED");
    };
    let nobody = world.anonymous();
    assert!(nobody.say(keyed("s", "hello", STRONG)).await.unwrap().created);

    world.clock.advance(Duration::from_mins(10));
    let repeated = nobody.say(keyed("s", "hello", STRONG)).await.unwrap();
    assert!(repeated.created && repeated.replayed, "the answer to the first call was lost");
    token_required(nobody.say(keyed("s", "hello", "another-key-of-16")).await);
    token_required(nobody.say(chat("s", "hello")).await);
    world.clock.advance(Duration::from_millis(1));
    token_required(nobody.say(keyed("s", "hello", STRONG)).await);

    assert!(nobody.say(keyed("weak", "hello", "short")).await.unwrap().created);
    token_required(nobody.say(keyed("weak", "hello", "short")).await);
    assert!(nobody.say(chat("keyless", "hello")).await.unwrap().created);
    token_required(nobody.say(chat("keyless", "hello")).await);

    // A visitor's key proves nothing to those who have no token.
    world.visitor("own").say(keyed("own", "hello", "k")).await.unwrap();
    token_required(nobody.say(keyed("own", "hello", "k")).await);
    for (name, places) in [("s", 2), ("weak", 2), ("keyless", 2), ("own", 2)] {
        assert_eq!(log(world, name).await.len(), places, "{name}");
    }
}

async fn a_visitor_stays_in_the_own_session(world: &World) {
    ask(world, "mine", "hello").await;
    let stranger = world.visitor("theirs");
    assert_refused(stranger.say(chat("mine", "hello")).await, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    assert_refused(stranger.say(chat("new", "hello")).await, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    let missing = world.worker().get(wire::GetRequest { session: "new".into(), tail: 0 }).await;
    assert_refused(missing, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    let own = world.visitor("mine").say(chat("mine", "again")).await.unwrap();
    assert!(!own.created, "who has a token needs no other");
}

async fn a_human_is_reached_by_the_other_way_only(world: &World) {
    let visitor = world.visitor("s");
    ask(world, "s", "hello").await;
    assert_refused(visitor.say(manual("s", "human?")).await, ErrorKind::Conflict, "INVALID_STATUS");
    visitor.escalate(escalate("s", None)).await.unwrap();

    let before = log(world, "s").await;
    let refused = visitor.say(chat("s", "bot?")).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_ref()), (ErrorKind::Conflict, "SESSION_IN_MANUAL_MODE"));
    assert_eq!(
        (refused.message.as_str(), refused.facts["status"].as_str()),
        ("pending_manual", "pending_manual")
    );
    assert_eq!(log(world, "s").await, before, "what is refused is not kept");

    let said = visitor.say(manual("s", "human?")).await.unwrap();
    assert_eq!((lines(&said.entries), said.next), (vec!["user: human?".to_owned()], None));
    let stored = said.session.unwrap();
    assert_eq!((status(&stored), stored.turn, stored.uncovered), (Status::PendingManual, None, 0));
}

async fn nonsense_is_refused_and_keeps_nothing(world: &World) {
    let visitor = world.visitor("s");
    let long = "x".repeat(10_001);
    for (request, code) in [
        (chat("s", " \r\n"), "MESSAGE_EMPTY"),
        (chat("s", &long), "MESSAGE_TOO_LONG"),
        (chat("s", "a\u{0}b"), "CONTROL_CHARACTER"),
        (chat("s/../t", "hello"), "INVALID_SESSION_NAME"),
        (keyed("s", "hello", "ключ"), "INVALID_IDEMPOTENCY_KEY"),
        (keyed("s", "hello", &"k".repeat(129)), "INVALID_IDEMPOTENCY_KEY"),
        (wire::SayRequest { via: 0, ..chat("s", "hello") }, "MALFORMED_MESSAGE"),
        (wire::SayRequest { via: 9, ..chat("s", "hello") }, "MALFORMED_MESSAGE"),
    ] {
        assert_refused(visitor.say(request).await, ErrorKind::Invalid, code);
    }
    assert_refused(visitor.say(manual("s", "hello")).await, ErrorKind::Conflict, "INVALID_STATUS");
    let missing = world.worker().get(wire::GetRequest { session: "s".into(), tail: 0 }).await;
    assert_refused(missing, ErrorKind::NotFound, "SESSION_NOT_FOUND");
}

async fn who_may_not_write(world: &World) {
    for role in [BuiltinRole::Agent, BuiltinRole::Supervisor, BuiltinRole::Admin] {
        let outcome = world.staff(role).say(chat("s", "hello")).await;
        assert_refused(outcome, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
    }
    assert_refused(world.worker().say(chat("s", "hello")).await, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
    for part in [ServiceName::Notifier, ServiceName::Regulator, ServiceName::AgentAuth, ServiceName::Session]
    {
        let line = world.line(part, switchboard_domain::Principal::Anonymous);
        assert_refused(line.say(chat("s", "hello")).await, ErrorKind::Forbidden, "CALLER_NOT_ALLOWED");
    }
}

async fn what_is_known_of_the_customer_stays(world: &World) {
    let visitor = world.visitor("s");
    let with = |text: &str, profile| wire::SayRequest { profile: Some(profile), ..chat("s", text) };
    let vip = wire::Profile { nickname: Some("Ann".into()), email: None, vip: true, language: String::new() };
    let said = visitor.say(with("123", vip)).await.unwrap();
    assert_eq!(turn_of(&said).language, "zh", "nothing speaks for a language yet");
    assert!(turn_of(&said).vip);

    let mail =
        wire::Profile { nickname: None, email: Some("a@b.c".into()), vip: false, language: String::new() };
    visitor.say(with("my battery", mail)).await.unwrap();
    let known = visitor.say(chat("s", "电池")).await.unwrap().session.unwrap().profile.unwrap();
    let expected = wire::Profile {
        nickname: Some("Ann".into()),
        email: Some("a@b.c".into()),
        vip: true,
        language: "en".into(),
    };
    assert_eq!(known, expected);
}
