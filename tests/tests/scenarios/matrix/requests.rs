//! What each route is asked with, so that whoever is let in gets as far as the parts behind the edge and changes nothing
//! that another story sees.

use serde_json::{Value, json};

/// The longest list of sessions, and one that only names a colleague.
pub(super) fn query(path: &str) -> &'static str {
    match path {
        "/sessions" => "?agent=no-such-thing",
        _ => "",
    }
}

/// Something that does not exist, for a place in a path.
pub(super) fn nothing(place: &str) -> &'static str {
    match place {
        "{ordinal}" => "999999",
        _ => "no-such-thing",
    }
}

/// A body that the route reads; `None` for a route that this table does not know.
#[expect(clippy::match_same_arms, reason = "a table, by path")]
pub(super) fn body(method: &str, path: &str) -> Option<Value> {
    let session = "no-such-thing";
    Some(match (method, path) {
        // Open to everybody: they say themselves what they make of it.
        ("POST", "/agent/login" | "/auth/agent/login" | "/agent/refresh" | "/auth/agent/refresh") => {
            json!([])
        }
        // For customers alone: nobody else gets as far as the body.
        ("POST", "/chat" | "/chat/stream") => json!({ "message": "hello", "user_id": session }),
        ("POST", "/conversation/create") => json!({ "user_id": session }),
        ("POST", "/conversation/new" | "/conversation/clear") => json!({ "session_id": session }),
        ("POST", "/agent/change-password") => {
            json!({ "old_password": "not this one", "new_password": "Walnut-ferry-93-copper" })
        }
        ("PUT", "/agent/profile") => json!({ "name": "角色" }),
        ("PUT", "/agent/status") => json!({ "status": "offline" }),
        ("POST", "/agent/status/heartbeat") => json!({ "active": false }),
        ("POST", "/agent/totp/begin") => json!({ "password": "not this one" }),
        ("POST", "/agent/totp/confirm") => json!({ "code": "000000" }),
        ("POST", "/agent/totp/disable") => json!({ "password": "not this one", "code": "000000" }),
        ("POST", "/agents") => json!({ "username": "not a name", "password": "x", "name": "x" }),
        ("PUT", "/agents/{username}") => json!({ "name": "x" }),
        ("POST", "/agents/{username}/reset-password") => json!({ "new_password": "Walnut-ferry-93-copper" }),
        ("PUT", "/agents/{username}/skills") => json!({ "skills": [] }),
        ("POST", "/api-keys") => json!({ "name": "matrix", "permissions": [] }),
        ("POST", "/assist-requests") => {
            json!({ "session_name": session, "assistant": "no-such-thing", "question": "?" })
        }
        ("POST", "/assist-requests/{id}/answer") => json!({ "answer": "!" }),
        ("PUT", "/customers/{session}/profile") => json!({ "remark": "x" }),
        ("POST", "/deliveries/redrive") => json!({ "session_name": session }),
        ("PUT", "/hours") => json!({ "document": "{", "expected_version": 999_999 }),
        ("POST", "/hours/check") => json!({ "document": "{" }),
        ("POST", "/events/ticket") => json!({ "session_name": session }),
        ("POST", "/manual/escalate") => json!({ "session_name": session }),
        ("POST", "/manual/messages") => json!({ "session_name": session, "role": "agent", "content": "x" }),
        ("POST", "/offers/{id}/respond" | "/transfer-requests/{id}/respond") => {
            json!({ "action": "decline" })
        }
        ("POST", "/quick-replies") => {
            json!({ "title": "matrix", "content": "x", "category": "no-such-thing" })
        }
        ("PUT", "/quick-replies/{id}") => json!({ "title": "x" }),
        ("POST", "/quick-replies/{id}/use") => json!({}),
        ("PUT", "/roles/{name}") => json!({ "permissions": [], "version": 999_999 }),
        ("POST", "/rules/check" | "/rules/versions") => json!({ "document": "{" }),
        ("PUT", "/rules/shadow") => json!({ "version": 999_999 }),
        ("POST", "/rules/versions/{ordinal}/publish") => json!({ "expected_version": 999_999 }),
        ("POST", "/rules/what-if") => json!({ "since": 1, "document": "{" }),
        ("POST", "/sessions/{session}/close" | "/sessions/{session}/release") => json!({}),
        ("POST", "/sessions/{session}/messages" | "/sessions/{session}/notes") => json!({ "content": "x" }),
        ("PUT", "/sessions/{session}/notes/{note}") => json!({ "content": "x" }),
        ("POST", "/sessions/{session}/receipts") => json!({ "delivered": 1 }),
        ("POST", "/sessions/{session}/tags") => json!({ "tag_id": "no-such-thing" }),
        ("POST", "/sessions/{session}/takeover") => json!({}),
        ("POST", "/sessions/{session}/transfer") => json!({ "to_agent_id": "no-such-thing", "reason": "x" }),
        ("POST", "/tags") => json!({ "name": "", "color": "#00ff00" }),
        ("PUT", "/tags/{id}") => json!({ "name": "x", "color": "#00ff00" }),
        ("POST", "/webhooks") => json!({ "url": "http://127.0.0.1:9/" }),
        ("PUT", "/webhooks/{id}") => json!({ "description": "x" }),
        _ => return None,
    })
}
