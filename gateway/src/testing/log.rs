//! Entries of a log, made by hand.

use super::START_MS;
use switchboard_domain::{
    AgentId, Entry, EntryBody, Message, MessageId, Sender, Seq, Session, SessionName, Status, Timestamp,
    TurnId,
    entry::{AgentRef, StatusChange, TurnChange},
    session::Fence,
    turn::TurnState,
};

/// A session whose log has `head` entries.
pub(crate) fn session(name: &str, head: i64) -> Session {
    let mut session = Session::new(SessionName::parse(name).unwrap(), Timestamp::from_millis(START_MS));
    session.head = Seq::new(head);
    session
}

/// The turn of a number.
pub(crate) fn turn(number: u32) -> TurnId {
    TurnId::parse(&format!("trn_{number:032x}")).unwrap()
}

/// The message of a number.
pub(crate) fn message_id(number: i64) -> MessageId {
    MessageId::parse(&format!("msg_{number:032x}")).unwrap()
}

/// An entry of session `alice`.
pub(crate) fn entry(seq: i64, body: EntryBody) -> Entry {
    let session = SessionName::parse("alice").unwrap();
    Entry { session, seq: Seq::new(seq), at: Timestamp::from_millis(START_MS + seq), body }
}

fn message(seq: i64, sender: Sender, text: &str, turn: Option<TurnId>) -> Entry {
    let message = Message {
        id: message_id(seq),
        sender,
        text: text.to_owned(),
        agent: None,
        client_message_id: None,
        turn,
        sources: Vec::new(),
        interrupted: false,
    };
    entry(seq, EntryBody::Message(message))
}

pub(crate) fn customer(seq: i64, text: &str) -> Entry {
    message(seq, Sender::Customer, text, None)
}

pub(crate) fn assistant(seq: i64, text: &str, turn: Option<TurnId>) -> Entry {
    message(seq, Sender::Assistant, text, turn)
}

pub(crate) fn notice(seq: i64, text: &str, turn: Option<TurnId>) -> Entry {
    message(seq, Sender::System, text, turn)
}

pub(crate) fn agent(seq: i64, text: &str) -> Entry {
    let mut entry = message(seq, Sender::Agent, text, None);
    if let EntryBody::Message(message) = &mut entry.body {
        let id = AgentId::parse(&format!("agt_{:032x}", 7)).unwrap();
        message.agent = Some(AgentRef { id, name: "王".to_owned() });
    }
    entry
}

pub(crate) fn status(seq: i64, from: Status, to: Status) -> Entry {
    let change = StatusChange { from, to, reason: Some("keyword".into()), agent: None, fence: Fence::new(2) };
    entry(seq, EntryBody::Status(change))
}

pub(crate) fn turn_change(seq: i64, turn: TurnId, state: TurnState) -> Entry {
    entry(seq, EntryBody::Turn(TurnChange { turn, state, covers: Vec::new(), degraded: false }))
}
