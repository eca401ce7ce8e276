//! Writing to the bot.

use crate::testing::{
    log,
    peers::Script,
    world::{Edge, Frames, edge, edge_with, post, read, refusal},
};
use serde_json::{Value, json};
use std::time::Duration;
use switchboard_domain::{ErrorKind, Failure, Principal, ServiceName, Status, turn::TurnState};

fn hello(session: &str) -> Value {
    json!({ "message": " 你好 ", "user_id": session, "client_message_id": "c-1", "extra": true })
}

async fn frames(edge: &Edge, body: &Value) -> Frames {
    Frames::of(edge.post("/api/chat/stream", "", body).await)
}

#[tokio::test]
async fn the_first_message_begins_a_session_and_gives_its_token() {
    let edge = edge();
    let response = edge.post("/api/v1/chat", "", &hello("alice")).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let token = response.headers()["x-visitor-token"].to_str().unwrap().to_owned();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    let tail = "; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax";
    assert_eq!(cookie, format!("switchboard_visitor={token}{tail}"));
    let (status, body) = read(response).await;
    assert_eq!(status, 200);
    assert_eq!(body["visitor_token"], token);
    assert_eq!(
        (&body["success"], &body["message"], &body["error"]),
        (&json!(true), &json!("您好"), &Value::Null)
    );
    assert_eq!((&body["session_name"], &body["status"]), (&json!("alice"), &json!("bot_active")));
    assert_eq!(
        (&body["seq"], &body["interrupted"], &body["sources"]),
        (&json!(3), &json!(false), &json!([]))
    );
    // The edge asked for it itself; the visitor could not have.
    assert_eq!(*edge.world.issued.lock(), [Principal::Service(ServiceName::Gateway)]);
    let sent = edge.world.last_send.lock().clone().unwrap();
    assert_eq!((sent.text.as_str(), sent.client_message_id.as_str()), ("你好", "c-1"));
    // With the token the session goes on, without it not.
    let body = json!({ "message": "还在吗", "user_id": "alice" });
    let response = edge.post("/api/chat", &token, &body).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("x-visitor-token"));
    let refused = refusal(edge.post("/api/chat", "", &body).await).await;
    assert_eq!(refused, (401, "TOKEN_REQUIRED".into()));
}

#[tokio::test]
async fn json_is_compact_and_not_escaped() {
    let response = edge().post("/api/chat", "", &hello("alice")).await;
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(
        std::str::from_utf8(&bytes)
            .unwrap()
            .starts_with("{\"success\":true,\"message\":\"您好\",\"error\":null,")
    );
}

#[tokio::test]
async fn a_session_that_nobody_named_gets_a_name_that_a_repeat_finds_again() {
    let edge = edge();
    let name = |body: &Value| body["session_name"].as_str().unwrap().to_owned();
    let (_, one) = read(edge.post("/api/chat", "", &json!({ "message": "a" })).await).await;
    let (_, two) = read(edge.post("/api/chat", "", &json!({ "message": "a" })).await).await;
    assert_ne!(name(&one), name(&two));
    assert!(name(&one).starts_with("user_") && name(&one).len() == 37);
    let key = "0f6b2a9c-7d1e-4a53-9b60-5f1c2e3d4a5b";
    let body = json!({ "message": "a", "client_message_id": key });
    let (_, one) = read(edge.post("/api/chat", "", &body).await).await;
    let (_, two) = read(edge.post("/api/chat", "", &body).await).await;
    assert_eq!(name(&one), name(&two));
    // A token says which session is meant.
    let token = edge.session("alice");
    let (_, own) = read(edge.post("/api/chat", &token, &json!({ "message": "a" })).await).await;
    assert_eq!(name(&own), "alice");
}

#[tokio::test]
async fn parameters_and_conversation_go_to_the_conductor() {
    let edge = edge();
    let body =
        json!({ "message": "a", "user_id": "alice", "conversation_id": "c9", "parameters": { "k": "值" } });
    assert_eq!(edge.post("/api/chat", "", &body).await.status(), 200);
    let sent = edge.world.last_send.lock().clone().unwrap();
    assert_eq!((sent.parameters_json.as_str(), sent.conversation.as_str()), ("{\"k\":\"值\"}", "c9"));
}

#[tokio::test]
async fn a_hand_over_is_the_reply() {
    let edge = edge();
    *edge.world.script.lock() = Script::HandOver;
    let (status, body) = read(edge.post("/api/chat", "", &hello("alice")).await).await;
    assert_eq!(status, 200);
    assert_eq!((&body["message"], &body["status"]), (&json!("已为您转接人工客服"), &json!("pending_manual")));
    let frames = frames(&edge, &hello("bob")).await.types().await;
    assert_eq!(frames, ["status_change", "message", "done"]);
}

#[tokio::test]
async fn the_stream_shows_the_answer_as_it_is_written() {
    let edge = edge();
    let response = edge.post("/api/chat/stream", "", &hello("alice")).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert!(
        response.headers().contains_key("x-visitor-token") && response.headers().contains_key("set-cookie")
    );
    let mut frames = Frames::of(response);
    assert_eq!(frames.raw().await.unwrap(), "data: {\"type\":\"message\",\"content\":\"您\"}");
    assert_eq!(frames.raw().await.unwrap(), "data: {\"type\":\"message\",\"content\":\"好\"}");
    let (id, done) = frames.next().await.unwrap();
    assert_eq!(id, None);
    assert_eq!((&done["type"], &done["content"], &done["seq"]), (&json!("done"), &json!(""), &json!(3)));
    assert_eq!((&done["session_name"], &done["interrupted"]), (&json!("alice"), &json!(false)));
    assert!(done["turn_id"].as_str().unwrap().starts_with("trn_"));
    assert!(frames.next().await.is_none());
}

#[tokio::test]
async fn manual_mode_is_409_and_inside_the_stream_an_error_frame() {
    let edge = edge();
    let refused = Failure::new(ErrorKind::Conflict, "SESSION_IN_MANUAL_MODE", "pending_manual");
    *edge.world.script.lock() = Script::Refuse(refused);
    let (status, body) = read(edge.post("/api/chat", "", &hello("alice")).await).await;
    assert_eq!((status.as_u16(), &body["detail"]), (409, &json!("SESSION_IN_MANUAL_MODE: pending_manual")));
    let mut frames = frames(&edge, &hello("alice")).await;
    let (_, error) = frames.next().await.unwrap();
    assert_eq!(
        error,
        json!({
            "type": "error", "content": "SESSION_IN_MANUAL_MODE: pending_manual", "code": "SESSION_IN_MANUAL_MODE"
        })
    );
    assert!(frames.next().await.is_none());
}

#[tokio::test]
async fn other_refusals_are_real_errors_before_the_stream_begins() {
    let edge = edge();
    for (kind, code, status) in [
        (ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH", 422),
        (ErrorKind::Unavailable, "STORE_UNAVAILABLE", 503),
        (ErrorKind::RateLimited, "OVERLOADED", 429),
        (ErrorKind::Timeout, "TIMEOUT", 504),
    ] {
        *edge.world.script.lock() = Script::Refuse(Failure::new(kind, code, "as the script has it"));
        let response = edge.post("/api/chat/stream", "", &hello("alice")).await;
        assert_eq!(response.headers().contains_key("retry-after"), status != 422);
        assert_eq!(refusal(response).await, (status, code.into()));
    }
    *edge.world.script.lock() = Script::Panic;
    assert_eq!(refusal(edge.post("/api/chat", "", &hello("alice")).await).await, (500, "INTERNAL".into()));
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_be_asked_for_again() {
    let edge = edge();
    *edge.world.script.lock() = Script::Break("您");
    let response = edge.post("/api/chat", "", &hello("alice")).await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refusal(response).await, (503, "UNAVAILABLE".into()));
}

#[tokio::test]
async fn if_the_conductor_dies_the_log_ends_the_stream() {
    let edge = edge_with(|settings| settings.sse.end_grace = Duration::ZERO);
    *edge.world.script.lock() = Script::Break("您");
    let mut frames = frames(&edge, &hello("alice")).await;
    assert_eq!(frames.next().await.unwrap().1["content"], "您");
    let turn = edge.world.kept("alice").session.turn.unwrap();
    edge.world.write("alice", log::assistant(1, "您好", Some(turn)).body);
    edge.world.write("alice", log::turn_change(1, turn, TurnState::Done).body);
    assert_eq!(frames.next().await.unwrap().1, json!({ "type": "message", "content": "好" }));
    assert_eq!(frames.next().await.unwrap().1["type"], "done");
}

#[tokio::test]
async fn what_happens_in_the_session_is_pushed_while_the_stream_is_open() {
    let edge = edge_with(|settings| settings.sse.end_grace = Duration::from_millis(100));
    *edge.world.script.lock() = Script::Hang("您");
    let mut frames = frames(&edge, &hello("alice")).await;
    assert_eq!(frames.next().await.unwrap().1["type"], "message");
    let turn = edge.world.kept("alice").session.turn.unwrap();
    edge.world.write("alice", log::turn_change(1, turn, TurnState::HandedOver).body);
    edge.world.write("alice", log::status(1, Status::BotActive, Status::ManualLive).body);
    edge.world.write("alice", log::agent(1, "我来了").body);
    let (id, change) = frames.next().await.unwrap();
    assert_eq!(
        (id, &change["type"], &change["status"]),
        (None, &json!("status_change"), &json!("manual_live"))
    );
    let (_, said) = frames.next().await.unwrap();
    assert_eq!(
        (&said["type"], &said["role"], &said["content"]),
        (&json!("manual_message"), &json!("agent"), &json!("我来了"))
    );
    assert_eq!(said["agent_name"], "王");
    assert_eq!(frames.next().await.unwrap().1["type"], "done");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_ends_is_given_up() {
    let edge = edge();
    *edge.world.script.lock() = Script::Hang("您");
    assert_eq!(refusal(edge.post("/api/chat", "", &hello("alice")).await).await, (504, "TIMEOUT".into()));
    let mut frames = Frames::of(edge.post("/api/chat/stream", "", &hello("bob")).await);
    assert_eq!(frames.next().await.unwrap().1["type"], "message");
    // `Frames` waits 20 s of the paused clock at most, so time is moved on here.
    tokio::time::advance(Duration::from_secs(74)).await;
    assert_eq!(frames.next().await.unwrap().1["code"], "TIMEOUT");
    assert!(frames.next().await.is_none());
}

#[tokio::test]
async fn without_agent_auth_no_session_is_lost_silently() {
    let edge = edge();
    *edge.world.auth_is_away.lock() = true;
    let response = edge.post("/api/chat", "", &hello("alice")).await;
    assert_eq!(refusal(response).await, (503, "UNAVAILABLE".into()));
    // The same request once more, when it is back, gets the token.
    *edge.world.auth_is_away.lock() = false;
    let (status, body) = read(edge.post("/api/chat", "", &hello("alice")).await).await;
    assert_eq!(status, 200);
    assert!(body["visitor_token"].is_string());
}

#[tokio::test]
async fn budgets_are_told_and_kept() {
    let edge = edge_with(|settings| {
        (settings.rate.chat_per_minute, settings.rate.chat_burst) = (60, 2);
    });
    let token = edge.session("alice");
    let response = edge.post("/api/chat", &token, &hello("alice")).await;
    assert_eq!(response.headers()["ratelimit"], "\"chat\";r=1;t=0");
    assert_eq!(edge.post("/api/chat/stream", &token, &hello("alice")).await.status(), 200);
    let response = edge.post("/api/chat", &token, &hello("alice")).await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(refusal(response).await, (429, "RATE_LIMITED".into()));
    // Another session has its own budget; a new one draws on its address.
    let other = edge.session("bob");
    assert_eq!(edge.post("/api/chat", &other, &hello("bob")).await.status(), 200);
}

#[tokio::test]
async fn one_address_begins_so_many_sessions() {
    let edge = edge_with(|settings| settings.rate.new_sessions_burst = 2);
    for (name, status) in [("a", 200), ("b", 200), ("c", 429)] {
        let request =
            post("/api/conversation/create", "").body(json!({ "user_id": name }).to_string().into());
        assert_eq!(edge.send(request.unwrap()).await.status(), status, "{name}");
    }
}
