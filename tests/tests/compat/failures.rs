//! Failures: problem documents whose `detail` clients of the original can read.

use crate::shared::{FRIEND, client, customer, is_compact};
use serde_json::{Value, json};
use switchboard_tests::{
    client::{Answer, Client},
    runtime::run,
};

fn problem(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text);
    assert!(is_compact(&answer.text), "{}", answer.text);
    let body = answer.json();
    for (name, value) in [("status", json!(answer.status)), ("code", json!(answer.code()))] {
        assert_eq!(body[name], value, "{body}");
    }
    assert!(body["detail"].as_str().unwrap().starts_with(&format!("{}: ", answer.code())), "{body}");
    assert_eq!(body["request_id"], answer.header("x-request-id"), "{body}");
    body
}

#[test]
fn what_is_missing_is_named() {
    run(async {
        let client = client().await;
        // Who asks comes first: what is for a session's own customer needs his token.
        let customer = client.visitor("what-is-missing");
        customer.create().await.expect_ok();
        for (path, body, field) in [
            ("/api/chat", json!({ "user_id": "a" }), "message"),
            ("/api/chat/stream", json!({}), "message"),
            ("/api/conversation/create", json!({}), "user_id"),
            ("/api/conversation/new", json!({}), "session_id"),
            ("/api/conversation/clear", json!({}), "session_id"),
            ("/api/manual/escalate", json!({}), "session_name"),
            ("/api/manual/messages", json!({ "session_name": "a", "content": "b" }), "role"),
        ] {
            let answer = customer.send(customer.request("POST", path).json(&body)).await;
            assert_eq!(answer.problem(), (422, "VALIDATION_ERROR".to_owned()), "{path}: {}", answer.text);
            let errors = problem(&answer)["errors"].clone();
            assert_eq!(
                (&errors[0]["loc"], &errors[0]["type"]),
                (&json!(["body", field]), &json!("missing")),
                "{path}: {errors}"
            );
            assert!(errors[0]["msg"].is_string());
        }
    });
}

#[test]
fn what_is_wrong_is_named() {
    run(async {
        let alice = customer().await;
        alice.create().await.expect_ok();
        let nested = json!({ "message": "a", "parameters": { "b": [1, 2] }, "conversation_id": { "c": 1 } });
        let answer = alice.send(alice.request("POST", "/api/chat").json(&nested)).await;
        assert_eq!(problem(&answer)["errors"][0]["loc"], json!(["body", "conversation_id"]));
        let path = format!("/api/sessions/{}/messages?limit=many", alice.session);
        let answer = alice.send(alice.request("GET", &path)).await;
        assert_eq!(problem(&answer)["errors"][0]["loc"], json!(["query", "limit"]));
        let body = json!({ "session_name": alice.session, "reason": "because" });
        let answer = alice.send(alice.request("POST", "/api/manual/escalate").json(&body)).await;
        let errors = problem(&answer)["errors"].clone();
        assert_eq!((&errors[0]["loc"], &errors[0]["type"]), (&json!(["body", "reason"]), &json!("enum")));
    });
}

#[test]
fn nothing_there_and_not_that_way() {
    run(async {
        let client = client().await;
        let missing = client.get("/api/nothing").await;
        assert_eq!(missing.problem(), (404, "NOT_FOUND".to_owned()));
        problem(&missing);
        let wrong = client.get("/api/chat").await;
        assert_eq!(
            (wrong.problem(), wrong.header("allow")),
            ((405, "METHOD_NOT_ALLOWED".to_owned()), "POST")
        );
        problem(&wrong);
        let deleted = Client::send(client.request("DELETE", "/api/health")).await;
        assert_eq!((deleted.status, deleted.header("allow")), (405, "GET,HEAD"));
    });
}

#[test]
fn a_message_that_is_too_long() {
    run(async {
        let answer = customer().await.chat("长".repeat(2345).as_str()).await;
        let body = problem(&answer);
        assert_eq!(
            (answer.status, &body["max_length"], &body["actual_length"]),
            (400, &json!(2000), &json!(2345))
        );
    });
}

#[test]
fn a_session_that_a_human_has() {
    run(async {
        let alice = customer().await;
        alice.create().await.expect_ok();
        alice.escalate("manual").await.expect_ok();
        let refused = alice.chat("你好").await;
        let body = problem(&refused);
        assert_eq!(
            (refused.status, &body["detail"]),
            (409, &json!("SESSION_IN_MANUAL_MODE: pending_manual"))
        );
        assert!(refused.text.contains("SESSION_IN_MANUAL_MODE"), "what clients of the original look for");
    });
}

#[test]
fn other_origins_are_let_in_by_name() {
    run(async {
        let client = client().await;
        for (origin, allowed) in [
            (FRIEND, FRIEND),
            ("https://evil.example", ""),
            ("null", ""),
            ("https://shop.example.com.evil.example", ""),
        ] {
            let preflight = client.request("OPTIONS", "/api/chat").header("origin", origin);
            let preflight = preflight.header("access-control-request-method", "POST");
            let preflight = preflight.header("access-control-request-headers", "authorization,content-type");
            let answer = Client::send(preflight).await;
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{origin}");
            let plain = Client::send(client.request("GET", "/api/health").header("origin", origin)).await;
            assert_eq!(plain.header("access-control-allow-origin"), allowed, "{origin}");
            let vary: Vec<_> =
                plain.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
            assert!(vary.join(",").to_lowercase().contains("origin"), "{vary:?}");
        }
    });
}

#[test]
fn limits_are_told() {
    run(async {
        use switchboard_tests::{
            settings::Settings,
            world::{Shape, World},
        };
        let settings = Settings::new("limits")
            .set("gateway.rate.chat_per_minute", "2")
            .set("gateway.rate.chat_burst", "2");
        let world = World::start(Shape::OneProcess, &settings).await;
        let _evidence = world.evidence();
        let alice = world.client().visitor("alice");
        alice.create().await.expect_ok();
        for _ in 0..2 {
            alice.chat("你好").await.expect_ok();
        }
        let head = alice.detail().await.head;
        let refused = alice.chat("你好").await;
        assert_eq!(refused.problem(), (429, "RATE_LIMITED".to_owned()), "{}", refused.text);
        problem(&refused);
        let seconds: u32 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert_eq!(alice.detail().await.head, head, "nothing was written");
        // One customer's haste is not another's.
        let bob = world.client().visitor("bob");
        bob.create().await.expect_ok();
        bob.chat("你好").await.expect_ok();
    });
}
