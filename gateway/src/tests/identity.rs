//! Tokens, cookies, and other sites.

use crate::testing::{
    token::{Key, claims, hs256},
    world::{Edge, edge, edge_with, post, read, refusal},
};
use axum::{body::Body, response::Response};
use http::Request;
use serde_json::json;
use std::{sync::Arc, time::Duration};

const SECRET: &str = "a shop secret of 32 bytes or more";

async fn with_cookie(edge: &Edge, token: &str, headers: &[(&str, &str)]) -> Response {
    let mut request =
        post("/api/manual/messages", "").header("cookie", format!("x=1; switchboard_visitor={token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = json!({ "session_name": "alice", "role": "user", "content": "a" }).to_string();
    edge.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn a_wrong_bearer_token_is_401_and_names_the_scheme() {
    let edge = edge();
    edge.session("alice");
    let stranger = Key::generate("k1").token("alice");
    for token in ["x", "a.b.c", &stranger] {
        let response = edge.get("/api/sessions/alice", token).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(refusal(response).await, (401, "INVALID_TOKEN".into()), "{token}");
    }
    for value in ["Basic YTpi", "Bearer", "Token x", "bearer"] {
        let request =
            Request::get("/api/sessions/alice").header("authorization", value).body(Body::empty()).unwrap();
        assert_eq!(refusal(edge.send(request).await).await, (401, "INVALID_TOKEN".into()), "{value}");
    }
}

#[tokio::test]
async fn a_token_ends_also_when_it_is_remembered() {
    let edge = edge();
    let token = edge.session("alice");
    assert_eq!(edge.get("/api/sessions/alice", &token).await.status(), 200);
    edge.clock.advance(Duration::from_secs(7 * 24 * 3600 + 6));
    assert_eq!(refusal(edge.get("/api/sessions/alice", &token).await).await.1, "INVALID_TOKEN");
}

#[tokio::test]
async fn the_cookie_is_as_good_but_only_for_our_own_pages() {
    let edge = edge();
    let token = edge.session("alice");
    // 409: it got through, and the session has no human.
    assert_eq!(with_cookie(&edge, &token, &[]).await.status(), 409);
    assert_eq!(with_cookie(&edge, &token, &[("sec-fetch-site", "same-origin")]).await.status(), 409);
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example.com")],
        &[("origin", "null")],
        &[("origin", "https://evil.example.com"), ("host", "chat.example.com")],
    ] {
        let response = with_cookie(&edge, &token, headers).await;
        assert_eq!(refusal(response).await, (403, "CROSS_SITE".into()), "{headers:?}");
    }
    let request = Request::post("/api/manual/messages")
        .header("cookie", format!("switchboard_visitor={token}"))
        .header("content-type", "text/plain")
        .body("{}".into())
        .unwrap();
    assert_eq!(refusal(edge.send(request).await).await, (403, "CROSS_SITE".into()));
    // A Bearer token is sent on purpose.
    let body = json!({ "session_name": "alice", "role": "user", "content": "a" }).to_string();
    let request =
        post("/api/manual/messages", &token).header("sec-fetch-site", "cross-site").body(body.into());
    assert_eq!(edge.send(request.unwrap()).await.status(), 409);
}

#[tokio::test]
async fn an_old_cookie_does_not_keep_a_browser_from_a_new_session() {
    let edge = edge();
    let old = edge.session("old");
    edge.session("taken");
    let create = |cookie: &str, name: &str| {
        let request =
            post("/api/conversation/create", "").header("cookie", format!("switchboard_visitor={cookie}"));
        request.body(json!({ "user_id": name }).to_string().into()).unwrap()
    };
    assert_eq!(edge.send(create(&old, "fresh")).await.status(), 200);
    assert_eq!(edge.send(create("nonsense", "fresher")).await.status(), 200);
    // But it opens nobody else's.
    assert_eq!(refusal(edge.send(create(&old, "taken")).await).await, (403, "NOT_YOUR_SESSION".into()));
    assert_eq!(refusal(edge.send(create("nonsense", "taken")).await).await, (401, "TOKEN_REQUIRED".into()));
    let response = edge.post("/api/conversation/create", &old, &json!({ "user_id": "other" })).await;
    assert_eq!(refusal(response).await, (403, "NOT_YOUR_SESSION".into()));
}

#[tokio::test]
async fn a_token_in_use_is_renewed_after_a_day() {
    let edge = edge_with(|settings| settings.public_url = "https://chat.example.com".into());
    let token = edge.session("alice");
    assert!(!edge.get("/api/sessions/alice", &token).await.headers().contains_key("x-visitor-token"));
    edge.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let response = edge.get("/api/sessions/alice", &token).await;
    assert!(response.headers().contains_key("x-visitor-token"));
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    // Not for refusals, and not when agent-auth is away: the old token still works.
    let response = edge.get("/api/sessions/other", &token).await;
    assert!(response.status() == 403 && !response.headers().contains_key("x-visitor-token"));
    *edge.world.auth_is_away.lock() = true;
    assert_eq!(edge.get("/api/sessions/alice", &token).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn new_keys_are_looked_for_but_not_at_every_forgery() {
    let edge = edge();
    let old = edge.session("alice");
    assert_eq!(edge.get("/api/sessions/alice", &old).await.status(), 200);
    assert_eq!(*edge.world.jwks_asked.lock(), 1);
    *edge.world.key.lock() = Arc::new(Key::generate("k2"));
    let new = edge.token("alice");
    // Too early after the last look.
    assert_eq!(edge.get("/api/sessions/alice", &new).await.status(), 401);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(edge.get("/api/sessions/alice", &new).await.status(), 200);
    assert_eq!(*edge.world.jwks_asked.lock(), 2);
    // The old key is gone, and with it what was remembered of it.
    assert_eq!(edge.get("/api/sessions/alice", &old).await.status(), 401);
    for _ in 0..5 {
        let forged = Key::generate("k3").token("alice");
        assert_eq!(edge.get("/api/sessions/alice", &forged).await.status(), 401);
    }
    assert_eq!(*edge.world.jwks_asked.lock(), 2);
}

#[tokio::test(start_paused = true)]
async fn known_keys_outlive_agent_auth() {
    let edge = edge();
    let token = edge.session("alice");
    *edge.world.auth_is_away.lock() = true;
    // Nobody is let in, and nobody is told that the token is wrong.
    assert_eq!(refusal(edge.get("/api/sessions/alice", &token).await).await, (503, "UNAVAILABLE".into()));
    *edge.world.auth_is_away.lock() = false;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(edge.get("/api/sessions/alice", &token).await.status(), 200);
    *edge.world.auth_is_away.lock() = true;
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(edge.get("/api/sessions/alice", &token).await.status(), 200);
}

#[tokio::test]
async fn the_shop_says_who_its_customers_are() {
    let edge = edge_with(|settings| {
        settings.visitor.shop_issuer = "shop".into();
        settings.visitor.shop_secret = SECRET.to_owned().into();
    });
    let mut said = claims("alice");
    said["iss"] = "shop".into();
    said["vip"] = true.into();
    said["name"] = "王小明".into();
    said["exp"] = (said["iat"].as_i64().unwrap() + 3600).into();
    let token = hs256(SECRET.as_bytes(), &json!({ "alg": "HS256", "typ": "JWT" }), &said);
    let (status, _) = read(edge.post("/api/chat", &token, &json!({ "message": "a" })).await).await;
    assert_eq!(status, 200);
    let sent = edge.world.last_send.lock().clone().unwrap();
    let profile = sent.profile.unwrap();
    assert_eq!(
        (sent.session.as_str(), profile.vip, profile.nickname.as_deref()),
        ("alice", true, Some("王小明"))
    );
}
