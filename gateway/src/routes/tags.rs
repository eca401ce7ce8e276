//! Tags, and sessions by them.

use super::notes::Done;
use crate::{
    error::{Failures, Problem},
    extract::{Json, Key, SessionPath},
    identity::Agent,
    opening::idempotency,
    state::App,
};
use axum::{
    Json as Answer,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use switchboard_domain::SessionName;
use switchboard_proto::{
    common::v1::Idempotency,
    session::v1::{DeleteTagRequest, ListTagsRequest, PutTagRequest, Tag, TagSessionRequest},
};
use utoipa::ToSchema;

/// A tag to be made or changed.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TagBody {
    /// 1 to 40 characters.
    name: String,
    /// `#RRGGBB`
    color: String,
    /// A short sign, for example one emoji.
    #[serde(default)]
    icon: String,
}

/// Which tag.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TagChoice {
    tag_id: String,
}

/// A tag.
#[derive(Debug, Serialize, ToSchema)]
struct TagView {
    id: String,
    name: String,
    color: String,
    icon: String,
}

/// All tags.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TagsReply {
    success: bool,
    data: TagsData,
}

/// The inside of [`TagsReply`].
#[derive(Debug, Serialize, ToSchema)]
struct TagsData {
    system_tags: Vec<TagView>,
    custom_tags: Vec<TagView>,
}

/// One tag.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TagReply {
    success: bool,
    data: TagData,
}

/// The inside of [`TagReply`].
#[derive(Debug, Serialize, ToSchema)]
struct TagData {
    tag: TagView,
}

/// The tags of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionTagsReply {
    success: bool,
    data: SessionTags,
}

/// The inside of [`SessionTagsReply`].
#[derive(Debug, Serialize, ToSchema)]
struct SessionTags {
    session_name: String,
    /// Ids.
    tags: Vec<String>,
}

impl From<Tag> for TagView {
    fn from(tag: Tag) -> Self {
        Self { id: tag.id, name: tag.name, color: tag.color, icon: tag.icon }
    }
}

/// Lists the tags that there are.
#[utoipa::path(
    get, path = "/tags", tag = "desk",
    responses((status = 200, body = TagsReply), Failures)
)]
pub(crate) async fn list(State(app): State<App>, _agent: Agent) -> Result<Answer<TagsReply>, Problem> {
    let tags = app.peers.desk().list_tags(ListTagsRequest {}).await?.into_inner().tags;
    let (system, custom): (Vec<_>, Vec<_>) = tags.into_iter().partition(|tag| tag.built_in);
    let views = |tags: Vec<Tag>| tags.into_iter().map(TagView::from).collect();
    let data = TagsData { system_tags: views(system), custom_tags: views(custom) };
    Ok(Answer(TagsReply { success: true, data }))
}

/// Makes a tag.
#[utoipa::path(
    post, path = "/tags", tag = "desk", request_body = TagBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = TagReply), Failures)
)]
pub(crate) async fn create(
    State(app): State<App>,
    _agent: Agent,
    Key(key): Key,
    Json(body): Json<TagBody>,
) -> Result<Answer<TagReply>, Problem> {
    let made = idempotency(key.as_ref(), &["tag", &body.name, &body.color, &body.icon]);
    put(&app, String::new(), body, made).await
}

/// Changes a tag.
#[utoipa::path(
    put, path = "/tags/{id}", tag = "desk", request_body = TagBody,
    params(("id" = String, Path, description = "The tag's id")),
    responses((status = 200, body = TagReply), Failures)
)]
pub(crate) async fn edit(
    State(app): State<App>,
    _agent: Agent,
    Path(id): Path<String>,
    Json(body): Json<TagBody>,
) -> Result<Answer<TagReply>, Problem> {
    put(&app, id, body, None).await
}

async fn put(
    app: &App,
    id: String,
    body: TagBody,
    idempotency: Option<Idempotency>,
) -> Result<Answer<TagReply>, Problem> {
    let tag = Tag { id, name: body.name, color: body.color, icon: body.icon, built_in: false };
    let request = PutTagRequest { tag: Some(tag), idempotency };
    let tag = app.peers.desk().put_tag(request).await?.into_inner().tag;
    Ok(Answer(TagReply { success: true, data: TagData { tag: tag.unwrap_or_default().into() } }))
}

/// Deletes a tag and takes it off every session.
#[utoipa::path(
    delete, path = "/tags/{id}", tag = "desk",
    params(("id" = String, Path, description = "The tag's id")),
    responses((status = 200, body = Done), Failures)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _agent: Agent,
    Path(id): Path<String>,
) -> Result<Answer<Done>, Problem> {
    app.peers.desk().delete_tag(DeleteTagRequest { id }).await?;
    Ok(Answer(Done { success: true }))
}

/// Puts a tag on a session. A repeat changes nothing.
#[utoipa::path(
    post, path = "/sessions/{session}/tags", tag = "desk", request_body = TagChoice,
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 200, body = SessionTagsReply), Failures)
)]
pub(crate) async fn put_on(
    State(app): State<App>,
    _agent: Agent,
    SessionPath(session): SessionPath,
    Json(body): Json<TagChoice>,
) -> Result<Answer<SessionTagsReply>, Problem> {
    let add = vec![body.tag_id];
    change(&app, TagSessionRequest { session: session.to_string(), add, remove: Vec::new() }).await
}

/// Takes a tag off a session.
#[utoipa::path(
    delete, path = "/sessions/{session}/tags/{tag}", tag = "desk",
    params(
        ("session" = String, Path, description = "The session's name"),
        ("tag" = String, Path, description = "The tag's id"),
    ),
    responses((status = 200, body = SessionTagsReply), Failures)
)]
pub(crate) async fn take_off(
    State(app): State<App>,
    _agent: Agent,
    Path((session, tag)): Path<(String, String)>,
) -> Result<Answer<SessionTagsReply>, Problem> {
    let session = SessionName::parse(&session)?.to_string();
    change(&app, TagSessionRequest { session, add: Vec::new(), remove: vec![tag] }).await
}

async fn change(app: &App, request: TagSessionRequest) -> Result<Answer<SessionTagsReply>, Problem> {
    let session_name = request.session.clone();
    let tags = app.peers.desk().tag_session(request).await?.into_inner().tags;
    Ok(Answer(SessionTagsReply { success: true, data: SessionTags { session_name, tags } }))
}
