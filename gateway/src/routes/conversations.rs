//! Beginning a session, and beginning anew in one: the bot forgets, the log does not.

use crate::{
    error::{Failures, Problem},
    extract::{Json, Key},
    identity::Caller,
    opening::{Opening, idempotency},
    state::App,
    visitor::{self, Issued},
};
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use switchboard_domain::Principal;
use switchboard_proto::{chat::v1::NewConversationRequest, session::v1::OpenRequest};
use utoipa::ToSchema;

/// Which session to begin.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateRequest {
    /// The session's name, 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    user_id: String,
}

/// Which session.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SessionRequest {
    /// The session's name.
    session_id: String,
}

/// A conversation that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationReply {
    success: bool,
    conversation_id: String,
    session_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    /// Always null: failures are problems.
    error: Option<String>,
    /// For the one who began the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    visitor_token: Option<String>,
}

/// What a cleared conversation is answered with; clients of the original show it.
const CLEARED: &str = "历史会话已清除，新对话已创建";

/// Begins a session.
#[utoipa::path(
    post, path = "/conversation/create", tag = "conversation", request_body = CreateRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = ConversationReply), Failures)
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    Json(body): Json<CreateRequest>,
) -> Result<Response, Problem> {
    begin(&app, &caller, key, &body.user_id, None).await
}

/// Begins a new conversation, and the session if there is none.
#[utoipa::path(
    post, path = "/conversation/new", tag = "conversation", request_body = SessionRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = ConversationReply), Failures)
)]
pub(crate) async fn renew(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    Json(body): Json<SessionRequest>,
) -> Result<Response, Problem> {
    begin(&app, &caller, key, &body.session_id, None).await
}

/// The same under the name that clients of the original use for it.
#[utoipa::path(
    post, path = "/conversation/clear", tag = "conversation", request_body = SessionRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = ConversationReply), Failures)
)]
pub(crate) async fn clear(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    Json(body): Json<SessionRequest>,
) -> Result<Response, Problem> {
    begin(&app, &caller, key, &body.session_id, Some(CLEARED)).await
}

async fn begin(
    app: &App,
    caller: &Caller,
    key: Key,
    name: &str,
    message: Option<&'static str>,
) -> Result<Response, Problem> {
    let key = key.0;
    let opening = Opening::of(app, caller, Some(name), key.as_ref()).await?;
    let issued = open(app, caller, &opening, key.as_ref()).await?;
    // The session service has said that it is theirs.
    let visitor = app.context().acting_as(Principal::Visitor(opening.session.clone()));
    let request = NewConversationRequest {
        session: opening.session.to_string(),
        idempotency: idempotency(key.as_ref(), &["new-conversation", opening.session.as_str()]),
    };
    let mut chat = app.peers.chat();
    let conversation = visitor.scope(chat.new_conversation(request)).await?.into_inner().conversation;
    let reply = ConversationReply {
        success: true,
        conversation_id: conversation,
        session_name: opening.session.to_string(),
        message,
        error: None,
        visitor_token: issued.as_ref().map(|issued| issued.token.clone()),
    };
    let mut response = Answer(reply).into_response();
    if let Some(issued) = issued {
        visitor::hand_out(app, &issued, &mut response);
    }
    Ok(response)
}

/// Opens the session; gives the token to the one who made it.
async fn open(
    app: &App,
    caller: &Caller,
    opening: &Opening,
    key: Option<&switchboard_domain::ClientMessageId>,
) -> Result<Option<Issued>, Problem> {
    let request = OpenRequest {
        session: opening.session.to_string(),
        profile: caller.profile().map(Into::into),
        idempotency: idempotency(key, &["open", opening.session.as_str()]),
    };
    let context = app.context().acting_as(opening.principal.clone());
    let mut session = app.peers.session();
    let opened =
        context.scope(session.open(request)).await.map_err(|status| opening.explain(status.into()))?;
    if !opened.into_inner().created {
        return Ok(None);
    }
    visitor::issue(app, &opening.session, caller.profile()).await.map(Some)
}
