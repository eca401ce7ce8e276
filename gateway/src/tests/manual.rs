//! The way to humans.

use crate::testing::{
    log,
    world::{edge, post, read, refusal},
};
use serde_json::json;
use switchboard_domain::{BuiltinRole, Status};

#[tokio::test]
async fn asking_for_a_human_shows_the_session_as_it_is_then() {
    let edge = edge();
    let token = edge.session("alice");
    let body = json!({ "session_name": "alice" });
    assert_eq!(
        refusal(edge.post("/api/manual/escalate", "", &body).await).await,
        (401, "TOKEN_REQUIRED".into())
    );
    let (status, reply) = read(edge.post("/api/manual/escalate", &token, &body).await).await;
    assert_eq!((status.as_u16(), &reply["success"]), (200, &json!(true)));
    assert_eq!((&reply["data"]["status"], &reply["data"]["head"]), (&json!("pending_manual"), &json!(1)));
    assert_eq!((&reply["email_sent"], &reply["is_in_shift"]), (&json!(false), &json!(true)));
    edge.world.write("alice", log::status(1, Status::PendingManual, Status::ManualLive).body);
    let again = edge.post("/api/manual/escalate", &token, &body).await;
    assert_eq!(refusal(again).await, (409, "MANUAL_IN_PROGRESS".into()));
    let bad = json!({ "session_name": "alice", "reason": "because" });
    let (status, reply) = read(edge.post("/api/manual/escalate", &token, &bad).await).await;
    assert_eq!((status.as_u16(), &reply["errors"][0]["loc"]), (422, &json!(["body", "reason"])));
}

#[tokio::test]
async fn what_the_customer_writes_to_a_human_is_kept() {
    let edge = edge();
    let token = edge.session("alice");
    let body =
        json!({ "session_name": "alice", "role": "user", "content": "在吗", "client_message_id": "c" });
    assert_eq!(
        refusal(edge.post("/api/manual/messages", &token, &body).await).await,
        (409, "INVALID_STATUS".into())
    );
    edge.world.write("alice", log::status(1, Status::BotActive, Status::PendingManual).body);
    let (status, reply) = read(edge.post("/api/manual/messages", &token, &body).await).await;
    assert_eq!(status, 200);
    assert_eq!((&reply["success"], &reply["data"]["seq"]), (&json!(true), &json!(2)));
    assert!(reply["data"]["timestamp"].is_f64());
    assert!(reply["data"]["message_id"].as_str().unwrap().starts_with("msg_"));
}

#[tokio::test]
async fn nobody_writes_as_somebody_else() {
    let edge = edge();
    let token = edge.session("alice");
    let with = |role: &str| json!({ "session_name": "alice", "role": role, "content": "a" });
    for (role, status, code) in [
        ("agent", 401, "AGENT_TOKEN_REQUIRED"),
        ("system", 400, "INVALID_ROLE"),
        ("assistant", 400, "INVALID_ROLE"),
        ("USER", 400, "INVALID_ROLE"),
    ] {
        let response = edge.post("/api/manual/messages", &token, &with(role)).await;
        assert_eq!(refusal(response).await, (status, code.into()), "{role}");
    }
    let foreign = edge.token("mallory");
    let response = edge.post("/api/manual/messages", &foreign, &with("user")).await;
    assert_eq!(refusal(response).await, (403, "NOT_YOUR_SESSION".into()));
}

#[tokio::test]
async fn an_agent_who_is_a_customer_in_the_same_browser_is_the_customer_of_his_own_session() {
    let edge = edge();
    let visitor = edge.session("alice");
    let agent = edge.access(BuiltinRole::Agent.permissions());
    let cookies = format!("{}={visitor}; at={agent}", edge.app.settings.visitor.cookie);
    let send = async |path: &str, body: serde_json::Value| {
        let request = post(path, "").header("cookie", &cookies);
        edge.send(request.body(body.to_string().into()).unwrap()).await
    };
    let escalate = send("/api/manual/escalate", json!({ "session_name": "alice" })).await;
    assert_eq!(escalate.status(), 200);
    let said = json!({ "session_name": "alice", "role": "user", "content": "在吗" });
    assert_eq!(send("/api/manual/messages", said).await.status(), 200);
    // Of other sessions he is no customer, and what he says as an agent is said as an agent.
    edge.session("bob");
    let foreign = json!({ "session_name": "bob", "role": "user", "content": "在吗" });
    let response = send("/api/manual/messages", foreign).await;
    assert_eq!(refusal(response).await, (403, "NOT_YOUR_SESSION".into()));
    let as_agent = json!({ "session_name": "alice", "role": "agent", "content": "您好",
        "agent_info": { "agent_id": "somebody" } });
    let response = send("/api/manual/messages", as_agent).await;
    assert_eq!(refusal(response).await, (403, "IDENTITY_MISMATCH".into()));
}
