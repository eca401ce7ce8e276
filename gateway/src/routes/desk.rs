//! What agents do with a session: take it, write, hand it over, give it back, end it. Who acts is the token's subject;
//! `agent_id` and `agent_name` in bodies are what clients of the original send, and must be his.

use super::sessions;
use crate::{
    error::{Failures, Problem, ProblemBody},
    extract::{Json, Key, SessionPath},
    identity::{Agent, Person},
    opening::idempotency,
    state::App,
    view::SessionState,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_domain::{ErrorKind, SessionName};
use switchboard_proto::session::v1::{CancelWaitRequest, CloseRequest, ReleaseRequest, TakeOverRequest};
use utoipa::ToSchema;

/// Who takes a session.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TakeOver {
    /// Id or username of the acting agent.
    agent_id: Option<String>,
    agent_name: Option<String>,
    /// Take it from the bot or from a colleague; needs `sessions.supervise`.
    #[serde(default)]
    barge_in: bool,
}

/// Why a session is given back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct GiveBack {
    /// Id or username of the acting agent.
    agent_id: Option<String>,
    /// At most 200 characters; `resolved` when absent.
    reason: Option<String>,
}

/// The session after a command.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CommandReply {
    success: bool,
    data: SessionState,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl CommandReply {
    /// The session as it stands now, and what to show.
    pub(super) async fn of(
        app: &App,
        session: &SessionName,
        message: Option<String>,
    ) -> Result<Answer<Self>, Problem> {
        Ok(Answer(Self { success: true, data: sessions::state(app, session).await?, message }))
    }
}

/// Takes a session over. Of many who try at once, one gets 200.
#[utoipa::path(
    post, path = "/sessions/{session}/takeover", tag = "desk", request_body = TakeOver,
    params(
        ("session" = String, Path, description = "The session's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 200, body = CommandReply),
        Failures,
        (status = 409, description = "`ALREADY_TAKEN`, `INVALID_STATUS`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn take_over(
    State(app): State<App>,
    agent: Agent,
    SessionPath(session): SessionPath,
    Key(key): Key,
    Json(body): Json<TakeOver>,
) -> Result<Answer<CommandReply>, Problem> {
    agent.identity_matches(body.agent_id.as_deref(), body.agent_name.as_deref())?;
    let how = if body.barge_in { "barge_in" } else { "take" };
    let request = TakeOverRequest {
        session: session.to_string(),
        agent: Some(agent.as_ref()),
        barge_in: body.barge_in,
        idempotency: idempotency(key.as_ref(), &["take_over", session.as_str(), how]),
    };
    app.peers.desk().take_over(request).await?;
    CommandReply::of(&app, &session, None).await
}

/// Gives a session back to the bot.
#[utoipa::path(
    post, path = "/sessions/{session}/release", tag = "desk", request_body = GiveBack,
    params(
        ("session" = String, Path, description = "The session's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 200, body = CommandReply),
        Failures,
        (status = 409, description = "`INVALID_STATUS`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn release(
    State(app): State<App>,
    agent: Agent,
    SessionPath(session): SessionPath,
    Key(key): Key,
    Json(body): Json<GiveBack>,
) -> Result<Answer<CommandReply>, Problem> {
    agent.identity_matches(body.agent_id.as_deref(), None)?;
    let reason = body.reason.unwrap_or_else(|| "resolved".to_owned());
    let request = ReleaseRequest {
        session: session.to_string(),
        idempotency: idempotency(key.as_ref(), &["release", session.as_str(), &reason]),
        reason,
    };
    app.peers.desk().release(request).await?;
    CommandReply::of(&app, &session, None).await
}

/// Ends a session until the customer writes again.
#[utoipa::path(
    post, path = "/sessions/{session}/close", tag = "desk", request_body = GiveBack,
    params(
        ("session" = String, Path, description = "The session's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 200, body = CommandReply),
        Failures,
        (status = 409, description = "`INVALID_STATUS`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn close(
    State(app): State<App>,
    agent: Agent,
    SessionPath(session): SessionPath,
    Key(key): Key,
    Json(body): Json<GiveBack>,
) -> Result<Answer<CommandReply>, Problem> {
    agent.identity_matches(body.agent_id.as_deref(), None)?;
    let reason = body.reason.unwrap_or_else(|| "resolved".to_owned());
    let request = CloseRequest {
        session: session.to_string(),
        idempotency: idempotency(key.as_ref(), &["close", session.as_str(), &reason]),
        reason,
    };
    app.peers.desk().close(request).await?;
    CommandReply::of(&app, &session, None).await
}

/// Gives up waiting for a human: the customer, or an agent for him.
#[utoipa::path(
    post, path = "/sessions/{session}/cancel", tag = "desk",
    params(
        ("session" = String, Path, description = "The session's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 200, body = CommandReply),
        Failures,
        (status = 409, description = "`INVALID_STATUS`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    person: Person,
    SessionPath(session): SessionPath,
    Key(key): Key,
) -> Result<Answer<CommandReply>, Problem> {
    owned(&person, &session)?;
    let request = CancelWaitRequest {
        session: session.to_string(),
        idempotency: idempotency(key.as_ref(), &["cancel", session.as_str()]),
    };
    app.peers.session().cancel_wait(request).await?;
    CommandReply::of(&app, &session, None).await
}

/// Lets a visitor near his own session only; an agent has the permission that the route declares.
///
/// # Errors
/// 403 `NOT_YOUR_SESSION`.
pub(super) fn owned(person: &Person, session: &SessionName) -> Result<(), Problem> {
    match person {
        Person::Visitor(visitor) if visitor.token.session != *session => Err(Problem::not_your_session()),
        Person::Visitor(_) | Person::Agent(_) => Ok(()),
    }
}

/// A text that must say something.
///
/// # Errors
/// 400 with `code`.
pub(super) fn said(text: Option<&str>, code: &'static str, told: &str) -> Result<String, Problem> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() {
        return Err(Problem::new(ErrorKind::Invalid, code, told));
    }
    Ok(text.to_owned())
}
