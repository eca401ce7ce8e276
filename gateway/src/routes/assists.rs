//! Questions among colleagues about a session.

use super::desk::said;
use crate::{
    error::{Failures, Problem},
    extract::{Json, Key, Query},
    identity::Agent,
    opening::idempotency,
    state::App,
    view::time,
};
use axum::{
    Json as Answer,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use switchboard_domain::SessionName;
use switchboard_proto::session::v1::{AnswerAssistRequest, AskAssistRequest, Assist, ListAssistsRequest};
use utoipa::ToSchema;

/// Most questions that a list shows of each kind.
const LIST_MAX: u32 = 200;

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Ask {
    session_name: String,
    /// Id or username of the colleague.
    assistant: Option<String>,
    /// 1 to 2000 characters.
    question: Option<String>,
}

/// Its answer.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AnswerBody {
    /// 1 to 2000 characters.
    answer: Option<String>,
}

/// A question and what became of it.
#[derive(Debug, Serialize, ToSchema)]
struct AssistView {
    id: String,
    session_name: String,
    requester: String,
    requester_name: String,
    assistant: String,
    assistant_name: String,
    question: String,
    answer: Option<String>,
    /// `pending` or `answered`.
    status: String,
    created_at: f64,
    answered_at: Option<f64>,
}

/// One question.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssistReply {
    success: bool,
    data: AssistView,
}

/// Questions to and from the caller, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssistsReply {
    success: bool,
    data: Assists,
    count: Counts,
}

#[derive(Debug, Serialize, ToSchema)]
struct Assists {
    received: Vec<AssistView>,
    sent: Vec<AssistView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    received: usize,
    sent: usize,
    received_pending: i64,
}

impl From<Assist> for AssistView {
    fn from(assist: Assist) -> Self {
        let (from, to) = (assist.requester.unwrap_or_default(), assist.assistant.unwrap_or_default());
        Self {
            id: assist.id,
            session_name: assist.session,
            requester: from.id,
            requester_name: from.name,
            assistant: to.id,
            assistant_name: to.name,
            question: assist.question,
            answer: Some(assist.answer).filter(|text| !text.is_empty()),
            status: assist.status,
            created_at: time(assist.created_at_ms),
            answered_at: assist.answered_at_ms.map(time),
        }
    }
}

impl AssistReply {
    fn of(assist: Option<Assist>) -> Answer<Self> {
        Answer(Self { success: true, data: assist.unwrap_or_default().into() })
    }
}

/// Asks a colleague.
#[utoipa::path(
    post, path = "/assist-requests", tag = "desk", request_body = Ask,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = AssistReply), Failures)
)]
pub(crate) async fn ask(
    State(app): State<App>,
    agent: Agent,
    Key(key): Key,
    Json(body): Json<Ask>,
) -> Result<Answer<AssistReply>, Problem> {
    let session = SessionName::parse(&body.session_name)?.to_string();
    let assistant = said(body.assistant.as_deref(), "ASSISTANT_REQUIRED", "assistant is required")?;
    let question = said(body.question.as_deref(), "QUESTION_REQUIRED", "question is required")?;
    let request = AskAssistRequest {
        idempotency: idempotency(key.as_ref(), &["assist", &session, &assistant, &question]),
        session,
        requester: Some(agent.as_ref()),
        assistant,
        question,
    };
    Ok(AssistReply::of(app.peers.tools().ask_assist(request).await?.into_inner().assist))
}

/// Answers a colleague's question.
#[utoipa::path(
    post, path = "/assist-requests/{id}/answer", tag = "desk", request_body = AnswerBody,
    params(
        ("id" = String, Path, description = "The question's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Not needed: the same answer again is safe"),
    ),
    responses((status = 200, body = AssistReply), Failures)
)]
pub(crate) async fn answer(
    State(app): State<App>,
    _agent: Agent,
    Path(id): Path<String>,
    Key(key): Key,
    Json(body): Json<AnswerBody>,
) -> Result<Answer<AssistReply>, Problem> {
    let answer = said(body.answer.as_deref(), "ANSWER_REQUIRED", "answer is required")?;
    let idempotency = idempotency(key.as_ref(), &["assist-answer", &id, &answer]);
    let request = AnswerAssistRequest { id, answer, idempotency };
    Ok(AssistReply::of(app.peers.tools().answer_assist(request).await?.into_inner().assist))
}

/// Lists questions to and from the caller.
#[utoipa::path(
    get, path = "/assist-requests", tag = "desk",
    params(("status" = Option<String>, Query, description = "`pending` or `answered`")),
    responses((status = 200, body = AssistsReply), Failures)
)]
pub(crate) async fn list(
    State(app): State<App>,
    _agent: Agent,
    query: Query,
) -> Result<Answer<AssistsReply>, Problem> {
    let status = query.text("status").unwrap_or_default().to_owned();
    let found = app.peers.tools().list_assists(ListAssistsRequest { status, limit: LIST_MAX }).await?;
    let found = found.into_inner();
    let views = |list: Vec<Assist>| list.into_iter().map(AssistView::from).collect::<Vec<_>>();
    let data = Assists { received: views(found.received), sent: views(found.sent) };
    let count = Counts {
        received: data.received.len(),
        sent: data.sent.len(),
        received_pending: found.received_pending,
    };
    Ok(Answer(AssistsReply { success: true, data, count }))
}
