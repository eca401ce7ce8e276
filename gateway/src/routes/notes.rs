//! Internal notes of sessions, which customers never see.

use super::desk::said;
use crate::{
    error::{Failures, Problem},
    extract::{Json, Key, Query, SessionPath},
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
use switchboard_domain::{SessionName, limits::PAGE_MAX};
use switchboard_proto::session::v1::{
    AddNoteRequest, DeleteNoteRequest, EditNoteRequest, ListNotesRequest, Note,
};
use utoipa::ToSchema;

/// Notes of a page when the client does not say.
const PAGE_DEFAULT: i64 = 50;

/// What a note says.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NoteBody {
    /// 1 to 2000 characters.
    content: Option<String>,
    /// Ids or usernames of colleagues to be told.
    #[serde(default)]
    mentions: Vec<String>,
}

/// A note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteView {
    id: String,
    session_name: String,
    content: String,
    mentions: Vec<String>,
    created_by: String,
    created_by_name: String,
    created_at: f64,
    updated_at: f64,
    edited: bool,
}

/// One note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteReply {
    success: bool,
    data: NoteView,
}

/// Notes, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotesReply {
    success: bool,
    data: Notes,
}

/// The inside of [`NotesReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Notes {
    items: Vec<NoteView>,
    total: i64,
    has_more: bool,
}

/// Done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    pub(super) success: bool,
}

impl From<Note> for NoteView {
    fn from(note: Note) -> Self {
        let author = note.author.unwrap_or_default();
        Self {
            id: note.id,
            session_name: note.session,
            content: note.text,
            mentions: note.mentions,
            created_by: author.id,
            created_by_name: author.name,
            created_at: time(note.created_at_ms),
            updated_at: time(note.edited_at_ms.unwrap_or(note.created_at_ms)),
            edited: note.edited_at_ms.is_some(),
        }
    }
}

impl NoteReply {
    fn of(note: Option<Note>) -> Answer<Self> {
        Answer(Self { success: true, data: note.unwrap_or_default().into() })
    }
}

/// Writes a note.
#[utoipa::path(
    post, path = "/sessions/{session}/notes", tag = "desk", request_body = NoteBody,
    params(
        ("session" = String, Path, description = "The session's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses((status = 200, body = NoteReply), Failures)
)]
pub(crate) async fn add(
    State(app): State<App>,
    agent: Agent,
    SessionPath(session): SessionPath,
    Key(key): Key,
    Json(body): Json<NoteBody>,
) -> Result<Answer<NoteReply>, Problem> {
    let text = said(body.content.as_deref(), "CONTENT_REQUIRED", "备注内容不能为空")?;
    let mentions = body.mentions.join(",");
    let request = AddNoteRequest {
        session: session.to_string(),
        author: Some(agent.as_ref()),
        idempotency: idempotency(key.as_ref(), &["note", session.as_str(), &text, &mentions]),
        text,
        mentions: body.mentions,
    };
    Ok(NoteReply::of(app.peers.desk().add_note(request).await?.into_inner().note))
}

/// Reads a session's notes.
#[utoipa::path(
    get, path = "/sessions/{session}/notes", tag = "desk",
    params(
        ("session" = String, Path, description = "The session's name"),
        ("limit" = Option<i64>, Query, description = "1 to 200, else 50"),
        ("before" = Option<String>, Query, description = "Notes older than this one"),
    ),
    responses((status = 200, body = NotesReply), Failures)
)]
pub(crate) async fn list(
    State(app): State<App>,
    _agent: Agent,
    SessionPath(session): SessionPath,
    query: Query,
) -> Result<Answer<NotesReply>, Problem> {
    let most = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    let limit = query.number("limit", 1, most)?.unwrap_or(PAGE_DEFAULT);
    let request = ListNotesRequest {
        session: session.to_string(),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        before: query.text("before").unwrap_or_default().to_owned(),
    };
    let page = app.peers.desk().list_notes(request).await?.into_inner();
    let items = page.notes.into_iter().map(NoteView::from).collect();
    let data = Notes { items, total: page.total, has_more: page.has_more };
    Ok(Answer(NotesReply { success: true, data }))
}

/// Changes a note: its author, or who has `sessions.supervise`.
#[utoipa::path(
    put, path = "/sessions/{session}/notes/{note}", tag = "desk", request_body = NoteBody,
    params(
        ("session" = String, Path, description = "The session's name"),
        ("note" = String, Path, description = "The note's id"),
    ),
    responses((status = 200, body = NoteReply), Failures)
)]
pub(crate) async fn edit(
    State(app): State<App>,
    _agent: Agent,
    Path((session, note)): Path<(String, String)>,
    Json(body): Json<NoteBody>,
) -> Result<Answer<NoteReply>, Problem> {
    let session = SessionName::parse(&session)?.to_string();
    let text = said(body.content.as_deref(), "CONTENT_REQUIRED", "备注内容不能为空")?;
    let request = EditNoteRequest { session, note, text, mentions: body.mentions };
    Ok(NoteReply::of(app.peers.desk().edit_note(request).await?.into_inner().note))
}

/// Deletes a note: its author, or who has `sessions.supervise`.
#[utoipa::path(
    delete, path = "/sessions/{session}/notes/{note}", tag = "desk",
    params(
        ("session" = String, Path, description = "The session's name"),
        ("note" = String, Path, description = "The note's id"),
    ),
    responses((status = 200, body = Done), Failures)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _agent: Agent,
    Path((session, note)): Path<(String, String)>,
) -> Result<Answer<Done>, Problem> {
    let session = SessionName::parse(&session)?.to_string();
    app.peers.desk().delete_note(DeleteNoteRequest { session, note }).await?;
    Ok(Answer(Done { success: true }))
}
