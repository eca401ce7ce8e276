//! Requests of the wire, parsed; what the store gives, as replies.

use crate::{
    caller::principal,
    error::SessionError,
    store::{Finish, Held, Next, OutboxEvent, Repeatable, Said, Utterance},
};
use switchboard_domain::{
    ClientMessageId, Failure, MessageText, Principal, SessionName, TurnId,
    limits::MESSAGE_MAX_CHARS,
    notice::Notice,
    session::{Escalation, Fence, LogEpoch, Via},
    turn::TurnState,
};
use switchboard_proto::{
    common::v1::Idempotency,
    convert::{WireError, entries_to_wire},
    session::v1 as wire,
};

/// The edge limits what customers may write, and may be configured to less than this.
const TEXT_MAX: usize = MESSAGE_MAX_CHARS * 5;

pub(crate) fn name(text: &str) -> Result<SessionName, SessionError> {
    Ok(SessionName::parse(text)?)
}

pub(crate) fn turn(text: &str) -> Result<TurnId, SessionError> {
    TurnId::parse(text).map_err(|_| WireError::new("turn").into())
}

pub(crate) fn key(text: &str) -> Result<Option<ClientMessageId>, Failure> {
    if text.is_empty() { Ok(None) } else { ClientMessageId::parse(text).map(Some) }
}

pub(crate) fn repeatable(idempotency: Option<Idempotency>) -> Result<Option<Repeatable>, SessionError> {
    let Some(idempotency) = idempotency else { return Ok(None) };
    let fingerprint = idempotency.fingerprint;
    Ok(key(&idempotency.key)?.map(|key| Repeatable { key, fingerprint, by: principal() }))
}

pub(crate) fn utterance(request: wire::SayRequest, principal: Principal) -> Result<Utterance, SessionError> {
    let via = match request.via() {
        wire::say_request::Via::Unspecified => return Err(WireError::new("via").into()),
        wire::say_request::Via::Chat => Via::Chat,
        wire::say_request::Via::Manual => Via::Manual,
    };
    Ok(Utterance {
        session: name(&request.session)?,
        text: MessageText::parse(&request.text, TEXT_MAX)?,
        client_message_id: key(&request.client_message_id)?,
        via,
        profile: request.profile.map(Into::into),
        principal,
    })
}

pub(crate) fn finish(request: wire::FinishTurnRequest) -> Result<Finish, SessionError> {
    let state = TurnState::try_from(request.state()).map_err(SessionError::Wire)?;
    if !state.is_final() {
        return Err(WireError::new("state").into());
    }
    let notice = match request.notice() {
        wire::finish_turn_request::HandOverNotice::Unspecified
        | wire::finish_turn_request::HandOverNotice::Waiting => Notice::Waiting,
        wire::finish_turn_request::HandOverNotice::AiUnavailable => Notice::AiUnavailable,
        wire::finish_turn_request::HandOverNotice::AnswerBrokeOff => Notice::AnswerBrokeOff,
    };
    let escalation: Option<Escalation> = request.escalation.map(TryInto::try_into).transpose()?;
    Ok(Finish {
        turn: turn(&request.turn)?,
        session: name(&request.session)?,
        fence: Fence::new(request.fence),
        attempt: request.attempt,
        state,
        text: request.text,
        sources: request.sources.into_iter().map(Into::into).collect(),
        answer_failed: request.answer_failed,
        conversation: request.conversation.filter(|id| !id.is_empty()),
        hand_over: escalation.map(|escalation| (escalation, notice)),
        degraded: request.degraded,
    })
}

pub(crate) fn held(held: &Held, lease_ms: i64) -> wire::Turn {
    let session = &held.session;
    wire::Turn {
        id: held.id.to_string(),
        session: session.name.to_string(),
        fence: held.fence.get(),
        attempt: held.attempt,
        lease_ms,
        covers: held.covers.iter().map(ToString::to_string).collect(),
        questions: held.questions.clone(),
        context: entries_to_wire(&held.context),
        partial: held.partial.clone(),
        conversation: session.conversation.clone(),
        ai_failures: session.ai_failures,
        vip: session.profile.vip,
        language: session.language().tag().to_owned(),
    }
}

pub(crate) fn said(said: &Said, epoch: LogEpoch, turn: Option<wire::Turn>) -> wire::SayResponse {
    use wire::say_response::Next as WireNext;
    let next = match (said.next, turn) {
        (Next::Begun(_), Some(turn)) => Some(WireNext::Turn(turn)),
        (Next::Behind(turn), _) => Some(WireNext::BehindTurn(turn.to_string())),
        (Next::Covered(turn) | Next::Begun(turn), _) => Some(WireNext::CoveredByTurn(turn.to_string())),
        (Next::Human, _) => None,
    };
    wire::SayResponse {
        session: Some((&said.session).into()),
        epoch: epoch.get(),
        created: said.created,
        replayed: said.replayed,
        entries: entries_to_wire(&said.entries),
        next,
    }
}

pub(crate) fn event(event: OutboxEvent) -> wire::OutboxEvent {
    wire::OutboxEvent {
        id: event.event_id,
        session: event.session,
        seq: event.seq,
        kind: event.kind,
        at_ms: event.at,
        attempts: u32::try_from(event.attempts).unwrap_or(u32::MAX),
        traceparent: event.traceparent,
    }
}
