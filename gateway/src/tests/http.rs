//! What every answer has, whatever it is.

use crate::testing::world::{edge, edge_with, get, post, read, refusal};
use axum::body::Body;
use http::{Method, Request};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn every_answer_has_an_id_and_security_headers() {
    let edge = edge();
    for path in ["/", "/api/bot/info", "/api/sessions/a", "/nothing", "/livez", "/docs/", "/api/openapi.json"]
    {
        let response = edge.get(path, "").await;
        let headers = response.headers();
        assert!(headers["x-request-id"].to_str().unwrap().starts_with("req_"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["x-frame-options"], "DENY");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';")
                && policy.contains("frame-ancestors 'none'")
        );
        assert_eq!(policy.contains("unsafe-inline"), path.starts_with("/docs"), "{path}");
        assert!(headers.contains_key("cache-control"), "{path}");
        assert!(!headers.contains_key("strict-transport-security") && !headers.contains_key("server"));
    }
    let edge = edge_with(|settings| {
        settings.public_url = "https://chat.example.com".into();
        settings.headers.frame_ancestors = vec!["https://shop.example.com".into()];
    });
    let response = edge.get("/", "").await;
    assert!(response.headers().contains_key("strict-transport-security"));
    assert!(!response.headers().contains_key("x-frame-options"));
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors https://shop.example.com;"));
}

#[tokio::test]
async fn ids_and_traces_of_clients_are_kept_when_they_are_some() {
    let edge = edge();
    let id = "req_0192f0c1a2b37c4d8e5f60718293a4b5";
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = post("/api/chat", "").header("x-request-id", id).header("traceparent", trace);
    let response = edge.send(request.body(json!({ "message": "a" }).to_string().into()).unwrap()).await;
    assert_eq!(response.headers()["x-request-id"], id);
    let seen = edge.world.requests.lock()[0].clone();
    assert_eq!(seen.request.to_string(), id);
    assert_eq!(seen.trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    assert!(seen.deadline.is_some());
    let request =
        get("/api/bot/info", "").header("x-request-id", "req_<script>").body(Body::empty()).unwrap();
    assert_ne!(edge.send(request).await.headers()["x-request-id"], "req_<script>");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let edge = edge();
    for path in [
        "/nothing",
        "/api/nothing",
        "/api/v1/nothing",
        "/api/token/info",
        "/api/shift/statistics",
        "/../etc/passwd",
    ] {
        assert_eq!(refusal(edge.get(path, "").await).await, (404, "NOT_FOUND".into()), "{path}");
    }
    let response = edge.get("/api/chat", "").await;
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(refusal(response).await, (405, "METHOD_NOT_ALLOWED".into()));
    for method in [Method::TRACE, Method::CONNECT, Method::DELETE] {
        let request = Request::builder().method(method).uri("/api/chat").body(Body::empty()).unwrap();
        assert_eq!(edge.send(request).await.status(), 405);
    }
}

#[tokio::test]
async fn long_addresses_and_large_headers_are_refused() {
    let edge = edge();
    let response = edge.get(&format!("/api/sessions/a?x={}", "y".repeat(4096)), "").await;
    assert_eq!(refusal(response).await, (414, "URI_TOO_LONG".into()));
    let large = get("/api/bot/info", "").header("x-large", "y".repeat(17_000)).body(Body::empty()).unwrap();
    assert_eq!(refusal(edge.send(large).await).await, (431, "HEADERS_TOO_LARGE".into()));
    let mut many = get("/api/bot/info", "");
    for number in 0..65 {
        many = many.header(format!("x-{number}"), "1");
    }
    let response = edge.send(many.body(Body::empty()).unwrap()).await;
    assert_eq!(refusal(response).await, (431, "HEADERS_TOO_LARGE".into()));
}

#[tokio::test]
async fn other_origins_are_allowed_by_name_only() {
    let edge = edge_with(|settings| settings.cors.origins = vec!["https://shop.example.com".into()]);
    let ask = async |origin: &str| {
        let request = Request::options("/api/chat")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,authorization,idempotency-key")
            .body(Body::empty())
            .unwrap();
        let response = edge.send(request).await;
        response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(ask("https://shop.example.com").await.as_deref(), Some("https://shop.example.com"));
    for origin in
        ["https://evil.example.com", "null", "https://shop.example.com.evil.com", "http://shop.example.com"]
    {
        assert_eq!(ask(origin).await, None, "{origin}");
    }
    let request =
        get("/api/bot/info", "").header("origin", "https://shop.example.com").body(Body::empty()).unwrap();
    let response = edge.send(request).await;
    assert_eq!(response.headers()["access-control-allow-credentials"], "true");
    assert!(
        response.headers()["access-control-expose-headers"].to_str().unwrap().contains("x-visitor-token")
    );
    let closed = crate::testing::world::edge();
    let request =
        get("/api/bot/info", "").header("origin", "https://shop.example.com").body(Body::empty()).unwrap();
    assert!(!closed.send(request).await.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn allowed_origins_can_use_every_operation() {
    const ORIGIN: &str = "https://shop.example.com";
    let edge = edge_with(|settings| settings.cors.origins = vec![ORIGIN.into()]);
    let listed = |response: &axum::response::Response, name: &str| -> Vec<String> {
        let value = response.headers()[name].to_str().unwrap();
        value.split(',').map(|one| one.trim().to_ascii_lowercase()).collect()
    };
    let request = Request::options("/api/tags/tag_1")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PUT")
        .body(Body::empty())
        .unwrap();
    let response = edge.send(request).await;
    let methods = listed(&response, "access-control-allow-methods");
    for route in crate::routes::declared(&edge.app) {
        assert!(methods.contains(&route.method.as_str().to_ascii_lowercase()), "{route:?}");
    }
    let headers = listed(&response, "access-control-allow-headers");
    for name in ["authorization", "idempotency-key", "last-event-id", "x-switchboard-cookies"] {
        assert!(headers.iter().any(|header| header == name), "{name}");
    }
    let request = get("/api/bot/info", "").header("origin", ORIGIN).body(Body::empty()).unwrap();
    let exposed = listed(&edge.send(request).await, "access-control-expose-headers");
    for name in ["retry-after", "x-visitor-token", "x-next-cursor"] {
        assert!(exposed.iter().any(|header| header == name), "{name}");
    }
}

#[tokio::test]
async fn json_and_pages_are_compressed_and_streams_are_not() {
    let edge = edge();
    let token = edge.session("alice");
    let encoding = async |path: &str| {
        let request = get(path, &token).header("accept-encoding", "gzip, br").body(Body::empty()).unwrap();
        let response = edge.send(request).await;
        assert_eq!(response.status(), 200, "{path}");
        response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(encoding("/app.css").await.as_deref(), Some("br"));
    assert_eq!(encoding("/api/sessions/alice").await.as_deref(), Some("br"));
    assert_eq!(encoding("/api/sessions/alice/events").await, None);
    let request = post("/api/chat/stream", &token).header("accept-encoding", "gzip, br");
    let response = edge.send(request.body(json!({ "message": "a" }).to_string().into()).unwrap()).await;
    assert!(response.status() == 200 && !response.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn the_customer_page_is_served_and_asked_for_again() {
    let edge = edge();
    let response = edge.get("/", "").await;
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let tag = response.headers()["etag"].clone();
    for (path, kind) in [
        ("/index.html", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/logo.svg", "image/svg+xml; charset=utf-8"),
    ] {
        assert_eq!(edge.get(path, "").await.headers()["content-type"], kind, "{path}");
    }
    let request = get("/", "").header("if-none-match", tag).body(Body::empty()).unwrap();
    let response = edge.send(request).await;
    assert_eq!(response.status(), 304);
    assert!(response.headers().contains_key("etag"));
    let head = Request::head("/").body(Body::empty()).unwrap();
    assert_eq!(edge.send(head).await.status(), 200);
}

#[tokio::test]
async fn a_full_server_sheds_customers_but_not_probes() {
    let edge = edge_with(|settings| {
        settings.admission.max_concurrent = 1;
        settings.admission.max_wait = Duration::ZERO;
    });
    *edge.world.script.lock() = crate::testing::peers::Script::Hang("a");
    let body = json!({ "message": "a" });
    let slow = edge.post("/api/chat", "", &body);
    tokio::pin!(slow);
    // One request waits for its answer; it has the only place.
    while edge.world.last_send.lock().is_none() {
        tokio::select! {
            biased;
            _ = &mut slow => unreachable!("it has no answer"),
            () = tokio::task::yield_now() => {}
        }
    }
    let response = edge.get("/api/sessions/alice", "").await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refusal(response).await, (503, "OVERLOADED".into()));
    assert_eq!(edge.get("/api/health", "").await.status(), 200);
    assert_eq!(edge.get("/livez", "").await.status(), 200);
}

#[tokio::test]
async fn problems_tell_the_request() {
    let response = edge().get("/api/nothing", "").await;
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let (_, body) = read(response).await;
    assert_eq!(body["request_id"], id);
    assert_eq!(body["type"], "/problems/not_found");
    assert_eq!(body["title"], "Not Found");
}
