//! One message, one trace: through every part, and into every log line.

use crate::shared::{fresh, shop};
use serde_json::Value;
use std::collections::HashSet;
use switchboard_domain::ServiceName;
use switchboard_tests::{client::Message, otlp::Span, patience::eventually, world::Shape};

in_both_shapes!(one_message_is_one_trace);

const TRACE: [&str; 2] = ["4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4737"];
const PARENT: &str = "00f067aa0ba902b7";

async fn one_message_is_one_trace(shape: Shape) {
    let shop = shop(shape).await;
    let _evidence = shop.world.evidence();
    let trace = TRACE[usize::from(shape == Shape::Mesh)];
    let alice = shop.world.client().visitor(&fresh("alice"));
    let request =
        alice.request("POST", "/api/v1/chat").header("traceparent", format!("00-{trace}-{PARENT}-01"));
    let body = serde_json::json!({ "user_id": alice.session, "message": "City 充满一次电可以跑多远？" });
    let answer = alice.send(request.json(&body)).await.expect_ok();
    let request_id = answer.header("x-request-id").to_owned();
    assert!(request_id.starts_with("req_"), "{request_id}");

    let expected = ["gateway", "chat-gateway", "session", "regulator"];
    let spans = eventually("spans of all parts arrive", async || {
        let spans = shop.traces.trace(trace);
        let parts: HashSet<&str> = spans.iter().map(part).collect();
        expected.iter().all(|part| parts.contains(part)).then_some(spans)
    })
    .await;
    let known: HashSet<&str> = spans.iter().map(|span| span.id.as_str()).chain([PARENT]).collect();
    for span in &spans {
        // The caller's span may end, and be sent, later than what it caused.
        let is_late = shop.traces.trace(trace).iter().any(|other| other.id == span.parent);
        assert!(known.contains(span.parent.as_str()) || is_late, "{span:?} hangs in the air");
    }
    let root = spans.iter().find(|span| part(span) == "gateway").unwrap();
    assert_eq!(root.parent, PARENT, "the caller's trace goes on");
    let programs: HashSet<&str> = spans.iter().map(|span| span.program.as_str()).collect();
    assert_eq!(programs.len() > 1, shape == Shape::Mesh, "{programs:?}");

    for name in [ServiceName::Gateway, ServiceName::ChatGateway] {
        let log = shop.world.log(name);
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let told = lines.iter().flat_map(|line| line["spans"].as_array().into_iter().flatten());
        let is_ours = |span: &&Value| span["trace_id"] == trace && span["request_id"] == request_id.as_str();
        assert!(told.clone().any(|span| is_ours(&span)), "no log line of {name} has trace and request");
    }
    // What customers write is nobody's business but theirs.
    let secret = "我的暗号是紫色河马";
    alice.chat(Message::new(secret)).await.expect_ok();
    assert!(!shop.world.logs().contains("紫色河马"), "a customer's words are in the log");
    assert!(!shop.world.logs().contains(&alice.token().unwrap()), "a token is in the log");
}

/// The part that made a span; the edge is known by its requests.
fn part(span: &Span) -> &str {
    if span.name.starts_with("POST /api/v1/chat") { "gateway" } else { &span.service }
}
