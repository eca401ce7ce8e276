//! What an agent does with a session: what cannot be meant goes no further than the edge.

use super::staff::patient;
use crate::testing::{
    token::AGENT,
    world::{post, read, refusal},
};
use serde_json::{Value, json};
use switchboard_domain::Permissions;

/// The session service of these tests has no desk: a request that gets past the edge is told that it is away.
const ASKED: (u16, &str) = (500, "INTERNAL");

#[tokio::test]
async fn what_cannot_be_meant_is_refused_at_the_edge() {
    let edge = patient();
    edge.session("alice");
    let token = edge.access(Permissions::all());
    let say = |name: &str| {
        let who = json!({ "agent_id": name, "agent_name": "王小明" });
        json!({ "session_name": "alice", "role": "agent", "content": "您好", "agent_info": who })
    };
    for (path, body, status, code) in [
        ("/sessions/alice/takeover", json!({ "agent_id": "somebody" }), 403, "IDENTITY_MISMATCH"),
        ("/sessions/alice/takeover", json!({ "agent_name": "别人" }), 403, "IDENTITY_MISMATCH"),
        ("/sessions/alice/takeover", json!({ "barge_in": "yes" }), 422, "VALIDATION_ERROR"),
        ("/sessions/a%20b/takeover", json!({}), 400, "INVALID_SESSION_NAME"),
        ("/sessions/alice/release", json!({ "agent_id": "somebody" }), 403, "IDENTITY_MISMATCH"),
        ("/sessions/alice/release", json!({ "reason": 1 }), 422, "VALIDATION_ERROR"),
        ("/sessions/alice/close", json!({ "agent_id": "somebody" }), 403, "IDENTITY_MISMATCH"),
        (
            "/sessions/alice/transfer",
            json!({ "from_agent_id": "x", "to_agent_id": "y" }),
            403,
            "IDENTITY_MISMATCH",
        ),
        ("/sessions/alice/transfer", json!({}), 400, "TO_AGENT_REQUIRED"),
        ("/sessions/alice/transfer", json!({ "to_agent_id": " \t" }), 400, "TO_AGENT_REQUIRED"),
        ("/sessions/alice/transfer", json!({ "to_agent_id": "y", "reason": "  " }), 400, "REASON_REQUIRED"),
        ("/sessions/alice/transfer", json!({ "to_agent_id": "y", "immediate": 1 }), 422, "VALIDATION_ERROR"),
        ("/transfer-requests/ofr_1/respond", json!({}), 422, "VALIDATION_ERROR"),
        ("/transfer-requests/ofr_1/respond", json!({ "action": "maybe" }), 400, "INVALID_ACTION"),
        ("/offers/ofr_1/respond", json!({ "action": "ACCEPT" }), 400, "INVALID_ACTION"),
        ("/sessions/alice/messages", json!({}), 422, "VALIDATION_ERROR"),
        ("/manual/messages", say("somebody"), 403, "IDENTITY_MISMATCH"),
        (
            "/manual/messages",
            json!({ "session_name": "a b", "role": "agent", "content": "a" }),
            400,
            "INVALID_SESSION_NAME",
        ),
        (
            "/manual/messages",
            json!({ "session_name": "alice", "role": "user", "content": "a" }),
            403,
            "IDENTITY_MISMATCH",
        ),
        (
            "/manual/messages",
            json!({ "session_name": "alice", "role": "bot", "content": "a" }),
            400,
            "INVALID_ROLE",
        ),
    ] {
        let response = edge.post(&format!("/api/v1{path}"), &token, &body).await;
        assert_eq!(refusal(response).await, (status, code.into()), "{path} {body}");
    }
}

#[tokio::test]
async fn ones_own_identity_may_stand_in_the_body() {
    let edge = patient();
    edge.session("alice");
    let token = edge.access(Permissions::all());
    for (path, body) in [
        ("/sessions/alice/takeover", json!({ "agent_id": AGENT })),
        ("/sessions/alice/takeover", json!({ "agent_id": "", "agent_name": "" })),
        ("/sessions/alice/release", json!({ "agent_id": AGENT })),
        ("/sessions/alice/transfer", json!({ "from_agent_id": AGENT, "to_agent_id": "li" })),
        ("/transfer-requests/ofr_1/respond", json!({ "action": "decline" })),
    ] {
        let response = edge.post(&format!("/api/v1{path}"), &token, &body).await;
        assert_eq!(refusal(response).await, (ASKED.0, ASKED.1.to_owned()), "{path} {body}");
    }
}

#[tokio::test]
async fn keys_of_header_and_body_have_to_agree() {
    let edge = patient();
    edge.session("alice");
    let token = edge.access(Permissions::all());
    let send = async |path: &str, key: &str, body: Value| {
        let request = post(&format!("/api/v1{path}"), &token).header("idempotency-key", key);
        read(edge.send(request.body(body.to_string().into()).unwrap()).await).await
    };
    let body = json!({ "content": "您好", "client_message_id": "one" });
    let (status, told) = send("/sessions/alice/messages", "two", body).await;
    assert_eq!((status.as_u16(), &told["code"]), (422, &json!("IDEMPOTENCY_MISMATCH")));
    for path in ["/sessions/alice/takeover", "/sessions/alice/release", "/sessions/alice/cancel"] {
        let (status, told) = send(path, &"k".repeat(500), json!({})).await;
        assert_eq!((status.as_u16(), &told["code"]), (400, &json!("INVALID_IDEMPOTENCY_KEY")), "{path}");
    }
}
