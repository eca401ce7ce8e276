//! Quick replies: texts that agents send again and again.

use super::notes::Done;
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
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use switchboard_domain::{limits::PAGE_MAX, quick_reply::Category};
use switchboard_proto::session::v1::{
    DeleteReplyRequest, GetReplyRequest, GetReplyStatsRequest, ListRepliesRequest, PutReplyRequest,
    QuickReply, UseReplyRequest,
};
use utoipa::ToSchema;

/// Quick replies of a page when the client does not say.
const PAGE_DEFAULT: i64 = 100;
/// Deepest place that pages reach.
const OFFSET_MAX: i64 = 10_000;

/// A quick reply to be made or changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ReplyBody {
    /// 1 to 200 characters.
    title: Option<String>,
    /// 1 to 5000 characters; `{name}` is a variable.
    content: Option<String>,
    /// `greeting`, `pre_sales`, `after_sales`, `logistics`, `technical`, `closing` or `custom`.
    category: Option<String>,
    /// At most 40 characters.
    shortcut_key: Option<String>,
    is_shared: Option<bool>,
}

/// What to put in for variables. Members of later objects win.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct UseBody {
    /// Fills in what is known of this session's customer.
    session_name: String,
    #[schema(value_type = Object)]
    session_data: Map<String, Value>,
    #[schema(value_type = Object)]
    agent_data: Map<String, Value>,
    #[schema(value_type = Object)]
    shopify_data: Map<String, Value>,
}

/// A quick reply.
#[derive(Debug, Serialize, ToSchema)]
struct ReplyView {
    id: String,
    title: String,
    content: String,
    category: String,
    /// Names in braces, in order of first use.
    variables: Vec<String>,
    shortcut_key: Option<String>,
    is_shared: bool,
    usage_count: i64,
    created_by: String,
    created_by_name: String,
    created_at: f64,
    updated_at: f64,
    last_used_at: Option<f64>,
}

/// One quick reply.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplyReply {
    success: bool,
    data: ReplyView,
}

/// A page of quick replies, the most used first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RepliesReply {
    success: bool,
    data: Replies,
}

#[derive(Debug, Serialize, ToSchema)]
struct Replies {
    items: Vec<ReplyView>,
    total: i64,
    limit: i64,
    offset: i64,
    has_more: bool,
}

/// A text with its variables filled in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UseReply {
    success: bool,
    data: Used,
}

#[derive(Debug, Serialize, ToSchema)]
struct Used {
    id: String,
    title: String,
    original_content: String,
    /// What is not known stays as it is written.
    replaced_content: String,
    variables: BTreeMap<String, String>,
}

/// What quick replies are for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoriesReply {
    success: bool,
    data: Vec<&'static str>,
}

/// How quick replies are used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplyStatsReply {
    success: bool,
    data: ReplyStats,
}

#[derive(Debug, Serialize, ToSchema)]
struct ReplyStats {
    total: i64,
    total_usage: i64,
    by_category: BTreeMap<String, i64>,
    most_used: Vec<ReplyView>,
}

impl From<QuickReply> for ReplyView {
    fn from(reply: QuickReply) -> Self {
        let owner = reply.owner.unwrap_or_default();
        Self {
            id: reply.id,
            title: reply.title,
            content: reply.content,
            category: reply.category,
            variables: reply.variables,
            shortcut_key: Some(reply.shortcut).filter(|text| !text.is_empty()),
            is_shared: reply.shared,
            usage_count: reply.used,
            created_by: owner.id,
            created_by_name: owner.name,
            created_at: time(reply.created_at_ms),
            updated_at: time(reply.updated_at_ms),
            last_used_at: reply.last_used_at_ms.map(time),
        }
    }
}

impl ReplyReply {
    fn of(reply: Option<QuickReply>) -> Answer<Self> {
        Answer(Self { success: true, data: reply.unwrap_or_default().into() })
    }
}

impl UseBody {
    /// Texts and numbers by name.
    fn values(self) -> BTreeMap<String, String> {
        let members = self.session_data.into_iter().chain(self.shopify_data).chain(self.agent_data);
        members
            .filter_map(|(name, value)| match value {
                Value::String(text) => Some((name, text)),
                Value::Number(number) => Some((name, number.to_string())),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            })
            .collect()
    }
}

/// Lists one's own and shared quick replies.
#[utoipa::path(
    get, path = "/quick-replies", tag = "desk",
    params(
        ("category" = Option<String>, Query),
        ("agent_id" = Option<String>, Query, description = "The owner's id"),
        ("include_shared" = Option<bool>, Query, description = "true when absent"),
        ("keyword" = Option<String>, Query),
        ("limit" = Option<i64>, Query, description = "1 to 200, else 100"),
        ("offset" = Option<i64>, Query),
    ),
    responses((status = 200, body = RepliesReply), Failures)
)]
pub(crate) async fn list(
    State(app): State<App>,
    _agent: Agent,
    query: Query,
) -> Result<Answer<RepliesReply>, Problem> {
    let most = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    let limit = query.number("limit", 1, most)?.unwrap_or(PAGE_DEFAULT);
    let offset = query.number("offset", 0, OFFSET_MAX)?.unwrap_or(0);
    let text = |name| query.text(name).unwrap_or_default().to_owned();
    let request = ListRepliesRequest {
        category: text("category"),
        owner: text("agent_id"),
        include_shared: query.text("include_shared") != Some("false"),
        keyword: text("keyword"),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
    };
    let page = app.peers.tools().list_replies(request).await?.into_inner();
    let items: Vec<_> = page.replies.into_iter().map(ReplyView::from).collect();
    let shown = offset.saturating_add(i64::try_from(items.len()).unwrap_or(i64::MAX));
    let data = Replies { items, total: page.total, limit, offset, has_more: shown < page.total };
    Ok(Answer(RepliesReply { success: true, data }))
}

/// What quick replies are for.
#[utoipa::path(
    get, path = "/quick-replies/categories", tag = "desk",
    responses((status = 200, body = CategoriesReply), Failures)
)]
pub(crate) async fn categories(_agent: Agent) -> Answer<CategoriesReply> {
    Answer(CategoriesReply { success: true, data: Category::ALL.map(Category::as_str).to_vec() })
}

/// How quick replies are used.
#[utoipa::path(
    get, path = "/quick-replies/stats", tag = "desk",
    responses((status = 200, body = ReplyStatsReply), Failures)
)]
pub(crate) async fn stats(State(app): State<App>, _agent: Agent) -> Result<Answer<ReplyStatsReply>, Problem> {
    let found = app.peers.tools().get_reply_stats(GetReplyStatsRequest {}).await?.into_inner();
    let data = ReplyStats {
        total: found.total,
        total_usage: found.total_used,
        by_category: found.by_category.into_iter().collect(),
        most_used: found.most_used.into_iter().map(ReplyView::from).collect(),
    };
    Ok(Answer(ReplyStatsReply { success: true, data }))
}

/// Shows a quick reply.
#[utoipa::path(
    get, path = "/quick-replies/{id}", tag = "desk",
    params(("id" = String, Path, description = "The quick reply's id")),
    responses((status = 200, body = ReplyReply), Failures)
)]
pub(crate) async fn show(
    State(app): State<App>,
    _agent: Agent,
    Path(id): Path<String>,
) -> Result<Answer<ReplyReply>, Problem> {
    Ok(ReplyReply::of(app.peers.tools().get_reply(GetReplyRequest { id }).await?.into_inner().reply))
}

/// Makes a quick reply.
#[utoipa::path(
    post, path = "/quick-replies", tag = "desk", request_body = ReplyBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = ReplyReply), Failures)
)]
pub(crate) async fn create(
    State(app): State<App>,
    agent: Agent,
    key: Key,
    Json(body): Json<ReplyBody>,
) -> Result<Answer<ReplyReply>, Problem> {
    put(&app, &agent, String::new(), key, body).await
}

/// Changes a quick reply: its owner, or who has `replies.manage`.
#[utoipa::path(
    put, path = "/quick-replies/{id}", tag = "desk", request_body = ReplyBody,
    params(("id" = String, Path, description = "The quick reply's id")),
    responses((status = 200, body = ReplyReply), Failures)
)]
pub(crate) async fn edit(
    State(app): State<App>,
    agent: Agent,
    Path(id): Path<String>,
    key: Key,
    Json(body): Json<ReplyBody>,
) -> Result<Answer<ReplyReply>, Problem> {
    put(&app, &agent, id, key, body).await
}

async fn put(
    app: &App,
    agent: &Agent,
    id: String,
    Key(key): Key,
    body: ReplyBody,
) -> Result<Answer<ReplyReply>, Problem> {
    let said = format!("{body:?}");
    let request = PutReplyRequest {
        idempotency: idempotency(key.as_ref(), &["quick-reply", &id, &said]),
        id,
        agent: Some(agent.as_ref()),
        title: body.title,
        content: body.content,
        category: body.category,
        shortcut: body.shortcut_key,
        shared: body.is_shared,
    };
    Ok(ReplyReply::of(app.peers.tools().put_reply(request).await?.into_inner().reply))
}

/// Deletes a quick reply: its owner, or who has `replies.manage`.
#[utoipa::path(
    delete, path = "/quick-replies/{id}", tag = "desk",
    params(("id" = String, Path, description = "The quick reply's id")),
    responses((status = 200, body = Done), Failures)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _agent: Agent,
    Path(id): Path<String>,
) -> Result<Answer<Done>, Problem> {
    app.peers.tools().delete_reply(DeleteReplyRequest { id }).await?;
    Ok(Answer(Done { success: true }))
}

/// Fills in a quick reply's variables and counts the use.
#[utoipa::path(
    post, path = "/quick-replies/{id}/use", tag = "desk", request_body = UseBody,
    params(
        ("id" = String, Path, description = "The quick reply's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat count once"),
    ),
    responses((status = 200, body = UseReply), Failures)
)]
pub(crate) async fn apply(
    State(app): State<App>,
    agent: Agent,
    Path(id): Path<String>,
    Key(key): Key,
    Json(body): Json<UseBody>,
) -> Result<Answer<UseReply>, Problem> {
    let session = body.session_name.clone();
    let values = body.values();
    let request = UseReplyRequest {
        idempotency: idempotency(key.as_ref(), &meaning(&id, &session, &values)),
        id,
        agent: Some(agent.as_ref()),
        session,
        values: values.into_iter().collect(),
    };
    let used = app.peers.tools().use_reply(request).await?.into_inner();
    let reply = used.reply.unwrap_or_default();
    let data = Used {
        id: reply.id,
        title: reply.title,
        original_content: reply.content,
        replaced_content: used.text,
        variables: used.replaced.into_iter().collect(),
    };
    Ok(Answer(UseReply { success: true, data }))
}

/// What a use says: two with one key have to say the same.
fn meaning<'a>(id: &'a str, session: &'a str, values: &'a BTreeMap<String, String>) -> Vec<&'a str> {
    let pairs = values.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    ["use", id, session].into_iter().chain(pairs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_domain::ClientMessageId;

    #[test]
    fn a_use_is_the_same_only_with_the_same_session_and_values() {
        let key = ClientMessageId::parse("k").unwrap();
        let fingerprint = |id: &str, session: &str, values: &[(&str, &str)]| {
            let data = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            let body = UseBody { agent_data: data, ..UseBody::default() };
            idempotency(Some(&key), &meaning(id, session, &body.values())).unwrap().fingerprint
        };
        let one = fingerprint("r", "s", &[("a", "1"), ("b", "2")]);
        assert_eq!(one, fingerprint("r", "s", &[("b", "2"), ("a", "1")]));
        for other in [
            fingerprint("q", "s", &[("a", "1"), ("b", "2")]),
            fingerprint("r", "t", &[("a", "1"), ("b", "2")]),
            fingerprint("r", "s", &[("a", "1"), ("b", "3")]),
            fingerprint("r", "s", &[("a", "1")]),
        ] {
            assert_ne!(one, other);
        }
    }
}
