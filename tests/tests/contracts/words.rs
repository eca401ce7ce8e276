//! The words that the tests are written in: requests with what matters, logs as lines that can be compared.

use crate::world::{Line, World};
use switchboard_domain::{Entry, EntryBody, ErrorKind, Failure, Status};
use switchboard_proto::{
    common::v1::{Escalation, Idempotency},
    session::v1::{self as wire, say_request::Via, say_response::Next},
};

/// A key that is hard enough to guess to prove whose it is.
pub(crate) const STRONG: &str = "0123456789abcdef";

/// A message through the chat.
pub(crate) fn chat(session: &str, text: &str) -> wire::SayRequest {
    wire::SayRequest {
        session: session.into(),
        text: text.into(),
        client_message_id: String::new(),
        via: Via::Chat.into(),
        profile: None,
        context_limit: 10,
    }
}

/// A message through the chat that can be repeated.
pub(crate) fn keyed(session: &str, text: &str, key: &str) -> wire::SayRequest {
    wire::SayRequest { client_message_id: key.into(), ..chat(session, text) }
}

/// A message to a human.
pub(crate) fn manual(session: &str, text: &str) -> wire::SayRequest {
    wire::SayRequest { via: Via::Manual.into(), ..chat(session, text) }
}

/// A call for a human by the button.
pub(crate) fn escalation(details: &str) -> Escalation {
    Escalation {
        reason: "manual".into(),
        severity: "high".into(),
        details: details.into(),
        ..Escalation::default()
    }
}

pub(crate) fn escalate(session: &str, idempotency: Option<Idempotency>) -> wire::EscalateRequest {
    wire::EscalateRequest { session: session.into(), escalation: Some(escalation("please")), idempotency }
}

/// What makes a command repeatable.
pub(crate) fn once(key: &str, fingerprint: &str) -> Idempotency {
    Idempotency { key: key.into(), fingerprint: fingerprint.into() }
}

pub(crate) fn begin(session: &str) -> wire::BeginTurnRequest {
    wire::BeginTurnRequest { session: session.into(), context_limit: 10 }
}

/// The whole answer of a turn.
pub(crate) fn answer(turn: &wire::Turn, text: &str) -> wire::FinishTurnRequest {
    wire::FinishTurnRequest {
        turn: turn.id.clone(),
        session: turn.session.clone(),
        fence: turn.fence,
        attempt: turn.attempt,
        state: wire::TurnState::Done.into(),
        text: text.into(),
        sources: Vec::new(),
        answer_failed: None,
        conversation: None,
        escalation: None,
        notice: 0,
        degraded: false,
    }
}

/// Asks for the bot's answer as the session's visitor; gives the turn that begins.
pub(crate) async fn ask(world: &World, session: &str, text: &str) -> wire::Turn {
    turn_of(&world.visitor(session).say(chat(session, text)).await.unwrap())
}

/// Asks, and has it answered.
pub(crate) async fn exchange(world: &World, session: &str, question: &str, reply: &str) {
    let turn = ask(world, session, question).await;
    world.worker().finish_turn(answer(&turn, reply)).await.unwrap();
}

/// The turn that the caller holds.
pub(crate) fn turn_of(said: &wire::SayResponse) -> wire::Turn {
    match &said.next {
        Some(Next::Turn(turn)) => turn.clone(),
        other => panic!("a turn should have begun: {other:?}"),
    }
}

/// A session as it stands.
pub(crate) async fn session(world: &World, name: &str) -> wire::Session {
    let got = world.worker().get(wire::GetRequest { session: name.into(), tail: 0 }).await.unwrap();
    got.session.unwrap()
}

/// The whole log of a session; its places are 1, 2, 3 …
pub(crate) async fn log(world: &World, name: &str) -> Vec<wire::Entry> {
    log_by(&world.worker(), name).await
}

/// The whole log, asked for on some line.
pub(crate) async fn log_by(line: &Line, name: &str) -> Vec<wire::Entry> {
    let mut entries = Vec::new();
    loop {
        let after = Some(i64::try_from(entries.len()).unwrap());
        let page = wire::ListEntriesRequest {
            session: name.into(),
            before: None,
            after,
            limit: 200,
            messages_only: false,
        };
        let page = line.list_entries(page).await.unwrap();
        entries.extend(page.entries);
        if !page.has_more {
            break;
        }
    }
    assert_gapless(&entries, 1);
    entries
}

/// Places count on from `first` without a gap.
pub(crate) fn assert_gapless(entries: &[wire::Entry], first: i64) {
    let seqs: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
    let expected: Vec<i64> = (first..).take(seqs.len()).collect();
    assert_eq!(seqs, expected);
}

/// What entries say, one line each.
pub(crate) fn lines(entries: &[wire::Entry]) -> Vec<String> {
    entries.iter().map(line).collect()
}

fn line(entry: &wire::Entry) -> String {
    match Entry::try_from(entry.clone()).unwrap().body {
        EntryBody::Message(message) => {
            let broken = if message.interrupted { " (interrupted)" } else { "" };
            format!("{}: {}{broken}", message.sender.role(), message.text)
        }
        EntryBody::Status(change) => {
            format!("{} -> {} ({})", change.from, change.to, change.reason.unwrap_or_default())
        }
        EntryBody::Turn(change) if change.covers.is_empty() => format!("turn {}", change.state),
        EntryBody::Turn(change) => format!("turn {} of {}", change.state, change.covers.len()),
        EntryBody::Conversation(id) => format!("conversation {id}"),
    }
}

/// The id of a message entry.
pub(crate) fn message(entry: &wire::Entry) -> &wire::Message {
    match &entry.body {
        Some(wire::entry::Body::Message(message)) => message,
        other => panic!("a message was expected: {other:?}"),
    }
}

/// The status of a session in words.
pub(crate) fn status(session: &wire::Session) -> Status {
    switchboard_proto::convert::status_from_wire(session.status, "status").unwrap()
}

/// The call was refused like this.
#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, Failure>, kind: ErrorKind, code: &str) {
    let failure = outcome.expect_err(code);
    assert_eq!((failure.kind, failure.code.as_ref()), (kind, code), "{failure}");
}
