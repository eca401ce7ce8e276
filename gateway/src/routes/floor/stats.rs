//! The numbers of the floor.

use super::span;
use crate::{
    error::{Failures, Problem},
    extract::Query,
    identity::Agent,
    state::App,
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use std::collections::BTreeMap;
use switchboard_proto::session::v1::GetStatsRequest;
use utoipa::ToSchema;

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

/// A share in parts per million as 0 to 1, a number in thousandths as itself.
#[expect(clippy::cast_precision_loss, reason = "counts have far less than 53 bits")]
fn fraction(count: i64, of: f64) -> f64 {
    (count as f64 / of * 10_000.0).round() / 10_000.0
}

/// The numbers of the floor. What each counts is written in the README of the session service.
#[utoipa::path(
    get, path = "/sessions/stats", tag = "desk",
    params(("day_start" = Option<i64>, Query, description = "When `today` begins, epoch seconds; the shop's day when absent")),
    responses((status = 200, body = StatsReply), Failures)
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
