//! The way to humans: asking for one, and writing to one.

use super::sessions;
use crate::{
    error::{FieldError, Problem, ProblemBody},
    extract::{Json, Key},
    identity::Caller,
    opening::idempotency,
    state::App,
    view::{MessageView, SessionState},
};
use axum::{Json as Answer, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use switchboard_domain::{
    ErrorKind, MessageText, Sender, Session, SessionName, Status,
    regulation::{Reason, Severity},
};
use switchboard_proto::{
    common::v1::Escalation,
    convert::{WireError, entries_from_wire},
    session::v1::{EscalateRequest, SayRequest, say_request::Via},
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
    /// `user`.
    role: String,
    /// 1 to 2000 characters.
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
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`MANUAL_IN_PROGRESS`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn escalate(
    State(app): State<App>,
    caller: Caller,
    Key(key): Key,
    Json(body): Json<Escalate>,
) -> Result<Answer<EscalateReply>, Problem> {
    let session = SessionName::parse(&body.session_name)?;
    caller.require(&session)?;
    let asked = body.reason.as_deref().unwrap_or(USER_REQUEST);
    let request = EscalateRequest {
        session: session.to_string(),
        escalation: Some(escalation(asked)?),
        idempotency: idempotency(key.as_ref(), &["escalate", session.as_str(), asked]),
    };
    let outcome = app.peers.session().escalate(request).await?.into_inner();
    let after = Session::try_from(outcome.session.ok_or(WireError::new("escalate.session"))?)?;
    let data = sessions::state(&app, &session).await?;
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
        at_ms: 0,
    })
}

/// Writes to a human.
#[utoipa::path(
    post, path = "/manual/messages", tag = "manual", request_body = ManualMessage,
    params(("Idempotency-Key" = Option<String>, Header, description = "Same as `client_message_id`")),
    responses(
        (status = 200, body = ManualReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn say(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    Json(body): Json<ManualMessage>,
) -> Result<Answer<ManualReply>, Problem> {
    match Sender::from_role(&body.role) {
        Some(Sender::Customer) => {}
        Some(Sender::Agent) => {
            return Err(Problem::new(
                ErrorKind::Unauthenticated,
                "AGENT_TOKEN_REQUIRED",
                "agents have to log in",
            ));
        }
        Some(Sender::Assistant | Sender::System) | None => {
            let told = "role must be 'agent' or 'user'";
            return Err(Problem::with_status(StatusCode::BAD_REQUEST, "INVALID_ROLE", told));
        }
    }
    let session = SessionName::parse(&body.session_name)?;
    caller.require(&session)?;
    let text = MessageText::parse(&body.content, app.settings.max_message_chars)?;
    let key = key.with_body(body.client_message_id.as_deref())?;
    let request = SayRequest {
        session: session.to_string(),
        text: text.into_string(),
        client_message_id: key.map(|key| key.as_str().to_owned()).unwrap_or_default(),
        via: Via::Manual.into(),
        profile: caller.profile().map(Into::into),
        context_limit: 0,
    };
    let said = app.peers.session().say(request).await?.into_inner();
    let entries = entries_from_wire(said.entries)?;
    let mine = entries.iter().rev().filter_map(MessageView::of).find(|message| message.role == "user");
    let MessageView { timestamp, message_id, seq, .. } = mine.ok_or(WireError::new("say.entries"))?;
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
