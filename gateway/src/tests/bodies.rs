//! Bad input: every way to be wrong has its status and its code, and none is a 500.

use crate::testing::world::{edge, edge_with, get, post, read, refusal};
use axum::body::{Body, Bytes};
use http::Request;
use serde_json::{Value, json};
use std::{convert::Infallible, time::Duration};

async fn outcome(body: impl Into<Body>) -> (u16, Value) {
    let response = edge().send(post("/api/v1/chat", "").body(body.into()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let (status, body) = read(response).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn broken_json_is_400_and_says_where() {
    for bad in [
        "",
        "{",
        "{\"message\":",
        "{\"message\":\"a\",}",
        "{\"message\":\"a\"} x",
        "{'message':'a'}",
        "not json",
        "{\"message\":\"\\ud800\"}",
        "{\"message\":\"\\x\"}",
        "{\"message\":\"a\nb\"}",
        "\u{feff}{\"message\":\"a\"}",
        "{\"message\":NaN}",
    ] {
        let (status, body) = outcome(bad.to_owned()).await;
        assert_eq!((status, &body["code"]), (400, &json!("INVALID_JSON")), "{bad:?}: {body}");
        assert!(body["line"].is_number() && body["column"].is_number(), "{body}");
        assert!(body["request_id"].as_str().unwrap().starts_with("req_"));
    }
}

#[tokio::test]
async fn wrong_types_are_422_and_name_the_field() {
    for (bad, loc, rule) in [
        ("{}", json!(["body", "message"]), "missing"),
        ("{\"message\":5}", json!(["body", "message"]), "type_error"),
        ("{\"message\":null}", json!(["body", "message"]), "type_error"),
        ("{\"message\":[\"a\"]}", json!(["body", "message"]), "type_error"),
        ("{\"message\":\"a\",\"user_id\":7}", json!(["body", "user_id"]), "type_error"),
        ("{\"message\":\"a\",\"parameters\":[]}", json!(["body", "parameters"]), "type_error"),
        ("{\"message\":\"a\",\"message\":\"b\"}", json!(["body", "message"]), "duplicate"),
        ("[]", json!(["body", "message"]), "value_error"),
        ("\"a\"", json!(["body"]), "type_error"),
    ] {
        let (status, body) = outcome(bad).await;
        assert_eq!((status, &body["code"]), (422, &json!("VALIDATION_ERROR")), "{bad}: {body}");
        if bad != "[]" {
            assert_eq!(
                (&body["errors"][0]["loc"], &body["errors"][0]["type"]),
                (&loc, &json!(rule)),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn messages_have_a_length_and_no_control_characters() {
    let long = json!({ "message": "电".repeat(2001) }).to_string();
    let (status, body) = outcome(long).await;
    assert_eq!((status, &body["code"]), (400, &json!("MESSAGE_TOO_LONG")));
    assert_eq!((&body["max_length"], &body["actual_length"]), (&json!(2000), &json!(2001)));
    let edge = edge();
    let longest = json!({ "message": "电".repeat(2000), "user_id": "alice" });
    assert_eq!(edge.post("/api/v1/chat", "", &longest).await.status(), 200);
    for (text, code) in [
        ("", "MESSAGE_EMPTY"),
        (" \n\u{3000}", "MESSAGE_EMPTY"),
        ("a\u{0}b", "CONTROL_CHARACTER"),
        ("a\u{1b}[31m", "CONTROL_CHARACTER"),
        ("a\u{85}b", "CONTROL_CHARACTER"),
    ] {
        let (status, body) = outcome(json!({ "message": text }).to_string()).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{text:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_400() {
    for bad in
        [&b"{\"message\":\"\xff\"}"[..], b"\xc0\xaf", b"{\"message\":\"\xed\xa0\x80\"}", b"\xff\xfe{\0}\0"]
    {
        let (status, body) = outcome(bad.to_vec()).await;
        assert_eq!((status, &body["code"]), (400, &json!("INVALID_UTF8")));
    }
}

#[tokio::test]
async fn deep_nesting_is_refused_before_it_is_read() {
    let deep = format!("{{\"message\":\"a\",\"parameters\":{{\"x\":{}{}}}}}", "[".repeat(31), "]".repeat(31));
    let (status, body) = outcome(deep).await;
    assert_eq!((status, &body["code"]), (400, &json!("JSON_TOO_DEEP")));
    let (status, _) = outcome("[".repeat(60_000)).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn large_bodies_are_413_told_or_not() {
    let ten_megabytes = vec![b'x'; 10 << 20];
    let told = post("/api/v1/chat", "").header("content-length", ten_megabytes.len());
    let response = edge().send(told.body(ten_megabytes.clone().into()).unwrap()).await;
    let (status, body) = read(response).await;
    assert_eq!((status.as_u16(), &body["code"]), (413, &json!("BODY_TOO_LARGE")));
    assert_eq!((&body["max_length"], &body["actual_length"]), (&json!(65536), &json!(10 << 20)));
    let pieces =
        ten_megabytes.chunks(1 << 16).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)));
    let body = Body::from_stream(futures::stream::iter(pieces.collect::<Vec<_>>()));
    let response = edge().send(post("/api/v1/chat", "").body(body).unwrap()).await;
    assert_eq!(refusal(response).await, (413, "BODY_TOO_LARGE".into()));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408() {
    let edge = edge_with(|settings| settings.body_timeout = Duration::from_secs(3));
    let body = Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>());
    let response = edge.send(post("/api/v1/chat", "").body(body).unwrap()).await;
    assert_eq!(refusal(response).await, (408, "BODY_TIMEOUT".into()));
}

#[tokio::test]
async fn other_content_types_are_415() {
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
    {
        let request = Request::post("/api/chat")
            .header("content-type", kind)
            .body("{\"message\":\"a\"}".into())
            .unwrap();
        assert_eq!(
            refusal(edge().send(request).await).await,
            (415, "UNSUPPORTED_MEDIA_TYPE".into()),
            "{kind}"
        );
    }
    let request = Request::post("/api/chat").body("{\"message\":\"a\"}".into()).unwrap();
    assert_eq!(edge().send(request).await.status(), 415);
}

#[tokio::test]
async fn names_and_keys_that_are_none_are_400() {
    for name in ["", "a b", "../etc", "ü", &"x".repeat(129), "a\u{0}"] {
        let (status, body) = outcome(json!({ "message": "a", "user_id": name }).to_string()).await;
        assert_eq!((status, &body["code"]), (400, &json!("INVALID_SESSION_NAME")), "{name:?}");
    }
    for key in ["", "a b", &"x".repeat(129), "é"] {
        let (status, body) = outcome(json!({ "message": "a", "client_message_id": key }).to_string()).await;
        assert_eq!((status, &body["code"]), (400, &json!("INVALID_IDEMPOTENCY_KEY")), "{key:?}");
    }
    let edge = edge();
    let token = edge.session("alice");
    for path in ["/api/sessions/a%20b", "/api/sessions/%ff", "/api/sessions/%00"] {
        assert_eq!(
            refusal(edge.get(path, &token).await).await,
            (400, "INVALID_SESSION_NAME".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn contradictory_keys_are_422() {
    let edge = edge();
    let body = json!({ "message": "a", "client_message_id": "one" }).to_string();
    let request = post("/api/chat", "").header("idempotency-key", "two").body(body.into()).unwrap();
    assert_eq!(refusal(edge.send(request).await).await, (422, "IDEMPOTENCY_MISMATCH".into()));
    let body = json!({ "message": "a", "client_message_id": "one" }).to_string();
    let request = post("/api/chat", "").header("idempotency-key", "\"one\"").body(body.into()).unwrap();
    assert_eq!(edge.send(request).await.status(), 200);
    assert_eq!(edge.world.last_send.lock().as_ref().unwrap().client_message_id, "one");
}

#[tokio::test]
async fn bogus_positions_are_400() {
    let edge = edge();
    let token = edge.session("alice");
    for bogus in ["x", "1", "1.", ".1", "1.2.3", "-1.2", "1.9999999999999999999999", "1.2 OR 1=1"] {
        let request = get("/api/sessions/alice/events", &token).header("last-event-id", bogus);
        let response = edge.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(refusal(response).await, (400, "INVALID_CURSOR".into()), "{bogus}");
    }
    let response = edge.get("/api/sessions/alice/events?last_event_id=nonsense", &token).await;
    assert_eq!(refusal(response).await, (400, "INVALID_CURSOR".into()));
}
