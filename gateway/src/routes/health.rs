//! How we are. `/livez` looks at nothing, `/readyz` only at whether we are stopping; `/health` asks every peer.

use super::info::auth_mode;
use crate::state::App;
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use switchboard_domain::{ErrorKind, Principal, ServiceName};
use switchboard_mesh::{Channel, status::kind};
use switchboard_proto::chat::v1::{GetBotRequest, GetBotResponse};
use tokio::time::Instant;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use utoipa::ToSchema;

/// Name under which a part tells the health of its database.
const DATABASE: &str = "database";

/// How we are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HealthReply {
    /// `healthy`; `degraded`: customers are served, something is missing; `unhealthy`: they are not.
    status: &'static str,
    /// Whether the model answers.
    coze_connected: bool,
    workflow_id: String,
    app_id: String,
    auth_mode: &'static str,
    session_isolation: bool,
    /// What was looked at: `session`, `session.database`, … and `model`.
    checks: BTreeMap<String, Check>,
}

/// One look.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct Check {
    ok: bool,
    latency_ms: f64,
}

/// The last finding, told again for a moment: whoever asks often must not keep the peers busy.
#[derive(Debug, Default)]
pub(crate) struct Monitor(tokio::sync::Mutex<Option<(Instant, HealthReply)>>);

/// Tells how we are. 200 also when degraded.
#[utoipa::path(
    get, path = "/health", tag = "info",
    responses((status = 200, body = HealthReply), (status = 503, description = "Customers are not served", body = HealthReply))
)]
pub(crate) async fn health(State(app): State<App>) -> Response {
    // Held while looking: others wait for the same finding.
    let mut last = app.monitor.0.lock().await;
    let fresh = last.as_ref().filter(|(at, _)| at.elapsed() < app.settings.health.cache);
    let reply = if let Some((_, reply)) = fresh {
        reply.clone()
    } else {
        let reply = look(&app).await;
        *last = Some((Instant::now(), reply.clone()));
        reply
    };
    drop(last);
    let status = if reply.status == "unhealthy" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Answer(reply)).into_response()
}

/// The process runs.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// New requests are welcome. What a peer's absence costs is told request by request: a shared part that is away must not
/// take all replicas out of service.
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.tasks.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn look(app: &App) -> HealthReply {
    let budget = app.settings.health.check_timeout;
    let context = app.context().acting_as(Principal::Service(ServiceName::Gateway));
    let peers = app.peers.all.iter().flat_map(|(name, channel)| {
        ["", DATABASE].map(|service| {
            let label = if service.is_empty() { name.to_string() } else { format!("{name}.{service}") };
            context.clone().scope(async move { (label, check(channel.clone(), service, budget).await) })
        })
    });
    let bot = app.context().acting_as(Principal::Anonymous).scope(bot(app, budget));
    let (peers, (bot, model)) = tokio::join!(join_all(peers), bot);
    let mut checks: BTreeMap<String, Check> =
        peers.into_iter().filter_map(|(label, check)| Some((label, check?))).collect();
    checks.insert("model".to_owned(), model);
    let is_ok = |label: &str| checks.get(label).is_none_or(|check| check.ok);
    let status = if !is_ok("session") || !is_ok("session.database") {
        "unhealthy"
    } else if checks.values().all(|check| check.ok) {
        "healthy"
    } else {
        "degraded"
    };
    HealthReply {
        status,
        coze_connected: model.ok,
        auth_mode: auth_mode(&bot.provider),
        workflow_id: bot.workflow_id,
        app_id: bot.app_id,
        session_isolation: true,
        checks,
    }
}

/// One look at a peer; `None` when it has no such thing.
async fn check(channel: Channel, service: &'static str, budget: Duration) -> Option<Check> {
    let started = Instant::now();
    let request = HealthCheckRequest { service: service.to_owned() };
    let mut client = HealthClient::new(channel);
    let ok = match tokio::time::timeout(budget, client.check(request)).await {
        Ok(Ok(response)) => response.get_ref().status() == ServingStatus::Serving,
        Ok(Err(status)) if !service.is_empty() && kind(status.code()) == ErrorKind::NotFound => return None,
        Ok(Err(_)) | Err(_) => false,
    };
    Some(Check { ok, latency_ms: milliseconds(started) })
}

async fn bot(app: &App, budget: Duration) -> (GetBotResponse, Check) {
    let started = Instant::now();
    let found = tokio::time::timeout(budget, app.peers.chat().get_bot(GetBotRequest {})).await;
    let found = found.ok().and_then(Result::ok).map(tonic::Response::into_inner);
    let ok = found.as_ref().is_some_and(|bot| bot.healthy);
    (found.unwrap_or_default(), Check { ok, latency_ms: milliseconds(started) })
}

/// Milliseconds since `started`, to the microsecond.
fn milliseconds(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1_000_000.0).round() / 1000.0
}
