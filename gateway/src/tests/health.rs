//! How we are.

use crate::testing::world::{edge, edge_with, read};
use serde_json::json;
use std::time::Duration;
use switchboard_domain::ServiceName;
use tonic_health::ServingStatus;

#[tokio::test]
async fn everything_that_is_looked_at_is_told() {
    let edge = edge_with(|settings| settings.health.cache = Duration::ZERO);
    let (status, body) = read(edge.get("/api/health", "").await).await;
    assert_eq!((status.as_u16(), &body["status"]), (200, &json!("healthy")));
    assert_eq!((&body["coze_connected"], &body["session_isolation"]), (&json!(true), &json!(true)));
    assert_eq!((&body["workflow_id"], &body["auth_mode"]), (&json!("wf"), &json!("OAUTH_JWT")));
    let checks: Vec<&String> = body["checks"].as_object().unwrap().keys().collect();
    assert_eq!(checks, ["agent-auth", "chat-gateway", "model", "session"]);
    assert!(body["checks"]["session"]["latency_ms"].is_f64());
    // Without its database the session service is of no use to customers.
    let health = edge.session_peer.health.clone();
    health.set_service_status("database", ServingStatus::NotServing).await;
    let (status, body) = read(edge.get("/api/health", "").await).await;
    assert_eq!((status.as_u16(), &body["status"]), (503, &json!("unhealthy")));
    assert_eq!(body["checks"]["session.database"]["ok"], json!(false));
    health.set_service_status("database", ServingStatus::Serving).await;
    assert_eq!(edge.get("/api/health", "").await.status(), 200);
}

#[tokio::test]
async fn a_part_that_customers_can_do_without_degrades() {
    let mut edge = edge();
    let away = switchboard_mesh::channel::nowhere(ServiceName::Notifier);
    let mut peers = edge.app.peers.clone();
    peers.all.push((ServiceName::Notifier, away));
    let rng = std::sync::Arc::clone(&edge.app.rng);
    let clock = std::sync::Arc::clone(&edge.app.clock);
    let app = crate::state::App::new(
        edge.app.settings.clone(),
        clock,
        rng,
        edge.tasks.clone(),
        peers,
        &switchboard_coord::Coord::alone(),
    )
    .unwrap();
    edge.router = crate::routes::router(&app);
    let (status, body) = read(edge.get("/api/health", "").await).await;
    assert_eq!((status.as_u16(), &body["status"]), (200, &json!("degraded")));
    assert_eq!(body["checks"]["notifier"]["ok"], json!(false));
}

#[tokio::test]
async fn readiness_ends_with_the_soft_stop_and_liveness_does_not() {
    let edge = edge();
    assert_eq!(edge.get("/readyz", "").await.status(), 200);
    edge.tasks.stop(Duration::from_secs(1)).await;
    assert_eq!(edge.get("/readyz", "").await.status(), 503);
    assert_eq!(edge.get("/livez", "").await.status(), 200);
}

#[tokio::test]
async fn the_bot_introduces_itself() {
    let edge = edge();
    let (_, body) = read(edge.get("/api/bot/info", "").await).await;
    assert_eq!((&body["success"], &body["bot"]["name"]), (&json!(true), &json!("客服")));
    let (_, body) = read(edge.get("/api/config", "").await).await;
    assert_eq!(body, json!({"appId":"app","workflowId":"wf","authMode":"OAUTH_JWT","sessionIsolation":true}));
}
