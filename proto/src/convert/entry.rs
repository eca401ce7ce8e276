//! Entries of the log.

use super::{WireError, parsed, required, status_from_wire};
use crate::session::v1 as wire;
use switchboard_domain::{
    Entry, EntryBody, Message, MessageId, Seq, SessionName, Timestamp, TurnId,
    entry::{StatusChange, TurnChange},
    session::Fence,
};

/// All entries, to the wire.
pub fn entries_to_wire(entries: &[Entry]) -> Vec<wire::Entry> {
    entries.iter().map(Into::into).collect()
}

/// All entries, from the wire.
///
/// # Errors
/// [`WireError`] of the first that cannot be read.
pub fn entries_from_wire(entries: Vec<wire::Entry>) -> Result<Vec<Entry>, WireError> {
    entries.into_iter().map(TryInto::try_into).collect()
}

impl From<&Entry> for wire::Entry {
    fn from(value: &Entry) -> Self {
        Self {
            session: value.session.to_string(),
            seq: value.seq.get(),
            at_ms: value.at.millis(),
            body: Some(match &value.body {
                EntryBody::Message(message) => wire::entry::Body::Message(message.into()),
                EntryBody::Status(change) => wire::entry::Body::Status(change.into()),
                EntryBody::Turn(change) => wire::entry::Body::Turn(change.into()),
                EntryBody::Conversation(id) => wire::entry::Body::Conversation(id.clone()),
            }),
        }
    }
}

impl TryFrom<wire::Entry> for Entry {
    type Error = WireError;
    fn try_from(value: wire::Entry) -> Result<Self, WireError> {
        Ok(Self {
            session: parsed(SessionName::parse(&value.session), "entry.session")?,
            seq: Seq::new(value.seq),
            at: Timestamp::from_millis(value.at_ms),
            body: match required(value.body, "entry.body")? {
                wire::entry::Body::Message(message) => EntryBody::Message(message.try_into()?),
                wire::entry::Body::Status(change) => EntryBody::Status(change.try_into()?),
                wire::entry::Body::Turn(change) => EntryBody::Turn(change.try_into()?),
                wire::entry::Body::Conversation(id) => EntryBody::Conversation(id),
            },
        })
    }
}

impl From<&Message> for wire::Message {
    fn from(value: &Message) -> Self {
        Self {
            id: value.id.to_string(),
            sender: wire::Sender::from(value.sender).into(),
            text: value.text.clone(),
            agent: value.agent.as_ref().map(Into::into),
            client_message_id: value.client_message_id.clone(),
            turn: value.turn.map(|turn| turn.to_string()),
            sources: value.sources.iter().map(Into::into).collect(),
            interrupted: value.interrupted,
        }
    }
}

impl TryFrom<wire::Message> for Message {
    type Error = WireError;
    fn try_from(value: wire::Message) -> Result<Self, WireError> {
        let sender = value.sender();
        Ok(Self {
            id: parsed(MessageId::parse(&value.id), "message.id")?,
            sender: sender.try_into()?,
            text: value.text,
            agent: value.agent.map(TryInto::try_into).transpose()?,
            client_message_id: value.client_message_id,
            turn: parsed(value.turn.as_deref().map(TurnId::parse).transpose(), "message.turn")?,
            sources: value.sources.into_iter().map(Into::into).collect(),
            interrupted: value.interrupted,
        })
    }
}

impl From<&StatusChange> for wire::StatusChange {
    fn from(value: &StatusChange) -> Self {
        Self {
            from: wire::Status::from(value.from).into(),
            to: wire::Status::from(value.to).into(),
            reason: value.reason.clone(),
            agent: value.agent.as_ref().map(Into::into),
            fence: value.fence.get(),
        }
    }
}

impl TryFrom<wire::StatusChange> for StatusChange {
    type Error = WireError;
    fn try_from(value: wire::StatusChange) -> Result<Self, WireError> {
        Ok(Self {
            from: status_from_wire(value.from, "status_change.from")?,
            to: status_from_wire(value.to, "status_change.to")?,
            reason: value.reason,
            agent: value.agent.map(TryInto::try_into).transpose()?,
            fence: Fence::new(value.fence),
        })
    }
}

impl From<&TurnChange> for wire::TurnChange {
    fn from(value: &TurnChange) -> Self {
        Self {
            turn: value.turn.to_string(),
            state: wire::TurnState::from(value.state).into(),
            covers: value.covers.iter().map(ToString::to_string).collect(),
            degraded: value.degraded,
        }
    }
}

impl TryFrom<wire::TurnChange> for TurnChange {
    type Error = WireError;
    fn try_from(value: wire::TurnChange) -> Result<Self, WireError> {
        let covers: Result<Vec<_>, _> = value.covers.iter().map(|id| MessageId::parse(id)).collect();
        Ok(Self {
            turn: parsed(TurnId::parse(&value.turn), "turn_change.turn")?,
            state: value.state().try_into()?,
            covers: parsed(covers, "turn_change.covers")?,
            degraded: value.degraded,
        })
    }
}
