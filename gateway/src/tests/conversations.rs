//! Beginning sessions and conversations.

use crate::testing::world::{edge, post, read, refusal};
use serde_json::{Value, json};

#[tokio::test]
async fn creating_gives_session_conversation_and_token() {
    let edge = edge();
    let response = edge.post("/api/conversation/create", "", &json!({ "user_id": "alice" })).await;
    assert!(response.headers().contains_key("set-cookie"));
    let (status, body) = read(response).await;
    assert_eq!(status, 200);
    assert_eq!((&body["success"], &body["conversation_id"]), (&json!(true), &json!("cnv_1")));
    assert_eq!((&body["session_name"], &body["error"]), (&json!("alice"), &Value::Null));
    assert!(body["visitor_token"].is_string());
    // It is taken now.
    let again = edge.post("/api/conversation/create", "", &json!({ "user_id": "alice" })).await;
    assert_eq!(refusal(again).await, (401, "TOKEN_REQUIRED".into()));
}

#[tokio::test]
async fn a_repeat_with_the_same_key_gets_the_token_again() {
    let edge = edge();
    let create = || {
        let request =
            post("/api/conversation/create", "").header("idempotency-key", "a-key-that-nobody-guesses");
        request.body(json!({ "user_id": "alice" }).to_string().into()).unwrap()
    };
    assert_eq!(edge.send(create()).await.status(), 200);
    let (status, body) = read(edge.send(create()).await).await;
    assert_eq!(status, 200);
    assert!(body["visitor_token"].is_string());
}

#[tokio::test]
async fn new_and_clear_begin_anew_and_need_the_token_when_there_is_a_session() {
    let edge = edge();
    let body = json!({ "session_id": "alice" });
    let (status, first) = read(edge.post("/api/conversation/new", "", &body).await).await;
    assert_eq!(status, 200);
    let token = first["visitor_token"].as_str().unwrap();
    assert_eq!(refusal(edge.post("/api/conversation/new", "", &body).await).await.0, 401);
    let (status, cleared) = read(edge.post("/api/conversation/clear", token, &body).await).await;
    assert_eq!((status.as_u16(), &cleared["message"]), (200, &json!("历史会话已清除，新对话已创建")));
    assert!(cleared.get("visitor_token").is_none());
    let (status, missing) = read(edge.post("/api/conversation/new", token, &json!({})).await).await;
    assert_eq!((status.as_u16(), &missing["errors"][0]["loc"]), (422, &json!(["body", "session_id"])));
}
