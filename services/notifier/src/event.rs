//! An event of the session service's outbox as the notifier keeps it.

use crate::kinds::is_kind;
use switchboard_domain::{EventId, SessionName, Timestamp};
use switchboard_mesh::TraceContext;
use switchboard_proto::{convert::WireError, notifier::v1 as own, session::v1 as wire};

/// An event that happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// The same in every delivery.
    pub(crate) id: EventId,
    /// Whose.
    pub(crate) session: SessionName,
    /// Which entry of the session's log tells the same.
    pub(crate) seq: i64,
    /// `session.customer_waits` and the like.
    pub(crate) kind: String,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The request that caused it, where that is known.
    pub(crate) trace: Option<TraceContext>,
}

impl TryFrom<wire::OutboxEvent> for Event {
    type Error = WireError;
    fn try_from(value: wire::OutboxEvent) -> Result<Self, WireError> {
        if !is_kind(&value.kind) {
            return Err(WireError::new("event.kind"));
        }
        if value.seq < 1 {
            return Err(WireError::new("event.seq"));
        }
        Ok(Self {
            id: EventId::parse(&value.id).map_err(|_| WireError::new("event.id"))?,
            session: SessionName::parse(&value.session).map_err(|_| WireError::new("event.session"))?,
            seq: value.seq,
            kind: value.kind,
            at: Timestamp::from_millis(value.at_ms),
            // Tracing is a help, never a reason to refuse an event.
            trace: TraceContext::parse(&value.traceparent),
        })
    }
}

/// A row of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct InboxRow {
    event_id: String,
    session: String,
    seq: i64,
    kind: String,
    at: i64,
    received_at: i64,
}

impl From<InboxRow> for own::Received {
    fn from(value: InboxRow) -> Self {
        Self {
            event_id: value.event_id,
            session: value.session,
            seq: value.seq,
            kind: value.kind,
            at_ms: value.at,
            received_at_ms: value.received_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named() {
        let good = wire::OutboxEvent {
            id: "evt_0192f0c1a2b37c4d8e5f60718293a4b5".into(),
            session: "alice".into(),
            seq: 3,
            kind: "session.customer_waits".into(),
            at_ms: 1_700_000_000_000,
            attempts: 1,
            traceparent: "nonsense".into(),
        };
        let event = Event::try_from(good.clone()).unwrap();
        assert_eq!((event.seq, event.kind.as_str(), event.trace), (3, "session.customer_waits", None));
        let wrong = |event: wire::OutboxEvent| Event::try_from(event).unwrap_err().field;
        assert_eq!(wrong(wire::OutboxEvent { id: "msg_1".into(), ..good.clone() }), "event.id");
        assert_eq!(wrong(wire::OutboxEvent { session: "a b".into(), ..good.clone() }), "event.session");
        assert_eq!(wrong(wire::OutboxEvent { seq: 0, ..good.clone() }), "event.seq");
        for kind in ["", "Session", "a b", "x".repeat(65).as_str()] {
            assert_eq!(
                wrong(wire::OutboxEvent { kind: kind.into(), ..good.clone() }),
                "event.kind",
                "{kind}"
            );
        }
    }
}
