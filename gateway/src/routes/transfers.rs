//! Handing a session to a colleague: asking, answering, what there was. Offers of the assignment are answered alike.

use super::{
    desk::{CommandReply, said},
    sessions,
};
use crate::{
    error::{Failures, Problem},
    extract::{Json, Key, SessionPath},
    identity::Agent,
    opening::idempotency,
    state::App,
    view::{SessionState, time},
};
use axum::{
    Json as Answer,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use switchboard_domain::{ErrorKind, SessionName};
use switchboard_proto::session::v1::{
    AnswerOfferRequest, ListOffersRequest, Offer, OfferKind, OfferState, TransferRequest,
};
use utoipa::ToSchema;

/// Most offers that a list shows.
const LIST_MAX: u32 = 200;
/// What clients of the original get when they say nothing.
const REASON: &str = "坐席转接";

/// To whom a session is to go.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Transfer {
    /// Id or username of the acting agent.
    from_agent_id: Option<String>,
    /// Id or username of the colleague.
    to_agent_id: Option<String>,
    /// Shown nowhere: the name is the account's.
    #[serde(rename = "to_agent_name")]
    _to_agent_name: Option<String>,
    /// At most 200 characters, not blank.
    reason: Option<String>,
    /// At most 2000 characters.
    note: Option<String>,
    /// Without asking; needs `sessions.supervise`.
    #[serde(default)]
    immediate: bool,
}

/// An answer to an offer.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Respond {
    /// `accept` or `decline`.
    action: String,
    /// At most 500 characters.
    #[serde(default)]
    response_note: String,
}

/// A session offered to an agent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferView {
    id: String,
    session_name: String,
    /// `assignment` or `transfer`.
    kind: &'static str,
    from_agent_id: Option<String>,
    from_agent: Option<String>,
    from_agent_name: Option<String>,
    to_agent_id: String,
    to_agent: String,
    to_agent_name: String,
    reason: String,
    note: String,
    /// `pending`, `accepted`, `declined`, `expired` or `withdrawn`.
    status: &'static str,
    created_at: f64,
    expires_at: f64,
    transferred_at: Option<f64>,
    accepted: Option<bool>,
    /// As `status`, once there is an answer.
    decision: Option<&'static str>,
    responded_at: Option<f64>,
    response_note: Option<String>,
    /// Why this agent: candidates, scores, reason. For assignments.
    #[schema(value_type = Option<Object>)]
    explanation: Option<serde_json::Value>,
}

/// An offer that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferReply {
    success: bool,
    data: OfferView,
    message: String,
}

/// Offers, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OffersReply {
    success: bool,
    data: Offers,
}

/// The inside of [`OffersReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Offers {
    items: Vec<OfferView>,
    total: usize,
}

/// What came of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RespondReply {
    success: bool,
    data: Responded,
    message: &'static str,
}

/// The inside of [`RespondReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Responded {
    request: OfferView,
    session: SessionState,
}

impl From<Offer> for OfferView {
    fn from(offer: Offer) -> Self {
        let status = match offer.state() {
            OfferState::Unspecified | OfferState::Open => "pending",
            OfferState::Accepted => "accepted",
            OfferState::Declined => "declined",
            OfferState::Expired => "expired",
            OfferState::Withdrawn => "withdrawn",
        };
        let kind = match offer.kind() {
            OfferKind::Unspecified | OfferKind::Transfer => "transfer",
            OfferKind::Assignment => "assignment",
        };
        let is_open = status == "pending";
        let (from, to) = (offer.from.unwrap_or_default(), offer.to.unwrap_or_default());
        let given = |text: String| (!text.is_empty()).then_some(text);
        Self {
            id: offer.id,
            session_name: offer.session,
            kind,
            from_agent: given(from.id.clone()),
            from_agent_id: given(from.id),
            from_agent_name: given(from.name),
            to_agent: to.id.clone(),
            to_agent_id: to.id,
            to_agent_name: to.name,
            reason: offer.reason,
            note: offer.note,
            status,
            created_at: time(offer.made_at_ms),
            expires_at: time(offer.expires_at_ms),
            transferred_at: (status == "accepted").then(|| time(offer.answered_at_ms.unwrap_or_default())),
            accepted: (!is_open).then_some(status == "accepted"),
            decision: (!is_open).then_some(status),
            responded_at: offer.answered_at_ms.map(time),
            response_note: given(offer.answer_note),
            explanation: serde_json::from_str(&offer.explanation_json).ok(),
        }
    }
}

/// Asks a colleague to take a session; he has a while to answer. With `immediate` it goes at once.
#[utoipa::path(
    post, path = "/sessions/{session}/transfer", tag = "desk", request_body = Transfer,
    params(
        ("session" = String, Path, description = "The session's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses((status = 200, description = "The request; with `immediate` the session", body = OfferReply), Failures)
)]
pub(crate) async fn transfer(
    State(app): State<App>,
    agent: Agent,
    SessionPath(session): SessionPath,
    Key(key): Key,
    Json(body): Json<Transfer>,
) -> Result<Response, Problem> {
    agent.identity_matches(body.from_agent_id.as_deref(), None)?;
    let to = said(body.to_agent_id.as_deref(), "TO_AGENT_REQUIRED", "to_agent_id is required")?;
    let reason = body.reason.as_deref().unwrap_or(REASON);
    let reason = said(Some(reason), "REASON_REQUIRED", "转接原因不能为空")?;
    let note = body.note.unwrap_or_default();
    let how = if body.immediate { "now" } else { "ask" };
    let request = TransferRequest {
        session: session.to_string(),
        from: Some(agent.as_ref()),
        idempotency: idempotency(key.as_ref(), &["transfer", session.as_str(), &to, &reason, &note, how]),
        to,
        reason,
        note,
        immediate: body.immediate,
    };
    let outcome = app.peers.desk().transfer(request).await?.into_inner();
    if let Some(offer) = outcome.offer {
        let data = OfferView::from(offer);
        let message = format!("已向【{}】发送转接请求，等待对方确认", data.to_agent_name);
        return Ok(Answer(OfferReply { success: true, data, message }).into_response());
    }
    let to = outcome.session.and_then(|session| session.agent).unwrap_or_default();
    let message = format!("会话已转接至【{}】", to.name);
    Ok(CommandReply::of(&app, &session, Some(message)).await?.into_response())
}

/// What colleagues ask of the caller right now.
#[utoipa::path(
    get, path = "/transfer-requests/pending", tag = "desk",
    responses((status = 200, body = OffersReply), Failures)
)]
pub(crate) async fn pending(State(app): State<App>, _agent: Agent) -> Result<Answer<OffersReply>, Problem> {
    listed(&app, None, |offer| offer.kind() == OfferKind::Transfer).await
}

/// What is offered to the caller right now, by colleagues and by assignment.
#[utoipa::path(
    get, path = "/offers", tag = "desk",
    responses((status = 200, body = OffersReply), Failures)
)]
pub(crate) async fn offers(State(app): State<App>, _agent: Agent) -> Result<Answer<OffersReply>, Problem> {
    listed(&app, None, |_| true).await
}

/// Who was asked to take a session, and what came of it.
#[utoipa::path(
    get, path = "/sessions/{session}/transfer-history", tag = "desk",
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 200, body = OffersReply), Failures)
)]
pub(crate) async fn history(
    State(app): State<App>,
    _agent: Agent,
    SessionPath(session): SessionPath,
) -> Result<Answer<OffersReply>, Problem> {
    listed(&app, Some(session.to_string()), |offer| offer.kind() == OfferKind::Transfer).await
}

async fn listed(
    app: &App,
    session: Option<String>,
    wanted: impl Fn(&Offer) -> bool,
) -> Result<Answer<OffersReply>, Problem> {
    let request = ListOffersRequest { session, limit: LIST_MAX };
    let offers = app.peers.desk().list_offers(request).await?.into_inner().offers;
    let items: Vec<_> = offers.into_iter().filter(wanted).map(OfferView::from).collect();
    Ok(Answer(OffersReply { success: true, data: Offers { total: items.len(), items } }))
}

/// Answers a colleague's request.
#[utoipa::path(
    post, path = "/transfer-requests/{id}/respond", tag = "desk", request_body = Respond,
    params(
        ("id" = String, Path, description = "The request's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses((status = 200, body = RespondReply), Failures)
)]
pub(crate) async fn respond(
    state: State<App>,
    agent: Agent,
    id: Path<String>,
    key: Key,
    body: Json<Respond>,
) -> Result<Answer<RespondReply>, Problem> {
    answer(state, agent, id, key, body).await.map_err(as_the_original)
}

/// Clients of the original know other codes: a request that has ended is not there; one whose session has gone on without
/// it is a race that was lost.
fn as_the_original(problem: Problem) -> Problem {
    const GONE: &str = "请求不存在或已失效";
    if problem.code() != "OFFER_GONE" {
        return problem;
    }
    match (problem.fact("state"), problem.fact("session_status")) {
        (Some("withdrawn"), Some("manual_live")) => {
            Problem::new(ErrorKind::Conflict, "SESSION_ALREADY_TAKEN", "会话已被其他坐席接入")
        }
        (Some("withdrawn"), Some(status)) => {
            let told = format!("当前状态为{status}，无法接受转接");
            Problem::new(ErrorKind::Conflict, "INVALID_STATUS", told)
        }
        _ => Problem::new(ErrorKind::NotFound, "REQUEST_NOT_FOUND", GONE),
    }
}

/// Answers an offer of the assignment.
#[utoipa::path(
    post, path = "/offers/{id}/respond", tag = "desk", request_body = Respond,
    params(
        ("id" = String, Path, description = "The offer's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses((status = 200, body = RespondReply), Failures)
)]
pub(crate) async fn answer(
    State(app): State<App>,
    agent: Agent,
    Path(id): Path<String>,
    Key(key): Key,
    Json(body): Json<Respond>,
) -> Result<Answer<RespondReply>, Problem> {
    let accept = match body.action.as_str() {
        "accept" => true,
        "decline" => false,
        _ => {
            let told = "action must be 'accept' or 'decline'";
            return Err(Problem::new(ErrorKind::Invalid, "INVALID_ACTION", told));
        }
    };
    let request = AnswerOfferRequest {
        idempotency: idempotency(key.as_ref(), &["answer", &id, &body.action, &body.response_note]),
        offer: id,
        agent: Some(agent.as_ref()),
        accept,
        note: body.response_note,
    };
    let outcome = app.peers.desk().answer_offer(request).await?.into_inner();
    let request = OfferView::from(outcome.offer.unwrap_or_default());
    let session = SessionName::parse(&request.session_name)?;
    let session = sessions::state(&app, &session).await?;
    let message = if accept { "已接受转接请求" } else { "已拒绝转接请求" };
    Ok(Answer(RespondReply { success: true, data: Responded { request, session }, message }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_domain::{
        Status,
        offer::{OfferState, Unanswerable},
    };

    #[test]
    fn a_request_that_is_gone_is_told_as_the_original_did() {
        let (live, bot) = (Status::ManualLive, Status::BotActive);
        for (why, kind, code) in [
            (Unanswerable::Unknown, ErrorKind::NotFound, "REQUEST_NOT_FOUND"),
            (Unanswerable::Gone(OfferState::Expired, live), ErrorKind::NotFound, "REQUEST_NOT_FOUND"),
            (Unanswerable::Gone(OfferState::Declined, live), ErrorKind::NotFound, "REQUEST_NOT_FOUND"),
            (Unanswerable::Gone(OfferState::Accepted, live), ErrorKind::NotFound, "REQUEST_NOT_FOUND"),
            (Unanswerable::Gone(OfferState::Withdrawn, live), ErrorKind::Conflict, "SESSION_ALREADY_TAKEN"),
            (Unanswerable::Gone(OfferState::Withdrawn, bot), ErrorKind::Conflict, "INVALID_STATUS"),
            (Unanswerable::NotYours, ErrorKind::Forbidden, "NOT_YOUR_OFFER"),
        ] {
            let problem = as_the_original(why.failure().into());
            assert_eq!((problem.kind(), problem.code()), (kind, code), "{why:?}");
        }
    }
}
