//! `POST /chat/stream`, byte by byte.

use crate::shared::{customer, is_compact};
use switchboard_tests::{client::Visitor, runtime::run, sse::kinds};

const QUESTION: &str = "City 充满一次电可以跑多远？";

/// The raw body of a stream, and its headers.
async fn raw(customer: &Visitor, message: &str) -> (reqwest::header::HeaderMap, String) {
    let body = serde_json::json!({ "user_id": customer.session, "message": message });
    let response = customer.request("POST", "/api/chat/stream").json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    if let Some(token) = headers.get("x-visitor-token") {
        customer.set_token(Some(token.to_str().unwrap().to_owned()));
    }
    (headers, response.text().await.unwrap())
}

/// Each frame is `data: `, one line of JSON with a `type`, and an empty line; nothing else is there.
fn frames(body: &str) -> Vec<serde_json::Value> {
    assert!(body.ends_with("\n\n"), "{body}");
    let frames = body.split_terminator("\n\n").map(|frame| {
        let json = frame.strip_prefix("data: ").unwrap_or_else(|| panic!("{frame}"));
        assert!(!json.contains('\n') && is_compact(json), "{frame}");
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert!(value["type"].is_string(), "{frame}");
        value
    });
    frames.collect()
}

#[test]
fn an_answer() {
    run(async {
        let alice = customer().await;
        let (headers, body) = raw(&alice, QUESTION).await;
        assert_eq!(headers["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(headers["x-accel-buffering"], "no");
        assert!(headers["cache-control"].to_str().unwrap().starts_with("no-"), "{headers:?}");
        assert!(headers.get("content-encoding").is_none());
        assert!(body.contains("公里"), "not escaped: {body}");
        let frames = frames(&body);
        let (last, pieces) = frames.split_last().unwrap();
        assert_eq!((&last["type"], &last["content"]), (&"done".into(), &"".into()));
        assert!(!pieces.is_empty() && pieces.iter().all(|frame| frame["type"] == "message"), "{body}");
        assert!(pieces.iter().all(|frame| !frame["content"].as_str().unwrap().is_empty()), "{body}");
    });
}

#[test]
fn a_hand_over() {
    run(async {
        let alice = customer().await;
        let (_, body) = raw(&alice, "转人工").await;
        let told = frames(&body);
        let change = told.iter().find(|frame| frame["type"] == "status_change").unwrap();
        assert_eq!((&change["status"], &change["reason"]), (&"pending_manual".into(), &"keyword".into()));
        assert!(change["timestamp"].is_i64(), "whole seconds: {change}");
        assert!(change.get("agent_info").is_none(), "nobody has come yet: {change}");
        assert_eq!(told.last().unwrap()["type"], "done");

        let (headers, body) = raw(&alice, "还在吗？").await;
        assert_eq!(headers["content-type"], "text/event-stream; charset=utf-8");
        let told = frames(&body);
        assert_eq!(told.len(), 1, "nothing follows an error: {body}");
        assert_eq!(
            (&told[0]["type"], &told[0]["content"]),
            (&"error".into(), &"SESSION_IN_MANUAL_MODE: pending_manual".into())
        );
    });
}

#[test]
fn what_customers_write_cannot_end_a_frame() {
    run(async {
        let alice = customer().await;
        let (_, body) = raw(&alice, "a\n\ndata: {\"type\":\"done\"}\n\nid: 999\n\nevent: x").await;
        frames(&body);
        let mut events = alice.events(None).await.frames();
        let said = events.until(|frame| frame.data["role"] == "user").await.pop().unwrap();
        assert!(said.id.as_deref() != Some("999") && said.raw.lines().count() == 2, "{}", said.raw);
        assert!(said.content().contains("\n\nid: 999\n"), "{}", said.raw);
    });
}

#[test]
fn events_have_positions_where_they_are_on_record() {
    run(async {
        let alice = customer().await;
        alice.chat(QUESTION).await.expect_ok();
        let head = alice.detail().await.head;
        let mut events = alice.events(None).await.frames();
        let told = events.until(|frame| frame.seq() == Some(head)).await;
        let first = &told[0];
        assert!(
            first.retry.is_some_and(|ms| (500..=10_000).contains(&ms)),
            "when to come back: {}",
            first.raw
        );
        for frame in &told[1..] {
            let id = frame.id.as_deref().unwrap();
            let (epoch, seq) = id.split_once('.').unwrap();
            assert!(epoch.parse::<i64>().is_ok() && seq.parse::<i64>().ok() == frame.seq(), "{}", frame.raw);
            assert!(
                frame.raw.starts_with(&format!("id: {id}\ndata: {{")) && frame.raw.lines().count() == 2,
                "{}",
                frame.raw
            );
            assert!(is_compact(frame.raw.split_once("data: ").unwrap().1), "{}", frame.raw);
        }
        assert_eq!(kinds(&told[1..]), ["message", "turn", "message", "turn"]);
    });
}
