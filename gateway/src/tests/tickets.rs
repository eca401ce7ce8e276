//! Event streams that are opened with a ticket.

use crate::testing::{
    START_MS,
    token::{AGENT, LOGIN},
    world::{Edge, Frames, edge, post, read, refusal},
};
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use switchboard_domain::{Permission, Permissions};
use switchboard_proto::agentauth::v1::list_revocations_response::revocation::What;

const TICKET: &str = "/api/v1/events/ticket";
const ALICE: &str = "/api/v1/sessions/alice/events";
const SHOP: &str = "https://shop.example.com";

async fn ticket(edge: &Edge, token: &str, origin: &str, body: &Value) -> String {
    let request = post(TICKET, token).header("host", "chat.example.com").header("origin", origin);
    let (status, body) = read(edge.send(request.body(body.to_string().into()).unwrap()).await).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["data"]["expires_in"], 30);
    body["data"]["ticket"].as_str().unwrap().to_owned()
}

async fn open(edge: &Edge, path: &str, ticket: &str, origin: &str) -> axum::response::Response {
    let request = Request::get(format!("{path}?ticket={ticket}")).header("host", "chat.example.com");
    let request = if origin.is_empty() { request } else { request.header("origin", origin) };
    edge.send(request.body(axum::body::Body::empty()).unwrap()).await
}

fn refused() -> (u16, String) {
    (401, "INVALID_TICKET".to_owned())
}

#[tokio::test]
async fn a_ticket_opens_the_stream_it_is_for_and_only_once() {
    let edge = edge();
    let token = edge.session("alice");
    let one = ticket(&edge, &token, SHOP, &json!({})).await;
    let mut frames = Frames::of(open(&edge, ALICE, &one, SHOP).await);
    assert!(frames.raw().await.unwrap().starts_with("retry: "));
    assert_eq!(refusal(open(&edge, ALICE, &one, SHOP).await).await, refused());
    // A page of our own names its origin when it posts and not when it reads.
    let own = ticket(&edge, &token, "https://chat.example.com", &json!({ "session_name": "alice" })).await;
    Frames::of(open(&edge, ALICE, &own, "").await);
}

#[tokio::test]
async fn elsewhere_a_ticket_is_worth_nothing_and_is_gone() {
    let edge = edge();
    let token = edge.session("alice");
    edge.session("bob");
    for (path, origin) in [
        (ALICE, "https://evil.example.com"),
        (ALICE, ""),
        ("/api/v1/sessions/bob/events", SHOP),
        ("/api/v1/agent/events", SHOP),
    ] {
        let one = ticket(&edge, &token, SHOP, &json!({})).await;
        assert_eq!(refusal(open(&edge, path, &one, origin).await).await, refused(), "{path} {origin}");
        assert_eq!(refusal(open(&edge, ALICE, &one, SHOP).await).await, refused(), "{path} {origin}");
    }
    // It opens streams and nothing else.
    let one = ticket(&edge, &token, SHOP, &json!({})).await;
    let other = open(&edge, "/api/v1/sessions/alice", &one, SHOP).await;
    assert_eq!(refusal(other).await, (401, "TOKEN_REQUIRED".to_owned()));
}

#[tokio::test]
async fn nobody_gets_a_ticket_for_what_he_may_not_follow() {
    let edge = edge();
    let token = edge.session("alice");
    edge.session("bob");
    let body = json!({ "session_name": "bob" });
    let told = refusal(edge.post(TICKET, &token, &body).await).await;
    assert_eq!(told, (403, "NOT_YOUR_SESSION".to_owned()));
    assert_eq!(refusal(edge.post(TICKET, "", &json!({})).await).await.0, 401);
    // An agent's rights are asked for again when the stream opens.
    let agent = edge.access(Permissions::of(&[Permission::PresenceSelf]));
    let one = ticket(&edge, &agent, SHOP, &json!({ "session_name": "alice" })).await;
    let told = refusal(open(&edge, ALICE, &one, SHOP).await).await;
    assert_eq!(told, (403, "PERMISSION_REQUIRED".to_owned()));
}

#[tokio::test]
async fn what_is_kept_of_the_holder_is_no_credential() {
    let edge = edge();
    let access = edge.access(Permissions::of(&[Permission::PresenceSelf]));
    let one = ticket(&edge, &access, "", &json!({})).await;
    let kept = edge.world.tickets.lock()[&one].clone();
    let signature = access.rsplit_once('.').unwrap().1;
    assert!(kept.holder_json.contains(AGENT) && !kept.holder_json.contains(signature), "{kept:?}");
    assert_eq!((kept.session.as_str(), kept.origin.as_str()), ("", ""));
    // The token may end before its ticket does.
    edge.clock.advance(Duration::from_hours(1));
    assert_eq!(refusal(open(&edge, "/api/v1/agent/events", &one, "").await).await, refused());
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_worth_no_more_than_the_login_that_asked_for_it() {
    let edge = edge();
    let access = edge.access(Permissions::of(&[Permission::PresenceSelf]));
    let one = ticket(&edge, &access, "", &json!({})).await;
    edge.world.accounts.lock().revoke(What::Login(LOGIN.to_owned()), START_MS);
    tokio::time::advance(Duration::from_secs(2)).await;
    edge.app.identities.revocations.read().await;
    let told = refusal(open(&edge, "/api/v1/agent/events", &one, "").await).await;
    assert_eq!(told, (401, "TOKEN_REVOKED".to_owned()));
}
