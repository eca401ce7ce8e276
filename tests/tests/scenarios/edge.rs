//! What operators, browsers and API clients find at the edge.

use crate::shared::{fresh, shop};
use serde_json::Value;
use std::collections::BTreeSet;
use switchboard_domain::ServiceName;
use switchboard_tests::world::Shape;

in_both_shapes!(
    health_and_probes,
    metrics,
    security_headers,
    the_description_lists_every_route,
    small_answers
);

async fn health_and_probes(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    for path in ["/livez", "/readyz"] {
        assert_eq!(world.client().get(path).await.status, 200, "{path}");
        for name in ServiceName::ALL {
            assert_eq!(world.internal(name, path).await.status, 200, "{name} {path}");
        }
    }
    let health = world.client().get("/api/health").await.expect_ok().json();
    assert_eq!(health["status"], "healthy", "{health}");
    for part in
        ["session", "chat-gateway", "regulator", "agent-auth", "notifier", "session.database", "model"]
    {
        assert_eq!(health["checks"][part]["ok"], true, "{part}: {health}");
    }
    assert_eq!(health["session_isolation"], true);
    let bot = world.client().get("/api/bot/info").await.expect_ok().json();
    assert!(bot["bot"]["welcome"].as_str().unwrap().contains("您好"), "{bot}");
    let config = world.client().get("/api/config").await.expect_ok().json();
    assert_eq!((&config["sessionIsolation"], &config["authMode"]), (&Value::Bool(true), &"NONE".into()));
}

async fn metrics(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let session = fresh("metrics");
    world.client().visitor(&session).chat("你好").await.expect_ok();
    for (name, metric) in [
        (ServiceName::Gateway, "switchboard_http_"),
        (ServiceName::ChatGateway, "switchboard_turns_total"),
        (ServiceName::Session, "switchboard_rpc_seconds"),
    ] {
        let page = world.internal(name, "/metrics").await.expect_ok();
        assert!(page.header("content-type").starts_with("text/plain"), "{}", page.header("content-type"));
        assert!(
            page.text.lines().any(|line| line.starts_with(metric)),
            "{name} has no {metric}: {}",
            page.text
        );
        assert!(!page.text.contains(&session), "sessions are no labels");
    }
    assert_eq!(world.client().get("/metrics").await.status, 404, "metrics are for operators");
}

async fn security_headers(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let client = world.client();
    let page = client.get("/").await.expect_ok();
    assert!(page.header("content-type").starts_with("text/html"), "{}", page.header("content-type"));
    for answer in
        [page, client.get("/api/health").await, client.get("/nothing").await, client.get("/docs/").await]
    {
        for (name, part) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("content-security-policy", "default-src 'none'"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert!(
                answer.header(name).contains(part),
                "{name}: {} ({})",
                answer.header(name),
                answer.status
            );
        }
        assert!(!answer.header("x-request-id").is_empty());
        assert_eq!(answer.header("server"), "");
    }
    let foreign = client.request("GET", "/api/health").header("origin", "https://evil.example");
    let answer = switchboard_tests::client::Client::send(foreign).await;
    assert_eq!(answer.header("access-control-allow-origin"), "", "no other origin was allowed");
}

async fn the_description_lists_every_route(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let client = world.client();
    let description = client.get("/api/openapi.json").await.expect_ok().json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{}", description["openapi"]);
    let paths = description["paths"].as_object().unwrap();
    let listed: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    for used in [
        "post /api/v1/chat",
        "post /api/v1/chat/stream",
        "post /api/v1/conversation/create",
        "post /api/v1/conversation/new",
        "post /api/v1/conversation/clear",
        "get /api/v1/sessions/{session}",
        "get /api/v1/sessions/{session}/messages",
        "get /api/v1/sessions/{session}/events",
        "post /api/v1/manual/escalate",
        "post /api/v1/manual/messages",
        "get /api/v1/health",
        "get /api/v1/config",
        "get /api/v1/bot/info",
    ] {
        assert!(listed.contains(used), "{used} is not in {listed:?}");
    }
    assert!(client.get("/docs/").await.expect_ok().text.contains("swagger"), "the docs page");
}

async fn small_answers(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    for (asked, given) in [("gzip", "gzip"), ("br", "br"), ("identity", "")] {
        let request = world.client().request("GET", "/api/openapi.json").header("accept-encoding", asked);
        let response = request.send().await.unwrap();
        let encoding = response.headers().get("content-encoding").map_or("", |value| value.to_str().unwrap());
        assert_eq!(encoding, given);
    }
    let alice = world.client().visitor(&fresh("alice"));
    alice.chat("你好").await.expect_ok();
    let path = format!("/api/sessions/{}/events", alice.session);
    let events = alice.request("GET", &path).header("accept-encoding", "gzip, br").send().await.unwrap();
    assert!(events.headers().get("content-encoding").is_none(), "event streams are never held back");
}
