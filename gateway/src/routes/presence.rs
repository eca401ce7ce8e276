//! Being there: status, heartbeat, and one's numbers of today.

use super::access::{Access, Group};
use crate::{
    error::{Failures, Problem},
    extract::Json,
    limits::Class,
    state::App,
    view::time,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_domain::Permission;
use switchboard_proto::{
    agentauth::v1::{Agent as Account, GetMeRequest, HeartbeatRequest, SetStatusRequest},
    convert::WireError,
    session::v1::{GetAgentStatsRequest, GetAgentStatsResponse},
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Longest note beside a status, in characters.
const NOTE_MAX: usize = 120;
/// One day, in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;

/// What an agent can be.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AgentStatus {
    Online,
    Busy,
    Break,
    Lunch,
    Training,
    Offline,
}

/// A new status.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct StatusChange {
    status: AgentStatus,
    /// At most 120 characters; blank removes it, absent keeps it.
    status_note: Option<String>,
}

/// One's status.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusReply {
    success: bool,
    data: Presence,
}

/// The inside of [`StatusReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Presence {
    status: String,
    status_note: String,
    status_updated_at: f64,
    last_active_at: Option<f64>,
    current_sessions: i64,
    max_sessions: u32,
    today_stats: TodayStats,
}

/// The numbers of a day, which begins at midnight UTC.
#[derive(Debug, Serialize, ToSchema)]
struct TodayStats {
    processed_count: i64,
    /// Seconds; 0 while there is none.
    avg_response_time: f64,
    /// Seconds; 0 while there is none.
    avg_duration: f64,
    /// Null: customers do not rate.
    satisfaction_score: Option<f64>,
}

/// One's numbers of today and now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TodayReply {
    success: bool,
    data: Today,
}

/// The inside of [`TodayReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Today {
    #[serde(flatten)]
    stats: TodayStats,
    current_sessions: i64,
    max_sessions: u32,
}

/// A sign of life.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Beat {
    /// Whether the agent did something himself; true when absent.
    active: Option<bool>,
}

/// The sign was seen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeartbeatReply {
    success: bool,
    last_active_at: Option<f64>,
    /// Until when one counts as there.
    lease_until: f64,
    status: String,
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let own = Access::Agent(Permission::PresenceSelf);
    // A heartbeat is as frequent and as cheap as a read.
    let reads =
        Group::new(app).route(own, routes!(show)).route(own, routes!(today)).route(own, routes!(heartbeat));
    let writes = Group::new(app).route(own, routes!(set));
    reads.within(quick).drawing(Class::Read).merge(writes.within(quick).drawing(Class::Write)).identified()
}

/// Tells one's status.
#[utoipa::path(
    get, path = "/agent/status", tag = "agent",
    responses((status = 200, body = StatusReply), Failures)
)]
pub(crate) async fn show(State(app): State<App>) -> Result<Answer<StatusReply>, Problem> {
    let mut login = app.peers.login();
    let (me, numbers) = tokio::join!(login.get_me(GetMeRequest {}), numbers(&app));
    presence(me?.into_inner().agent, &numbers?)
}

/// Sets one's status.
#[utoipa::path(
    put, path = "/agent/status", tag = "agent", request_body = StatusChange,
    responses((status = 200, body = StatusReply), Failures)
)]
pub(crate) async fn set(
    State(app): State<App>,
    Json(body): Json<StatusChange>,
) -> Result<Answer<StatusReply>, Problem> {
    let note = body.status_note.map(|note| note.trim().to_owned());
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_MAX) {
        return Err(Problem::field("status_note", format!("may have at most {NOTE_MAX} characters")));
    }
    let request = SetStatusRequest { status: body.status.as_str().to_owned(), note };
    let told = app.peers.accounts().set_status(request).await?.into_inner();
    presence(told.agent, &numbers(&app).await?)
}

/// Says that one is there.
#[utoipa::path(
    post, path = "/agent/status/heartbeat", tag = "agent", request_body = Option<Beat>,
    responses((status = 200, body = HeartbeatReply), Failures)
)]
pub(crate) async fn heartbeat(
    State(app): State<App>,
    body: Option<Json<Beat>>,
) -> Result<Answer<HeartbeatReply>, Problem> {
    let active = body.and_then(|Json(beat)| beat.active).unwrap_or(true);
    let told = app.peers.accounts().heartbeat(HeartbeatRequest { active }).await?.into_inner();
    Ok(Answer(HeartbeatReply {
        success: true,
        last_active_at: told.last_active_at_ms.map(time),
        lease_until: time(told.lease_until_ms),
        status: told.status,
    }))
}

/// Tells one's numbers of today.
#[utoipa::path(
    get, path = "/agent/stats/today", tag = "agent",
    responses((status = 200, body = TodayReply), Failures)
)]
pub(crate) async fn today(State(app): State<App>) -> Result<Answer<TodayReply>, Problem> {
    let numbers = numbers(&app).await?;
    let data = Today {
        stats: TodayStats::from(&numbers),
        current_sessions: numbers.current_sessions,
        max_sessions: numbers.max_sessions,
    };
    Ok(Answer(TodayReply { success: true, data }))
}

async fn numbers(app: &App) -> Result<GetAgentStatsResponse, Problem> {
    let now = app.clock.now().millis();
    let request = GetAgentStatsRequest { agent: String::new(), day_start_ms: now - now.rem_euclid(DAY_MS) };
    Ok(app.peers.floor().get_agent_stats(request).await?.into_inner())
}

fn presence(
    account: Option<Account>,
    numbers: &GetAgentStatsResponse,
) -> Result<Answer<StatusReply>, Problem> {
    let account = account.ok_or(WireError::new("agent"))?;
    let data = Presence {
        status: account.status,
        status_note: account.status_note,
        status_updated_at: time(account.status_at_ms),
        last_active_at: account.last_active_at_ms.map(time),
        current_sessions: numbers.current_sessions,
        max_sessions: account.max_sessions,
        today_stats: numbers.into(),
    };
    Ok(Answer(StatusReply { success: true, data }))
}

impl From<&GetAgentStatsResponse> for TodayStats {
    fn from(numbers: &GetAgentStatsResponse) -> Self {
        Self {
            processed_count: numbers.processed,
            avg_response_time: numbers.mean_response_ms.map_or(0.0, time),
            avg_duration: numbers.mean_duration_ms.map_or(0.0, time),
            satisfaction_score: None,
        }
    }
}

impl AgentStatus {
    /// The name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Break => "break",
            Self::Lunch => "lunch",
            Self::Training => "training",
            Self::Offline => "offline",
        }
    }
}
