//! What the peers' streams say, read once. A field that cannot be read is a peer's fault and ends the stream.

use crate::{
    feed::Opened,
    reply::{Accepted, Ended},
};
use switchboard_domain::{TurnId, session::LogEpoch};
use switchboard_proto::{
    chat::v1::turn_event,
    convert::{WireError, entries_from_wire},
    session::v1::subscribe_response,
};

impl TryFrom<turn_event::Accepted> for Accepted {
    type Error = WireError;
    fn try_from(value: turn_event::Accepted) -> Result<Self, WireError> {
        let turn = value.turn.as_deref().map(TurnId::parse).transpose();
        Ok(Self {
            turn: turn.map_err(|_| WireError::new("accepted.turn"))?,
            epoch: LogEpoch::new(value.epoch),
            created: value.created,
            replayed: value.replayed,
            entries: entries_from_wire(value.entries)?,
            session: value.session.ok_or(WireError::new("accepted.session"))?.try_into()?,
        })
    }
}

impl TryFrom<turn_event::Ended> for Ended {
    type Error = WireError;
    fn try_from(value: turn_event::Ended) -> Result<Self, WireError> {
        Ok(Self {
            turn: turn(&value.turn, "ended.turn")?,
            state: value.state().try_into()?,
            entries: entries_from_wire(value.entries)?,
        })
    }
}

impl TryFrom<subscribe_response::Opened> for Opened {
    type Error = WireError;
    fn try_from(value: subscribe_response::Opened) -> Result<Self, WireError> {
        Ok(Self {
            session: value.session.ok_or(WireError::new("opened.session"))?.try_into()?,
            epoch: LogEpoch::new(value.epoch),
            reset: value.reset,
            tail: entries_from_wire(value.tail)?,
            insight: value.insight,
        })
    }
}

/// Reads a turn's id.
pub(crate) fn turn(text: &str, field: &'static str) -> Result<TurnId, WireError> {
    TurnId::parse(text).map_err(|_| WireError::new(field))
}
