//! The floor: sessions by filter and order; below, who waits and the numbers.

pub(crate) mod queue;
pub(crate) mod stats;

use crate::{
    error::{Failures, Problem},
    extract::Query,
    identity::Agent,
    state::App,
    view::{AgentView, MessageView, PriorityView, nickname, seconds, span},
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use switchboard_domain::{
    Entry, ErrorKind, Session, Status, Timestamp, limits::PAGE_MAX, session::Escalation,
};
use switchboard_proto::{
    convert::WireError,
    session::v1::{FindRequest, Summary, find_request::Order},
};
use utoipa::ToSchema;

/// Sessions of a page when the client does not say.
const PAGE_DEFAULT: i64 = 50;
/// Deepest place that pages by numbers reach; further ones go by `page_token`.
const OFFSET_MAX: i64 = 10_000;
/// Characters of a message that a summary shows.
const PREVIEW: usize = 50;

/// A session in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SummaryView {
    session_name: String,
    status: &'static str,
    user_profile: Customer,
    updated_at: f64,
    created_at: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message_preview: Option<Preview>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escalation: Option<Wait>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_agent: Option<AgentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<PriorityView>,
    /// Tag ids.
    tags: Vec<String>,
    queue: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Customer {
    nickname: String,
    vip: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Preview {
    role: &'static str,
    /// 50 characters.
    content: String,
    timestamp: f64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Wait {
    reason: &'static str,
    trigger_at: f64,
    waiting_seconds: f64,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsReply {
    success: bool,
    data: Page,
}

#[derive(Debug, Serialize, ToSchema)]
struct Page {
    sessions: Vec<SummaryView>,
    /// A lower bound unless `total_is_exact`.
    total: i64,
    total_is_exact: bool,
    limit: i64,
    offset: i64,
    has_more: bool,
    /// Where the next page begins.
    next_page_token: Option<String>,
    /// A keyword search looked at a bounded number of messages and goes on with `next_page_token`.
    partial: bool,
}

/// The beginning of a message.
fn beginning(text: &str) -> String {
    text.chars().take(PREVIEW).collect()
}

fn preview(text: &str) -> String {
    let cut = beginning(text);
    if cut.len() < text.len() { cut + "..." } else { cut }
}

impl SummaryView {
    fn read(summary: Summary, now: Timestamp) -> Result<Self, WireError> {
        let session = Session::try_from(summary.session.ok_or(WireError::new("summary.session"))?)?;
        let last = summary.last_message.map(Entry::try_from).transpose()?;
        let last = last.as_ref().and_then(MessageView::of);
        let waiting = |escalation: &Escalation| Wait {
            reason: escalation.reason.as_str(),
            trigger_at: seconds(escalation.at),
            waiting_seconds: span(now.millis().saturating_sub(escalation.at.millis())),
        };
        Ok(Self {
            user_profile: Customer::of(&session),
            session_name: session.name.to_string(),
            status: session.status.as_str(),
            updated_at: seconds(session.updated_at),
            created_at: seconds(session.created_at),
            last_message_preview: last.map(|last| Preview {
                role: last.role,
                content: preview(&last.content),
                timestamp: last.timestamp,
            }),
            escalation: session.escalation.as_ref().map(waiting),
            assigned_agent: session.agent.as_ref().map(AgentView::new),
            priority: summary.priority.map(PriorityView::from),
            tags: session.desk.tags,
            queue: session.desk.queue,
        })
    }
}

impl Customer {
    fn of(session: &Session) -> Self {
        Self { nickname: nickname(&session.profile), vip: session.profile.vip }
    }
}

/// Lists sessions.
#[utoipa::path(
    get, path = "/sessions", tag = "desk",
    params(
        ("status" = Option<String>, Query, description = "One status, or `all`"),
        ("agent" = Option<String>, Query, description = "`all`, `mine`, `unassigned`, or an id or username"),
        ("customer_type" = Option<String>, Query, description = "`all`, `vip`"),
        ("tag" = Option<String>, Query, description = "A tag's id"),
        ("time_start" = Option<f64>, Query, description = "Begun at or after, epoch seconds"),
        ("time_end" = Option<f64>, Query, description = "Begun before, epoch seconds"),
        ("keyword" = Option<String>, Query, description = "Part of name, nickname, agent or a message"),
        ("sort" = Option<String>, Query, description = "`default`, `newest`, `oldest`, `vip`, `waitTime`, `updated`"),
        ("limit" = Option<i64>, Query, description = "1 to 200, else 50"),
        ("offset" = Option<i64>, Query, description = "0 to 10000"),
        ("page_token" = Option<String>, Query, description = "From the last page; instead of `offset`"),
    ),
    responses((status = 200, body = SessionsReply), Failures)
)]
pub(crate) async fn list(
    State(app): State<App>,
    agent: Agent,
    query: Query,
) -> Result<Answer<SessionsReply>, Problem> {
    let most = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    let limit = query.number("limit", 1, most)?.unwrap_or(PAGE_DEFAULT);
    let offset = query.number("offset", 0, OFFSET_MAX)?.unwrap_or(0);
    let (owner, unassigned) = owner(&agent, query.text("agent").unwrap_or("all"));
    let request = FindRequest {
        status: status(query.text("status").unwrap_or("all"))?,
        agent: owner,
        unassigned,
        vip: customer_type(query.text("customer_type").unwrap_or("all"))?,
        created_since_ms: query.instant("time_start")?.map(Timestamp::millis),
        created_until_ms: query.instant("time_end")?.map(Timestamp::millis),
        keyword: query.text("keyword").unwrap_or_default().to_owned(),
        tag: query.text("tag").map(str::to_owned),
        order: order(query.text("sort").unwrap_or("default"))?.into(),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        page_token: query.text("page_token").unwrap_or_default().to_owned(),
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
    };
    let now = app.clock.now();
    let page = app.peers.floor().find(request).await?.into_inner();
    let sessions: Result<Vec<_>, _> =
        page.sessions.into_iter().map(|summary| SummaryView::read(summary, now)).collect();
    let next_page_token = Some(page.next_page_token).filter(|token| !token.is_empty());
    let data = Page {
        sessions: sessions?,
        total: page.total,
        total_is_exact: page.total_exact,
        limit,
        offset,
        has_more: page.has_more,
        next_page_token,
        partial: page.partial,
    };
    Ok(Answer(SessionsReply { success: true, data }))
}

fn status(text: &str) -> Result<Option<i32>, Problem> {
    if text == "all" || text.is_empty() {
        return Ok(None);
    }
    let status: Status = text.parse().map_err(|_| {
        let all = Status::ALL.map(|status| format!("'{status}'")).join(", ");
        let told = format!("Invalid status: {text}. Valid values: [{all}]");
        Problem::new(ErrorKind::Invalid, "INVALID_STATUS", told)
    })?;
    Ok(Some(switchboard_proto::session::v1::Status::from(status).into()))
}

/// The original's `old` and `new` counted orders, which nobody here knows: refused, not ignored.
fn customer_type(text: &str) -> Result<Option<bool>, Problem> {
    match text {
        "all" | "" => Ok(None),
        "vip" => Ok(Some(true)),
        "old" | "new" => {
            Err(Problem::query("customer_type", "must be 'all' or 'vip': orders are not known here"))
        }
        _ => Err(Problem::query("customer_type", "must be 'all' or 'vip'")),
    }
}

fn order(text: &str) -> Result<Order, Problem> {
    match text {
        "default" | "" => Ok(Order::Unspecified),
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        "vip" => Ok(Order::Vip),
        "waitTime" => Ok(Order::WaitTime),
        "updated" => Ok(Order::Updated),
        _ => Err(Problem::query("sort", "must be default, newest, oldest, vip, waitTime or updated")),
    }
}

/// Whose sessions are asked for: an owner's id or username, or those that nobody owns.
fn owner(me: &Agent, text: &str) -> (Option<String>, bool) {
    match text {
        "all" | "" => (None, false),
        "unassigned" => (None, true),
        "mine" => (Some(me.id.to_string()), false),
        other => (Some(other.to_owned()), false),
    }
}
