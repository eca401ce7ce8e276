//! Rows as the wire tells them.

use crate::{
    NotifierError,
    channel::Channel,
    store::{AttemptRow, DeliveryFilter, DeliveryRow, EndpointView},
};
use switchboard_domain::SessionName;
use switchboard_proto::{convert::WireError, notifier::v1 as wire};

impl From<DeliveryRow> for wire::Delivery {
    fn from(row: DeliveryRow) -> Self {
        let state = state(&row.state);
        Self {
            id: row.id,
            event_id: row.event_id,
            session: row.session,
            seq: row.seq,
            kind: row.kind,
            channel: row.channel,
            state: state.into(),
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            next_at_ms: (state == wire::DeliveryState::Queued).then_some(row.due_at),
            lease_until_ms: (state == wire::DeliveryState::Sending).then_some(row.due_at),
            last_error: row.last_error,
            message_id: row.message_id,
            created_at_ms: row.created_at,
            done_at_ms: row.done_at,
        }
    }
}

impl From<AttemptRow> for wire::Attempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            number: u32::try_from(row.number).unwrap_or(u32::MAX),
            at_ms: row.at,
            outcome: row.outcome,
            duration_ms: row.duration_ms,
            code: row.code.and_then(|code| u32::try_from(code).ok()),
            error: row.error,
        }
    }
}

impl From<EndpointView> for wire::Endpoint {
    fn from(view: EndpointView) -> Self {
        let kinds = view.kinds().into_list();
        let row = view.row;
        let secret = |secret: crate::store::SecretRow| wire::EndpointSecret {
            created_at_ms: secret.created_at,
            expires_at_ms: secret.expires_at,
        };
        Self {
            id: row.id,
            url: row.url,
            description: row.description,
            kinds,
            enabled: row.enabled == 1,
            disabled_reason: row.disabled_reason,
            failing_since_ms: row.failing_since,
            created_by: row.created_by,
            created_at_ms: row.created_at,
            updated_at_ms: row.updated_at,
            secrets: view.secrets.into_iter().map(secret).collect(),
        }
    }
}

/// Reads a filter; an unknown state, channel or name is told, not ignored.
pub(crate) fn filter(given: Option<wire::DeliveryFilter>) -> Result<DeliveryFilter, NotifierError> {
    let Some(given) = given else { return Ok(DeliveryFilter::default()) };
    let state = match given.state {
        None => "",
        Some(number) => name(wire::DeliveryState::try_from(number).unwrap_or_default())
            .ok_or(WireError::new("filter.state"))?,
    };
    if !given.channel.is_empty() && given.channel.parse::<Channel>().is_err() {
        return Err(WireError::new("filter.channel").into());
    }
    if !given.session.is_empty() && SessionName::parse(&given.session).is_err() {
        return Err(WireError::new("filter.session").into());
    }
    Ok(DeliveryFilter { state: state.to_owned(), channel: given.channel, session: given.session })
}

fn name(state: wire::DeliveryState) -> Option<&'static str> {
    match state {
        wire::DeliveryState::Unspecified => None,
        wire::DeliveryState::Queued => Some("queued"),
        wire::DeliveryState::Sending => Some("sending"),
        wire::DeliveryState::Done => Some("done"),
        wire::DeliveryState::Dead => Some("dead"),
        wire::DeliveryState::Cancelled => Some("cancelled"),
    }
}

fn state(stored: &str) -> wire::DeliveryState {
    use wire::DeliveryState as State;
    let known = [State::Queued, State::Sending, State::Done, State::Dead, State::Cancelled];
    known.into_iter().find(|state| name(*state) == Some(stored)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_round_trip() {
        for text in ["queued", "sending", "done", "dead", "cancelled"] {
            assert_eq!(name(state(text)), Some(text));
        }
        assert_eq!(state("?"), wire::DeliveryState::Unspecified);
    }

    #[test]
    fn a_filter_that_means_nothing_is_told() {
        let read = |given: wire::DeliveryFilter| filter(Some(given)).map(|filter| filter.state);
        let empty = wire::DeliveryFilter::default;
        assert_eq!(read(empty()).unwrap(), "");
        assert_eq!(read(wire::DeliveryFilter { state: Some(4), ..empty() }).unwrap(), "dead");
        assert!(read(wire::DeliveryFilter { state: Some(0), ..empty() }).is_err());
        assert!(read(wire::DeliveryFilter { state: Some(99), ..empty() }).is_err());
        assert!(read(wire::DeliveryFilter { channel: "fax".into(), ..empty() }).is_err());
        assert!(read(wire::DeliveryFilter { session: "a b".into(), ..empty() }).is_err());
    }
}
