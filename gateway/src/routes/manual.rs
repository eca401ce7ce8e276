//! The way to humans: asking for one, and writing to one.

use super::{desk::owned, sessions};
use crate::{
    error::{Failures, FieldError, Problem, ProblemBody},
    extract::{Json, Key, SessionPath},
    identity::{Agent, People, Person},
    opening::idempotency,
    state::App,
    view::{MessageView, SessionState},
};
use axum::{Json as Answer, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use switchboard_domain::{
    ClientMessageId, ErrorKind, MessageText, Sender, Session, SessionName, Status,
    regulation::{Reason, Severity},
    session::Profile,
};
use switchboard_proto::{
    common::v1::Escalation,
    convert::{WireError, entries_from_wire},
    session::v1::{self as wire, EscalateRequest, PostRequest, SayRequest, say_request::Via},
};
use utoipa::ToSchema;

/// What the original's button sends when the customer asks.
const USER_REQUEST: &str = "user_request";

/// A customer asks for a human.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Escalate {
    /// The session's name.
    session_name: String,
    /// `user_request` (when absent), `keyword`, `fail_loop`, `sentiment`, `vip` or `manual`.
    reason: Option<String>,
}

/// The session after the request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EscalateReply {
    success: bool,
    data: SessionState,
    /// Always false: mails are sent by the notifier, after the answer.
    email_sent: bool,
    /// Whether a human was called; else the request goes out as an e-mail.
    is_in_shift: bool,
}

/// A message to a human.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ManualMessage {
    /// The session's name.
    session_name: String,
    /// `user`, or `agent` with an agent's token.
    role: String,
    /// 1 to 2000 characters.
    content: String,
    /// The client's own id of the message: sending it again is safe. `Idempotency-Key` means the same.
    client_message_id: Option<String>,
    /// Who writes, for `agent`; must be the token's.
    agent_info: Option<AgentInfo>,
}

/// The acting agent, as clients of the original send him.
#[derive(Debug, Deserialize, ToSchema)]
struct AgentInfo {
    /// Id or username.
    agent_id: Option<String>,
    agent_name: Option<String>,
}

/// What an agent writes to a customer.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AgentMessage {
    /// 1 to 10000 characters.
    content: String,
    /// The client's own id of the message: sending it again is safe. `Idempotency-Key` means the same.
    client_message_id: Option<String>,
}

/// The message is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ManualReply {
    success: bool,
    data: ManualReceipt,
}

/// The inside of [`ManualReply`].
#[derive(Debug, Serialize, ToSchema)]
struct ManualReceipt {
    timestamp: f64,
    message_id: String,
    seq: i64,
}

/// Asks for a human.
#[utoipa::path(
    post, path = "/manual/escalate", tag = "manual", request_body = Escalate,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses(
        (status = 200, body = EscalateReply),
        Failures,
        (status = 409, description = "`MANUAL_IN_PROGRESS`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn escalate(
    State(app): State<App>,
    people: People,
    Key(key): Key,
    Json(body): Json<Escalate>,
) -> Result<Answer<EscalateReply>, Problem> {
    let session = SessionName::parse(&body.session_name)?;
    let person = people.on(&session)?;
    owned(&person, &session)?;
    app.context().acting_as(person.principal()).scope(call_human(&app, session, key, body)).await
}

async fn call_human(
    app: &App,
    session: SessionName,
    key: Option<ClientMessageId>,
    body: Escalate,
) -> Result<Answer<EscalateReply>, Problem> {
    let asked = body.reason.as_deref().unwrap_or(USER_REQUEST);
    let request = EscalateRequest {
        session: session.to_string(),
        escalation: Some(escalation(asked)?),
        idempotency: idempotency(key.as_ref(), &["escalate", session.as_str(), asked]),
    };
    let outcome = app.peers.session().escalate(request).await?.into_inner();
    let after = Session::try_from(outcome.session.ok_or(WireError::new("escalate.session"))?)?;
    let data = sessions::state(app, &session).await?;
    let is_in_shift = after.status != Status::AfterHoursEmail;
    Ok(Answer(EscalateReply { success: true, data, email_sent: false, is_in_shift }))
}

/// What the session service is told; it sets the time itself.
fn escalation(asked: &str) -> Result<Escalation, Problem> {
    let (reason, severity, details) = if asked == USER_REQUEST {
        (Reason::Manual, Severity::High, "用户主动请求人工服务".to_owned())
    } else {
        let reason = asked.parse::<Reason>().map_err(|_| {
            let loc = vec!["body".to_owned(), "reason".to_owned()];
            let msg = "must be user_request, keyword, fail_loop, sentiment, vip or manual".to_owned();
            Problem::validation(vec![FieldError { loc, msg, rule: "enum" }])
        })?;
        (reason, Severity::Low, format!("触发原因: {asked}"))
    };
    Ok(Escalation {
        reason: reason.as_str().to_owned(),
        severity: severity.as_str().to_owned(),
        details,
        ..Escalation::default()
    })
}

/// Writes to a human, or as one.
#[utoipa::path(
    post, path = "/manual/messages", tag = "manual", request_body = ManualMessage,
    params(("Idempotency-Key" = Option<String>, Header, description = "Same as `client_message_id`")),
    responses((status = 200, body = ManualReply), Failures)
)]
pub(crate) async fn say(
    State(app): State<App>,
    people: People,
    key: Key,
    Json(body): Json<ManualMessage>,
) -> Result<Answer<ManualReply>, Problem> {
    let session = SessionName::parse(&body.session_name)?;
    let key = key.with_body(body.client_message_id.as_deref())?;
    let role = Sender::from_role(&body.role);
    let person = if role == Some(Sender::Customer) { people.customer() } else { people.agent() }?;
    let context = app.context().acting_as(person.principal());
    context.scope(say_as(&app, role, &person, session, key, body)).await
}

async fn say_as(
    app: &App,
    role: Option<Sender>,
    person: &Person,
    session: SessionName,
    key: Option<ClientMessageId>,
    body: ManualMessage,
) -> Result<Answer<ManualReply>, Problem> {
    match (role, person) {
        (Some(Sender::Agent), Person::Agent(agent)) => {
            let told = body.agent_info.as_ref();
            let (id, name) = (
                told.and_then(|told| told.agent_id.as_deref()),
                told.and_then(|told| told.agent_name.as_deref()),
            );
            agent.identity_matches(id, name)?;
            post(app, agent, &session, body.content, key.as_ref()).await
        }
        (Some(Sender::Customer), Person::Visitor(visitor)) => {
            owned(person, &session)?;
            let profile = visitor.token.profile.as_ref();
            customer_says(app, &session, &body.content, profile, key.as_ref()).await
        }
        (Some(Sender::Agent), Person::Visitor(_)) => Err(Problem::agent_required()),
        (Some(Sender::Customer), Person::Agent(_)) => {
            let told = "role 'user' needs the visitor's token";
            Err(Problem::new(ErrorKind::Forbidden, "IDENTITY_MISMATCH", told))
        }
        (Some(Sender::Assistant | Sender::System) | None, _) => {
            let told = "role must be 'agent' or 'user'";
            Err(Problem::with_status(StatusCode::BAD_REQUEST, "INVALID_ROLE", told))
        }
    }
}

/// Writes to the customer of a session that the caller owns.
#[utoipa::path(
    post, path = "/sessions/{session}/messages", tag = "desk", request_body = AgentMessage,
    params(
        ("session" = String, Path, description = "The session's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Same as `client_message_id`"),
    ),
    responses((status = 200, body = ManualReply), Failures)
)]
pub(crate) async fn write(
    State(app): State<App>,
    agent: Agent,
    SessionPath(session): SessionPath,
    key: Key,
    Json(body): Json<AgentMessage>,
) -> Result<Answer<ManualReply>, Problem> {
    let key = key.with_body(body.client_message_id.as_deref())?;
    post(&app, &agent, &session, body.content, key.as_ref()).await
}

async fn customer_says(
    app: &App,
    session: &SessionName,
    content: &str,
    profile: Option<&Profile>,
    key: Option<&ClientMessageId>,
) -> Result<Answer<ManualReply>, Problem> {
    let text = MessageText::parse(content, app.settings.max_message_chars)?;
    let request = SayRequest {
        session: session.to_string(),
        text: text.into_string(),
        client_message_id: key.map(|key| key.as_str().to_owned()).unwrap_or_default(),
        via: Via::Manual.into(),
        profile: profile.map(Into::into),
        context_limit: 0,
    };
    let said = app.peers.session().say(request).await?.into_inner();
    receipt(said.entries, Sender::Customer)
}

async fn post(
    app: &App,
    agent: &Agent,
    session: &SessionName,
    text: String,
    key: Option<&ClientMessageId>,
) -> Result<Answer<ManualReply>, Problem> {
    let request = PostRequest {
        session: session.to_string(),
        agent: Some(agent.as_ref()),
        text,
        client_message_id: key.map(|key| key.as_str().to_owned()).unwrap_or_default(),
    };
    let posted = app.peers.desk().post(request).await?.into_inner();
    receipt(posted.entries, Sender::Agent)
}

/// The message that was kept.
fn receipt(entries: Vec<wire::Entry>, sender: Sender) -> Result<Answer<ManualReply>, Problem> {
    let entries = entries_from_wire(entries)?;
    let mine = entries.iter().rev().filter_map(MessageView::of).find(|message| message.role == sender.role());
    let MessageView { timestamp, message_id, seq, .. } = mine.ok_or(WireError::new("entries"))?;
    Ok(Answer(ManualReply { success: true, data: ManualReceipt { timestamp, message_id, seq } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_become_what_clients_of_the_original_expect() {
        let asked = escalation("user_request").unwrap();
        assert_eq!((asked.reason.as_str(), asked.severity.as_str()), ("manual", "high"));
        assert_eq!(asked.details, "用户主动请求人工服务");
        let button = escalation("manual").unwrap();
        assert_eq!((button.reason.as_str(), button.severity.as_str()), ("manual", "low"));
        assert_eq!(button.details, "触发原因: manual");
        assert_eq!(escalation("because").unwrap_err().code(), "VALIDATION_ERROR");
    }
}
