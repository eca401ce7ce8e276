//! What is wrong is refused precisely, and leaves no trace.

use crate::shared::{fresh, shop};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use switchboard_tests::{
    client::{Answer, Visitor},
    shop::token,
    world::Shape,
};

in_both_shapes!(
    bodies,
    texts,
    names_and_keys,
    requests_that_fit_no_route,
    a_body_without_a_length,
    other_commands
);

/// Checks a refusal: its code, and that it is a whole problem document.
fn check(what: &str, answer: &Answer, expected: (u16, &str)) -> Value {
    let shown: String = answer.text.chars().take(300).collect();
    assert_eq!((answer.status, answer.code().as_str()), expected, "{what}: {shown}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    let body = answer.json();
    assert_eq!(body["status"], answer.status, "{what}");
    assert!(body["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{what}: {body}");
    assert!(body["detail"].as_str().unwrap().starts_with(&format!("{}: ", expected.1)), "{what}: {body}");
    assert!(body["type"].is_string() && body["title"].is_string(), "{what}: {body}");
    body
}

/// A customer with one message on record, and how long the log is.
async fn customer(shape: Shape) -> (Visitor, i64) {
    let world = &shop(shape).await.world;
    let alice = world.client().visitor(&fresh("alice"));
    alice.chat("你好").await.expect_ok();
    let head = alice.detail().await.head;
    (alice, head)
}

/// Posts bytes to both ways to the bot.
async fn post_raw(customer: &Visitor, body: impl Into<Vec<u8>>) -> [Answer; 2] {
    let body: Vec<u8> = body.into();
    let [one, other] = ["/api/v1/chat", "/api/v1/chat/stream"].map(|path| {
        let request = customer.request("POST", path).header("content-type", "application/json");
        customer.send(request.body(body.clone()))
    });
    [one.await, other.await]
}

async fn bodies(shape: Shape) {
    let (alice, head) = customer(shape).await;
    let _evidence = shop(shape).await.world.evidence();
    let name = alice.session.clone();
    let deep = format!("{{\"message\":\"a\",\"parameters\":{}1{}}}", "{\"a\":".repeat(60), "}".repeat(60));
    let long = json!({ "user_id": name, "message": "长".repeat(30_000) }).to_string();
    let huge = json!({ "user_id": name, "message": "长".repeat(3_500_000) }).to_string();
    let rows: Vec<(&str, Vec<u8>, (u16, &str))> = vec![
        ("broken JSON", b"{\"message\": \"a\"".to_vec(), (400, "INVALID_JSON")),
        ("no JSON", b"message=a".to_vec(), (400, "INVALID_JSON")),
        ("nothing", Vec::new(), (400, "INVALID_JSON")),
        ("two values", b"{\"message\":\"a\"} {}".to_vec(), (400, "INVALID_JSON")),
        ("a list", b"[\"a\"]".to_vec(), (422, "VALIDATION_ERROR")),
        ("a text", b"\"a\"".to_vec(), (422, "VALIDATION_ERROR")),
        ("null", b"null".to_vec(), (422, "VALIDATION_ERROR")),
        ("no message", b"{}".to_vec(), (422, "VALIDATION_ERROR")),
        ("message is a number", b"{\"message\": 5}".to_vec(), (422, "VALIDATION_ERROR")),
        ("message is null", b"{\"message\": null}".to_vec(), (422, "VALIDATION_ERROR")),
        ("message is a list", b"{\"message\": [\"a\"]}".to_vec(), (422, "VALIDATION_ERROR")),
        ("message twice", b"{\"message\": \"a\", \"message\": \"b\"}".to_vec(), (422, "VALIDATION_ERROR")),
        ("user_id is a number", b"{\"message\": \"a\", \"user_id\": 5}".to_vec(), (422, "VALIDATION_ERROR")),
        (
            "parameters is a list",
            b"{\"message\": \"a\", \"parameters\": []}".to_vec(),
            (422, "VALIDATION_ERROR"),
        ),
        ("invalid UTF-8", b"{\"message\": \"\xff\xfe\"}".to_vec(), (400, "INVALID_UTF8")),
        ("half a character", b"{\"message\": \"\xe4\xbd\"}".to_vec(), (400, "INVALID_UTF8")),
        ("half a surrogate", b"{\"message\": \"\\ud800\"}".to_vec(), (400, "INVALID_JSON")),
        ("a raw control character", b"{\"message\": \"a\x01b\"}".to_vec(), (400, "INVALID_JSON")),
        ("too deep", deep.into_bytes(), (400, "JSON_TOO_DEEP")),
        ("90 kB", long.into_bytes(), (413, "BODY_TOO_LARGE")),
        ("10 MB", huge.into_bytes(), (413, "BODY_TOO_LARGE")),
    ];
    for (what, body, expected) in rows {
        for answer in post_raw(&alice, body).await {
            let problem = check(what, &answer, expected);
            let errors = problem["errors"].as_array().map_or(0, Vec::len);
            assert_eq!(errors > 0, expected.0 == 422, "{what}: {problem}");
            assert!(expected.0 != 413 || problem["max_length"] == 65_536, "{what}: {problem}");
        }
    }
    assert_eq!(alice.detail().await.head, head, "nothing was written");
    let spoken =
        alice.send(alice.request("POST", "/api/chat").header("content-type", "text/plain").body("{}")).await;
    check("not JSON", &spoken, (415, "UNSUPPORTED_MEDIA_TYPE"));
}

async fn texts(shape: Shape) {
    let (alice, head) = customer(shape).await;
    let _evidence = shop(shape).await.world.evidence();
    let rows = [
        ("2001 characters", "长".repeat(2001), "MESSAGE_TOO_LONG"),
        ("nothing", String::new(), "MESSAGE_EMPTY"),
        ("blanks", " \n\t\u{3000} ".to_owned(), "MESSAGE_EMPTY"),
        ("NUL", "a\u{0}b".to_owned(), "CONTROL_CHARACTER"),
        ("ESC", "a\u{1b}[31mb".to_owned(), "CONTROL_CHARACTER"),
        ("C1", "a\u{9b}b".to_owned(), "CONTROL_CHARACTER"),
    ];
    for (what, text, code) in rows {
        let chat = alice.chat(text.as_str()).await;
        let problem = check(what, &chat, (400, code));
        check(what, &alice.stream(text.as_str()).await.head, (400, code));
        match code {
            "MESSAGE_TOO_LONG" => {
                assert_eq!((&problem["max_length"], &problem["actual_length"]), (&json!(2000), &json!(2001)));
            }
            "CONTROL_CHARACTER" => {
                assert!(problem["code_point"].as_str().unwrap().starts_with("U+00"), "{problem}");
            }
            _ => {}
        }
    }
    assert_eq!(alice.detail().await.head, head, "nothing was written");
    // What is allowed is kept as it is: the longest text, line breaks, tabs, quotes, markup, emoji, both directions.
    let longest = "长".repeat(2000);
    for text in [longest.as_str(), "a\n\tb \"c\" \\ <script>alert(1)</script> &amp; 👍🏽 مرحبا"] {
        alice.chat(text).await.expect_ok();
        assert_eq!(alice.detail().await.said_by("user").last().unwrap().content, text);
    }
}

async fn names_and_keys(shape: Shape) {
    let (alice, head) = customer(shape).await;
    let _evidence = shop(shape).await.world.evidence();
    let client = shop(shape).await.world.client();
    let too_long = "x".repeat(129);
    for name in ["", "a b", "名字", "a/b", "a\nb", "../../etc", "a%00b", too_long.as_str()] {
        let body = json!({ "user_id": name, "message": "你好" });
        for path in ["/api/chat", "/api/chat/stream"] {
            check(name, &client.post(path, &body).await, (400, "INVALID_SESSION_NAME"));
        }
        let begin = client.post("/api/conversation/create", &json!({ "user_id": name })).await;
        check(name, &begin, (400, "INVALID_SESSION_NAME"));
    }
    for path in ["/api/sessions/a%20b", "/api/sessions/a%00b/events", "/api/sessions/%ff"] {
        let read = alice.send(alice.request("GET", path)).await;
        check(path, &read, (400, "INVALID_SESSION_NAME"));
    }
    let ask = || alice.request("POST", "/api/chat");
    let body = json!({ "message": "你好" });
    for key in ["", " ", "a b", "\u{fc}", &"k".repeat(129)] {
        let header = reqwest::header::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        let answer = alice.send(ask().header("idempotency-key", header).json(&body)).await;
        check(&format!("key {key:?}"), &answer, (400, "INVALID_IDEMPOTENCY_KEY"));
        let mut body = body.clone();
        body["client_message_id"] = key.into();
        check(&format!("id {key:?}"), &alice.send(ask().json(&body)).await, (400, "INVALID_IDEMPOTENCY_KEY"));
    }
    assert_eq!(alice.detail().await.head, head, "nothing was written");
    // A refused first message makes no session.
    let session = fresh("nobody");
    let refused = client.post("/api/chat", &json!({ "user_id": session, "message": "" })).await;
    check("an empty first message", &refused, (400, "MESSAGE_EMPTY"));
    let nobody = client.visitor_with(&session, &token(&session, &json!({})));
    check("no session", &nobody.read().await, (404, "SESSION_NOT_FOUND"));
}

async fn requests_that_fit_no_route(shape: Shape) {
    let (alice, head) = customer(shape).await;
    let _evidence = shop(shape).await.world.evidence();
    let long = format!("/api/sessions/{}", "x".repeat(5000));
    let list = format!("/api/sessions/{}/messages", alice.session);
    let get = |path: &str| alice.request("GET", path);
    let many =
        (0..80).fold(get("/api/health"), |request: RequestBuilder, n| request.header(format!("x-{n}"), "a"));
    let rows = [
        ("a wrong method", get("/api/chat"), (405, "METHOD_NOT_ALLOWED")),
        ("another wrong method", alice.request("DELETE", &list), (405, "METHOD_NOT_ALLOWED")),
        ("TRACE", alice.request("TRACE", "/api/health"), (405, "METHOD_NOT_ALLOWED")),
        ("an unknown path", get("/api/nothing"), (404, "NOT_FOUND")),
        ("an unknown version", get("/api/v9/health"), (404, "NOT_FOUND")),
        ("a file of the server", get("/static/../Cargo.toml"), (404, "NOT_FOUND")),
        ("a hidden file", get("/.env"), (404, "NOT_FOUND")),
        ("limit 0", get(&format!("{list}?limit=0")), (422, "VALIDATION_ERROR")),
        ("limit 201", get(&format!("{list}?limit=201")), (422, "VALIDATION_ERROR")),
        ("limit abc", get(&format!("{list}?limit=abc")), (422, "VALIDATION_ERROR")),
        ("before and after", get(&format!("{list}?before=3&after=1")), (422, "VALIDATION_ERROR")),
        ("before -1", get(&format!("{list}?before=-1")), (422, "VALIDATION_ERROR")),
        ("a long address", get(&long), (414, "URI_TOO_LONG")),
        ("many headers", many, (431, "HEADERS_TOO_LARGE")),
        (
            "large headers",
            get("/api/health").header("x-large", "a".repeat(20_000)),
            (431, "HEADERS_TOO_LARGE"),
        ),
    ];
    for (what, request, expected) in rows {
        check(what, &alice.send(request).await, expected);
    }
    assert_eq!(alice.detail().await.head, head, "nothing was written");
}

async fn a_body_without_a_length(shape: Shape) {
    let (alice, head) = customer(shape).await;
    let _evidence = shop(shape).await.world.evidence();
    let pieces = (0..160).map(|_| Ok::<_, std::io::Error>(vec![b'a'; 65_536]));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    let request = alice.request("POST", "/api/chat").header("content-type", "application/json").body(body);
    check("10 MB in pieces", &alice.send(request).await, (413, "BODY_TOO_LARGE"));
    assert_eq!(alice.detail().await.head, head, "nothing was written");
}

async fn other_commands(shape: Shape) {
    let (alice, head) = customer(shape).await;
    let _evidence = shop(shape).await.world.evidence();
    let name = alice.session.as_str();
    let rows = [
        (
            "/api/manual/escalate",
            json!({ "session_name": name, "reason": "because" }),
            (422, "VALIDATION_ERROR"),
        ),
        ("/api/manual/escalate", json!({ "session_name": name, "reason": 5 }), (422, "VALIDATION_ERROR")),
        ("/api/manual/escalate", json!({ "session_name": 5 }), (422, "VALIDATION_ERROR")),
        ("/api/manual/escalate", json!({}), (422, "VALIDATION_ERROR")),
        ("/api/manual/messages", json!({ "session_name": name, "role": "user" }), (422, "VALIDATION_ERROR")),
        (
            "/api/manual/messages",
            json!({ "session_name": name, "role": "system", "content": "a" }),
            (400, "INVALID_ROLE"),
        ),
        (
            "/api/manual/messages",
            json!({ "session_name": name, "role": "agent", "content": "a" }),
            (401, "AGENT_TOKEN_REQUIRED"),
        ),
        (
            "/api/manual/messages",
            json!({ "session_name": name, "role": "user", "content": "长".repeat(2001) }),
            (400, "MESSAGE_TOO_LONG"),
        ),
        ("/api/conversation/create", json!({}), (422, "VALIDATION_ERROR")),
        ("/api/conversation/new", json!({ "session_id": null }), (422, "VALIDATION_ERROR")),
        ("/api/conversation/clear", json!({ "session_id": "" }), (400, "INVALID_SESSION_NAME")),
    ];
    for (path, body, expected) in rows {
        let answer = alice.send(alice.request("POST", path).json(&body)).await;
        check(&format!("{path} {body}"), &answer, expected);
    }
    let too_early = alice.say_to_human("有人吗").await;
    assert_eq!(too_early.status, 409, "nobody was called: {}", too_early.text);
    assert_eq!(alice.detail().await.head, head, "nothing was written");
}
