//! Writing to the bot: `POST /chat` waits for the answer, `POST /chat/stream` shows how it is written. Both are views over
//! the same turn; leaving does not stop it.

use crate::{
    error::{Failures, Problem, ProblemBody},
    extract::{Json, Key},
    identity::Caller,
    opening::Opening,
    reply::{self, Accepted, Ended, Outcome},
    sse::{self, Outbox},
    state::App,
    turn_stream::TurnStream,
    view::SourceView,
    visitor::{self, Issued},
};
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switchboard_domain::{ClientMessageId, MessageText, Principal, SessionName};
use switchboard_mesh::CallContext;
use switchboard_proto::{
    chat::v1::{SendRequest, TurnEvent, turn_event::Event},
    session::v1::Profile,
};
use tonic::Streaming;
use utoipa::ToSchema;

/// A customer's message.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ChatRequest {
    /// 1 to 2000 characters.
    message: String,
    /// The session's name, 1 to 128 of `A-Z a-z 0-9 . _ : -`. Absent: the token's session, else a new one.
    user_id: Option<String>,
    /// A conversation that this session has had. Absent: the present one.
    conversation_id: Option<String>,
    /// Given to the model vendor as it is.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    /// The client's own id of the message: sending it again is safe. `Idempotency-Key` means the same.
    client_message_id: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatReply {
    success: bool,
    /// What the bot answered, or what the customer is told instead.
    message: String,
    /// Always null: failures are problems.
    error: Option<String>,
    session_name: String,
    conversation_id: Option<String>,
    turn_id: String,
    /// The session's status now.
    status: &'static str,
    /// What the answer rests on.
    sources: Vec<SourceView>,
    /// The answer stopped in the middle.
    interrupted: bool,
    message_id: Option<String>,
    seq: Option<i64>,
    /// For the one who began the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    visitor_token: Option<String>,
}

/// A turn that has begun.
struct Begun {
    accepted: Accepted,
    events: Streaming<TurnEvent>,
    issued: Option<Issued>,
    /// For further calls on behalf of the visitor.
    context: CallContext,
}

/// Sends a message and waits for the answer.
#[utoipa::path(
    post, path = "/chat", tag = "chat", request_body = ChatRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Same as `client_message_id`")),
    responses(
        (status = 200, body = ChatReply),
        Failures,
        (status = 409, description = "`SESSION_IN_MANUAL_MODE`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn chat(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    Json(body): Json<ChatRequest>,
) -> Result<Response, Problem> {
    let Begun { mut events, issued, .. } = begin(&app, &caller, key, body).await?;
    let waiting = async {
        loop {
            match events.message().await {
                Ok(Some(TurnEvent { event: Some(Event::Ended(ended)) })) => return Ok(ended),
                Ok(Some(_)) => {}
                Ok(None) => return Err(Problem::broken()),
                Err(status) => {
                    tracing::warn!(error = %status, "a turn broke off");
                    return Err(Problem::broken());
                }
            }
        }
    };
    let ended = tokio::time::timeout(app.settings.turn_timeout, waiting);
    let ended = ended.await.map_err(|_elapsed| Problem::timeout())??;
    let session = ended.session.clone().ok_or_else(Problem::broken)?;
    let session = switchboard_domain::Session::try_from(session)?;
    let ended = Ended::try_from(ended)?;
    let outcome = Outcome::of(ended.turn, &ended.entries);
    outcome.check(ended.state)?;
    let last = outcome.last();
    let reply = ChatReply {
        success: true,
        message: outcome.text(),
        error: None,
        session_name: session.name.to_string(),
        conversation_id: session.conversation.clone(),
        turn_id: ended.turn.to_string(),
        status: session.status.as_str(),
        sources: last.as_ref().map_or_else(Vec::new, |said| said.sources.clone()),
        interrupted: last.as_ref().is_some_and(|said| said.interrupted),
        seq: last.as_ref().map(|said| said.seq),
        message_id: last.map(|said| said.message_id),
        visitor_token: issued.as_ref().map(|issued| issued.token.clone()),
    };
    let mut response = Answer(reply).into_response();
    if let Some(issued) = issued {
        visitor::hand_out(&app, &issued, &mut response);
    }
    Ok(response)
}

/// Sends a message and shows how the answer is written. Frames are `data:` lines with `type` `message` (a piece of the
/// answer), `manual_message`, `status_change`, `error` and `done`; nothing follows the last two.
#[utoipa::path(
    post, path = "/chat/stream", tag = "chat", request_body = ChatRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Same as `client_message_id`")),
    responses((status = 200, body = String, content_type = "text/event-stream"), Failures)
)]
pub(crate) async fn stream(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    Json(body): Json<ChatRequest>,
) -> Result<Response, Problem> {
    let begun = match begin(&app, &caller, key, body).await {
        Ok(begun) => begun,
        // Clients of the original look for it inside the stream.
        Err(problem) if problem.code() == "SESSION_IN_MANUAL_MODE" => {
            return Ok(sse::response(reply::error(&problem).into()));
        }
        Err(problem) => return Err(problem),
    };
    let Begun { accepted, events, issued, context } = begun;
    let (outbox, body) = Outbox::open(&app.settings.sse);
    let view = TurnStream::new(app.clone(), &accepted, events, outbox);
    app.tasks.spawn("chat-stream", context.scope(view.run()));
    let mut response = sse::response(body);
    if let Some(issued) = issued {
        visitor::hand_out(&app, &issued, &mut response);
    }
    Ok(response)
}

/// Sends the message; returns when it is kept.
async fn begin(app: &App, caller: &Caller, key: Key, body: ChatRequest) -> Result<Begun, Problem> {
    let text = MessageText::parse(&body.message, app.settings.max_message_chars)?;
    let key = key.with_body(body.client_message_id.as_deref())?;
    let opening = Opening::of(app, caller, body.user_id.as_deref(), key.as_ref()).await?;
    let profile = caller.profile().map(Into::into);
    let request = request(&opening.session, text, key.as_ref(), body, profile);
    let context = app.context().acting_as(opening.principal.clone());
    let mut chat = app.peers.chat();
    let sent = context.clone().scope(async {
        let mut events = chat.send(request).await?.into_inner();
        let head = events.message().await?;
        Ok::<_, tonic::Status>((events, head))
    });
    let (events, head) = sent.await.map_err(|status| opening.explain(status.into()))?;
    let Some(TurnEvent { event: Some(Event::Accepted(head)) }) = head else { return Err(Problem::broken()) };
    let accepted = Accepted::try_from(head)?;
    let issued = if accepted.created {
        Some(visitor::issue(app, &opening.session, caller.profile()).await?)
    } else {
        None
    };
    // The session service has said that it is theirs.
    let context = CallContext { deadline: None, ..context.acting_as(Principal::Visitor(opening.session)) };
    Ok(Begun { accepted, events, issued, context })
}

fn request(
    session: &SessionName,
    text: MessageText,
    key: Option<&ClientMessageId>,
    body: ChatRequest,
    profile: Option<Profile>,
) -> SendRequest {
    SendRequest {
        session: session.to_string(),
        text: text.into_string(),
        client_message_id: key.map(|key| key.as_str().to_owned()).unwrap_or_default(),
        profile,
        parameters_json: body.parameters.map(|map| Value::Object(map).to_string()).unwrap_or_default(),
        conversation: body.conversation_id.unwrap_or_default(),
    }
}
