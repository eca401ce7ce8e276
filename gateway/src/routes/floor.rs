//! The floor: sessions by filter and order, who waits, the numbers.

use crate::{
    error::{Problem, ProblemBody},
    extract::Query,
    identity::Agent,
    state::App,
    view::{AgentView, MessageView, seconds},
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use std::collections::BTreeMap;
use switchboard_domain::{
    AgentId, Entry, ErrorKind, Session, Status, Timestamp, limits::PAGE_MAX, session::Escalation,
};
use switchboard_proto::{
    agentauth::v1::GetAgentRequest,
    convert::WireError,
    session::v1::{
        FindRequest, GetQueueRequest, GetStatsRequest, Priority, Summary, find_request::Order,
        get_queue_response::Place,
    },
};
use utoipa::ToSchema;

/// Sessions of a page when the client does not say.
const PAGE_DEFAULT: i64 = 50;
/// Deepest place that pages by numbers reach; further ones go by `page_token`.
const OFFSET_MAX: i64 = 10_000;
/// Characters of a message that a summary shows.
const PREVIEW: usize = 50;
/// Name shown for a customer who has told none.
const NICKNAME: &str = "访客";

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

#[derive(Debug, Serialize, ToSchema)]
struct PriorityView {
    /// `urgent`, `high` or `normal`.
    level: String,
    is_vip: bool,
    wait_time_seconds: f64,
    is_timeout: bool,
    is_repeat: bool,
    urgent_keywords: Vec<String>,
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

/// Who waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueReply {
    success: bool,
    data: Waiters,
}

#[derive(Debug, Serialize, ToSchema)]
struct Waiters {
    queue: Vec<PlaceView>,
    total_count: i64,
    vip_count: i64,
    avg_wait_time: f64,
    max_wait_time: f64,
}

#[derive(Debug, Serialize, ToSchema)]
struct PlaceView {
    session_name: String,
    status: &'static str,
    position: u32,
    priority_level: String,
    is_vip: bool,
    wait_time_seconds: f64,
    is_timeout: bool,
    urgent_keywords: Vec<String>,
    user_profile: Customer,
    /// 50 characters.
    last_message: String,
    /// Seconds; null when nothing is known.
    estimated_wait_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offered_to: Option<AgentView>,
}

/// The numbers of the floor; seconds have two decimals.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatsReply {
    success: bool,
    data: Stats,
}

#[derive(Debug, Serialize, ToSchema)]
struct Stats {
    total_sessions: i64,
    active_sessions: i64,
    by_status: BTreeMap<String, i64>,
    avg_waiting_time: f64,
    max_waiting_time: f64,
    avg_service_time: f64,
    active_agents: i64,
    by_escalation_reason: BTreeMap<String, i64>,
    today: Today,
    ai_quality: AiQuality,
    agent_efficiency: AgentEfficiency,
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct Today {
    total_escalations: i64,
    pending: i64,
    serving: i64,
    served: i64,
    after_hours: i64,
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct AiQuality {
    avg_response_time_ms: Option<i64>,
    /// Shares are 0 to 1.
    success_rate: Option<f64>,
    escalation_rate: Option<f64>,
    avg_messages_before_escalation: Option<f64>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct AgentEfficiency {
    avg_takeover_time_sec: Option<f64>,
    avg_service_time_sec: Option<f64>,
    resolution_rate: Option<f64>,
    avg_sessions_per_agent: Option<f64>,
}

/// Milliseconds as seconds with two decimals.
#[expect(clippy::cast_precision_loss, reason = "spans of time have far less than 53 bits")]
fn span(ms: i64) -> f64 {
    (ms as f64 / 10.0).round() / 100.0
}

/// A share in parts per million as 0 to 1, a number in thousandths as itself.
#[expect(clippy::cast_precision_loss, reason = "counts have far less than 53 bits")]
fn fraction(count: i64, of: f64) -> f64 {
    (count as f64 / of * 10_000.0).round() / 10_000.0
}

fn preview(text: &str) -> String {
    let cut: String = text.chars().take(PREVIEW).collect();
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
        let nickname = session.profile.nickname.clone().unwrap_or_else(|| NICKNAME.to_owned());
        Self { nickname, vip: session.profile.vip }
    }
}

impl From<Priority> for PriorityView {
    fn from(priority: Priority) -> Self {
        Self {
            level: priority.level,
            is_vip: priority.vip,
            wait_time_seconds: span(priority.wait_ms),
            is_timeout: priority.timeout,
            is_repeat: priority.repeat,
            urgent_keywords: priority.urgent_words,
        }
    }
}

impl PlaceView {
    fn read(place: Place, now: Timestamp) -> Result<Self, Problem> {
        let summary = place.summary.ok_or(WireError::new("place.summary"))?;
        let summary = SummaryView::read(summary, now)?;
        let priority = summary.priority;
        let offered = place.offered_to.map(|agent| AgentView::named(agent.id, agent.name));
        Ok(Self {
            session_name: summary.session_name,
            status: summary.status,
            position: place.position,
            priority_level: priority.as_ref().map(|one| one.level.clone()).unwrap_or_default(),
            is_vip: summary.user_profile.vip,
            wait_time_seconds: priority.as_ref().map(|one| one.wait_time_seconds).unwrap_or_default(),
            is_timeout: priority.as_ref().is_some_and(|one| one.is_timeout),
            urgent_keywords: priority.map(|one| one.urgent_keywords).unwrap_or_default(),
            user_profile: summary.user_profile,
            last_message: summary.last_message_preview.map(|last| last.content).unwrap_or_default(),
            estimated_wait_seconds: place.estimated_wait_ms.map(span),
            offered_to: offered,
        })
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
        ("time_start" = Option<i64>, Query, description = "Begun at or after, epoch seconds"),
        ("time_end" = Option<i64>, Query, description = "Begun before, epoch seconds"),
        ("keyword" = Option<String>, Query, description = "Part of name, nickname, agent or a message"),
        ("sort" = Option<String>, Query, description = "`default`, `newest`, `oldest`, `vip`, `waitTime`, `updated`"),
        ("limit" = Option<i64>, Query, description = "1 to 200, else 50"),
        ("offset" = Option<i64>, Query, description = "0 to 10000"),
        ("page_token" = Option<String>, Query, description = "From the last page; instead of `offset`"),
    ),
    responses(
        (status = 200, body = SessionsReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    agent: Agent,
    query: Query,
) -> Result<Answer<SessionsReply>, Problem> {
    let most = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    let limit = query.number("limit", 1, most)?.unwrap_or(PAGE_DEFAULT);
    let offset = query.number("offset", 0, OFFSET_MAX)?.unwrap_or(0);
    let (owner, unassigned) = owner(&app, &agent, query.text("agent").unwrap_or("all")).await?;
    let ms = |seconds: i64| seconds.saturating_mul(1000);
    let request = FindRequest {
        status: status(query.text("status").unwrap_or("all"))?,
        agent: owner,
        unassigned,
        vip: customer_type(query.text("customer_type").unwrap_or("all"))?,
        created_since_ms: query.number("time_start", 0, i64::MAX / 1000)?.map(ms),
        created_until_ms: query.number("time_end", 0, i64::MAX / 1000)?.map(ms),
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

fn customer_type(text: &str) -> Result<Option<bool>, Problem> {
    match text {
        "all" | "" => Ok(None),
        "vip" => Ok(Some(true)),
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

/// Whose sessions are asked for: an owner's id, or those that nobody owns.
async fn owner(app: &App, me: &Agent, text: &str) -> Result<(Option<String>, bool), Problem> {
    match text {
        "all" | "" => Ok((None, false)),
        "unassigned" => Ok((None, true)),
        "mine" => Ok((Some(me.id.to_string()), false)),
        id if AgentId::parse(id).is_ok() => Ok((Some(id.to_owned()), false)),
        username => {
            let request = GetAgentRequest { agent: username.to_owned() };
            let found = app.peers.accounts().get_agent(request).await?.into_inner().agent;
            Ok((Some(found.unwrap_or_default().id), false))
        }
    }
}

/// Shows who waits, in the order in which they will be served.
#[utoipa::path(
    get, path = "/sessions/queue", tag = "desk",
    params(("queue" = Option<String>, Query, description = "One queue; all when absent")),
    responses(
        (status = 200, body = QueueReply),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn queue(
    State(app): State<App>,
    _agent: Agent,
    query: Query,
) -> Result<Answer<QueueReply>, Problem> {
    let request = GetQueueRequest { queue: query.text("queue").unwrap_or_default().to_owned(), limit: 100 };
    let now = app.clock.now();
    let found = app.peers.floor().get_queue(request).await?.into_inner();
    let places: Result<Vec<_>, _> =
        found.places.into_iter().map(|place| PlaceView::read(place, now)).collect();
    let data = Waiters {
        queue: places?,
        total_count: found.total,
        vip_count: found.vips,
        avg_wait_time: span(found.mean_wait_ms),
        max_wait_time: span(found.max_wait_ms),
    };
    Ok(Answer(QueueReply { success: true, data }))
}

/// The numbers of the floor. What each counts is written in the README of the session service.
#[utoipa::path(
    get, path = "/sessions/stats", tag = "desk",
    params(("day_start" = Option<i64>, Query, description = "When `today` begins, epoch seconds; the shop's day when absent")),
    responses(
        (status = 200, body = StatsReply),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stats(
    State(app): State<App>,
    _agent: Agent,
    query: Query,
) -> Result<Answer<StatsReply>, Problem> {
    let day_start = query.number("day_start", 0, i64::MAX / 1000)?.unwrap_or(0);
    let request = GetStatsRequest { day_start_ms: day_start.saturating_mul(1000) };
    let found = app.peers.floor().get_stats(request).await?.into_inner();
    let today = found.today.unwrap_or_default();
    let ai = found.ai.unwrap_or_default();
    let agents = found.agents.unwrap_or_default();
    let (million, thousand) = (1_000_000.0, 1000.0);
    let data = Stats {
        total_sessions: found.total_sessions,
        active_sessions: found.active_sessions,
        by_status: found.by_status.into_iter().collect(),
        avg_waiting_time: span(found.mean_wait_ms),
        max_waiting_time: span(found.max_wait_ms),
        avg_service_time: span(found.mean_service_ms),
        active_agents: found.active_agents,
        by_escalation_reason: found.by_reason.into_iter().collect(),
        today: Today {
            total_escalations: today.escalations,
            pending: today.waiting,
            serving: today.serving,
            served: today.served,
            after_hours: today.after_hours,
        },
        ai_quality: AiQuality {
            avg_response_time_ms: ai.mean_answer_ms,
            success_rate: ai.success_ppm.map(|share| fraction(share, million)),
            escalation_rate: ai.escalation_ppm.map(|share| fraction(share, million)),
            avg_messages_before_escalation: ai
                .mean_messages_before_escalation_milli
                .map(|number| fraction(number, thousand)),
        },
        agent_efficiency: AgentEfficiency {
            avg_takeover_time_sec: agents.mean_takeover_ms.map(span),
            avg_service_time_sec: agents.mean_service_ms.map(span),
            resolution_rate: agents.resolution_ppm.map(|share| fraction(share, million)),
            avg_sessions_per_agent: agents.sessions_per_agent_milli.map(|number| fraction(number, thousand)),
        },
    };
    Ok(Answer(StatsReply { success: true, data }))
}
