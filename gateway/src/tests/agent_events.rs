//! What concerns an agent, as his browser reads it.

use crate::testing::{
    START_MS,
    world::{Edge, Frames, edge, edge_with, get},
};
use axum::body::Body;
use serde_json::json;
use switchboard_domain::BuiltinRole;
use switchboard_proto::session::v1::AgentEntry;

async fn listen(edge: &Edge, last: Option<&str>) -> Frames {
    let token = edge.access(BuiltinRole::Agent.permissions());
    let mut request = get("/api/agent/events", &token);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    Frames::of(edge.send(request.body(Body::empty()).unwrap()).await)
}

fn log(edge: &Edge, kind: &str, payload: &serde_json::Value) {
    let mut log = edge.world.agent_log.lock();
    let seq = i64::try_from(log.len()).unwrap() + 1;
    log.push(AgentEntry {
        seq,
        at_ms: START_MS,
        kind: kind.into(),
        session: "alice".into(),
        payload_json: payload.to_string(),
    });
}

#[tokio::test]
async fn nothing_is_missed_by_who_comes_back_before_anything_was_told() {
    let edge = edge();
    let (first, greeting) = listen(&edge, None).await.next().await.unwrap();
    assert_eq!((first.as_deref(), &greeting["type"]), (Some("1.0"), &json!("connected")));
    log(&edge, "offer", &json!({ "data": { "id": "ofr_1" } }));
    let mut again = listen(&edge, first.as_deref()).await;
    // It goes on from where the client was.
    let (id, greeting) = again.next().await.unwrap();
    assert_eq!((id.as_deref(), &greeting["cursor"]), (Some("1.0"), &json!("1.0")));
    let (id, offer) = again.next().await.unwrap();
    assert_eq!((id.as_deref(), &offer["type"]), (Some("1.1"), &json!("offer")));
}

#[tokio::test]
async fn a_reset_gives_a_position_that_counts() {
    let edge = edge();
    log(&edge, "offer", &json!({}));
    let (id, reset) = listen(&edge, Some("7.99")).await.next().await.unwrap();
    assert_eq!((id.as_deref(), &reset["type"]), (Some("1.1"), &json!("reset")));
    let (_, greeting) = listen(&edge, id.as_deref()).await.next().await.unwrap();
    assert_eq!(greeting["type"], "connected");
}

#[tokio::test]
async fn the_numbers_of_both_logs_are_told() {
    let edge = edge();
    let told = json!({ "session_name": "alice", "message_seq": 57, "created_at": 1.5 });
    log(&edge, "customer_message", &told);
    let mut frames = listen(&edge, Some("1.0")).await;
    frames.next().await.unwrap();
    let (id, event) = frames.next().await.unwrap();
    assert_eq!(id.as_deref(), Some("1.1"));
    assert_eq!((&event["seq"], &event["message_seq"]), (&json!(1), &json!(57)));
    assert_eq!((&event["type"], &event["session_name"]), (&json!("customer_message"), &json!("alice")));
}

#[tokio::test]
async fn an_agent_has_more_streams_than_a_customer() {
    let edge = edge_with(|settings| {
        (settings.sse.max_per_principal, settings.sse.max_per_agent) = (1, 2);
    });
    let mut open = vec![listen(&edge, None).await, listen(&edge, None).await];
    for frames in &mut open {
        assert_eq!(frames.next().await.unwrap().1["type"], "connected");
    }
    assert_eq!(listen(&edge, None).await.types().await, ["bye"]);
}
