//! Reading a session: as it stands, and page by page.

use super::desk::owned;
use crate::{
    error::{Failures, Problem},
    extract::{Query, SessionPath},
    identity::Person,
    state::App,
    view::{MessageView, SessionState},
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use switchboard_domain::{
    Session, SessionName,
    limits::{HISTORY_TAIL, PAGE_MAX},
    session::LogEpoch,
};
use switchboard_proto::{
    convert::{WireError, entries_from_wire},
    session::v1::{GetRequest, ListEntriesRequest},
};
use utoipa::ToSchema;

/// Messages of a page when the client does not say.
const PAGE_DEFAULT: i64 = 50;

/// A session as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionReply {
    success: bool,
    data: SessionData,
}

/// The inside of [`SessionReply`].
#[derive(Debug, Serialize, ToSchema)]
struct SessionData {
    session: SessionState,
    /// Always empty; what people did is told by `GET /audit`.
    audit_trail: Vec<String>,
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessagesReply {
    success: bool,
    data: MessagesData,
}

/// The inside of [`MessagesReply`].
#[derive(Debug, Serialize, ToSchema)]
struct MessagesData {
    /// Oldest first.
    messages: Vec<MessageView>,
    has_more: bool,
}

/// Shows a session and its last 50 messages.
#[utoipa::path(
    get, path = "/sessions/{session}", tag = "session",
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 200, body = SessionReply), Failures)
)]
pub(crate) async fn show(
    State(app): State<App>,
    person: Person,
    SessionPath(session): SessionPath,
) -> Result<Answer<SessionReply>, Problem> {
    owned(&person, &session)?;
    let session = state(&app, &session).await?;
    Ok(Answer(SessionReply { success: true, data: SessionData { session, audit_trail: Vec::new() } }))
}

/// Reads a session with its tail, on behalf of the caller.
pub(crate) async fn state(app: &App, session: &SessionName) -> Result<SessionState, Problem> {
    let tail = u32::try_from(HISTORY_TAIL).unwrap_or(u32::MAX);
    let request = GetRequest { session: session.to_string(), tail };
    let found = app.peers.session().get(request).await?.into_inner();
    let session = Session::try_from(found.session.ok_or(WireError::new("get.session"))?)?;
    let tail = entries_from_wire(found.tail)?;
    Ok(SessionState::new(&session, LogEpoch::new(found.epoch), &tail, found.insight.as_ref()))
}

/// Pages through all messages, backwards with `before`, forwards with `after`.
#[utoipa::path(
    get, path = "/sessions/{session}/messages", tag = "session",
    params(
        ("session" = String, Path, description = "The session's name"),
        ("before" = Option<i64>, Query, description = "Messages with a smaller `seq`; the last ones when absent"),
        ("after" = Option<i64>, Query, description = "Messages with a greater `seq`"),
        ("limit" = Option<i64>, Query, description = "1 to 200, else 50"),
    ),
    responses((status = 200, body = MessagesReply), Failures)
)]
pub(crate) async fn messages(
    State(app): State<App>,
    person: Person,
    SessionPath(session): SessionPath,
    query: Query,
) -> Result<Answer<MessagesReply>, Problem> {
    owned(&person, &session)?;
    let most = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    let limit = query.number("limit", 1, most)?.unwrap_or(PAGE_DEFAULT);
    let before = query.number("before", 0, i64::MAX)?;
    let after = query.number("after", 0, i64::MAX)?;
    if before.is_some() && after.is_some() {
        return Err(Problem::query("after", "cannot be combined with before"));
    }
    let request = ListEntriesRequest {
        session: session.to_string(),
        before: before.or_else(|| after.is_none().then_some(i64::MAX)),
        after,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        messages_only: true,
    };
    let page = app.peers.session().list_entries(request).await?.into_inner();
    let entries = entries_from_wire(page.entries)?;
    let messages = entries.iter().filter_map(MessageView::of).collect();
    Ok(Answer(MessagesReply { success: true, data: MessagesData { messages, has_more: page.has_more } }))
}
