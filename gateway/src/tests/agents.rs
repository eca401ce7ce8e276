//! Agents' tokens and API keys, from outside.

use crate::testing::{
    START_MS,
    token::{AGENT, LOGIN, agent_claims, claims},
    world::{Edge, edge, edge_with, read, refusal},
};
use http::Method;
use serde_json::json;
use std::time::Duration;
use switchboard_domain::{BuiltinRole, Permissions};
use switchboard_proto::agentauth::v1::list_revocations_response::revocation::What;

const PROFILE: &str = "/api/agent/profile";
const KEY: &str = "swb_0123456789abcdef";

fn all() -> Permissions {
    BuiltinRole::Admin.permissions()
}

async fn status(edge: &Edge, token: &str) -> (u16, String) {
    let response = edge.get(PROFILE, token).await;
    if response.status() == 200 { (200, String::new()) } else { refusal(response).await }
}

/// A write.
async fn write(edge: &Edge, token: &str) -> (u16, String) {
    let response = edge.call(&Method::PUT, PROFILE, token, &json!({ "name": "王" })).await;
    if response.status() == 200 { (200, String::new()) } else { refusal(response).await }
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

#[tokio::test]
async fn only_agents_tokens_open_agents_routes() {
    let edge = edge();
    let key = edge.world.key.lock().clone();
    let visitor = edge.session("alice");
    let with_claims = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut claims = agent_claims(all());
        change(&mut claims);
        key.sign(&key.agent_header(), &claims)
    };
    let now = START_MS / 1000;
    for (token, code) in [
        (String::new(), "AGENT_TOKEN_REQUIRED"),
        (visitor.clone(), "AGENT_TOKEN_REQUIRED"),
        (key.sign(&key.agent_header(), &claims("alice")), "INVALID_TOKEN"),
        (key.sign(&key.header(), &agent_claims(all())), "INVALID_TOKEN"),
        (key.sign(&json!({ "alg": "none", "typ": "at+jwt" }), &agent_claims(all())), "INVALID_TOKEN"),
        (with_claims(&|claims| claims["aud"] = "visitor".into()), "INVALID_TOKEN"),
        (with_claims(&|claims| claims["exp"] = (now - 60).into()), "INVALID_TOKEN"),
        (with_claims(&|claims| claims["nbf"] = (now + 60).into()), "INVALID_TOKEN"),
        (with_claims(&|claims| claims["sid"] = json!(null)), "INVALID_TOKEN"),
        ("rt-1".to_owned(), "INVALID_TOKEN"),
    ] {
        let response = edge.get(PROFILE, &token).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(refusal(response).await, refused(code), "{token}");
    }
    // And the other way round.
    let agent = edge.access(all());
    for (path, body) in [
        ("/api/chat", json!({ "message": "a" })),
        ("/api/chat/stream", json!({ "message": "a" })),
        ("/api/conversation/create", json!({ "user_id": "alice" })),
    ] {
        let outcome = refusal(edge.post(path, &agent, &body).await).await;
        assert_eq!(outcome, (403, "VISITORS_ONLY".into()), "{path}");
    }
    assert_eq!(status(&edge, &agent).await.0, 200);
}

#[tokio::test]
async fn calls_are_made_on_behalf_of_the_agent() {
    let edge = edge();
    let may = BuiltinRole::Agent.permissions();
    assert_eq!(status(&edge, &edge.access(may)).await.0, 200);
    assert_eq!(edge.world.accounts.lock().calls, [format!("get_me agent:{AGENT}:{may}")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_ends_at_once_where_it_is_known() {
    let edge = edge();
    let token = edge.access(all());
    assert_eq!(status(&edge, &token).await.0, 200);
    let revocations = &edge.app.identities.revocations;
    for (what, before_ms, is_out) in [
        (What::Login(LOGIN.replace('a', "b")), START_MS + 5000, false),
        (What::Agent(AGENT.replace('7', "8")), START_MS + 5000, false),
        // Issued later than that.
        (What::Agent(AGENT.to_owned()), START_MS - 5000, false),
        (What::Login(LOGIN.to_owned()), START_MS, true),
    ] {
        edge.world.accounts.lock().revoke(what, before_ms);
        tokio::time::advance(Duration::from_secs(2)).await;
        revocations.read().await;
        let wanted = if is_out { refused("TOKEN_REVOKED") } else { (200, String::new()) };
        assert_eq!(status(&edge, &token).await, wanted);
    }
    // It is forgotten when the token has expired anyway.
    edge.clock.advance(Duration::from_secs(3601));
    tokio::time::advance(Duration::from_secs(2)).await;
    revocations.read().await;
    assert_eq!(status(&edge, &token).await, refused("INVALID_TOKEN"));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_changed_has_to_log_in_again_and_then_may() {
    let edge = edge();
    let token = edge.access(all());
    edge.world.accounts.lock().revoke(What::Agent(AGENT.to_owned()), START_MS + 1);
    assert_eq!(status(&edge, &token).await, refused("TOKEN_REVOKED"));
    // A login of the same second, but after the change: its id says so.
    let mut claims = agent_claims(all());
    claims["sid"] = format!("lgn_{:012x}7000800000000000000b", START_MS + 1).into();
    let key = edge.world.key.lock().clone();
    assert_eq!(status(&edge, &key.sign(&key.agent_header(), &claims)).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn without_news_of_revocations_agents_read_and_do_not_write() {
    let edge = edge();
    let token = edge.access(all());
    assert_eq!(write(&edge, &token).await.0, 200);
    edge.world.accounts.lock().is_away = true;
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(write(&edge, &token).await.0, 200);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(write(&edge, &token).await, (503, "REVOCATIONS_UNKNOWN".into()));
    assert_eq!(status(&edge, &token).await.0, 200);
    edge.world.accounts.lock().is_away = false;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(write(&edge, &token).await.0, 200);
    // A line that cannot be read is as no list at all.
    edge.world.accounts.lock().revoke(What::Login("nonsense".into()), START_MS);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(write(&edge, &token).await, (503, "REVOCATIONS_UNKNOWN".into()));
}

#[tokio::test(start_paused = true)]
async fn after_a_start_agents_wait_for_the_first_list_for_a_while() {
    let edge = edge();
    let token = edge.access(all());
    edge.world.accounts.lock().is_away = true;
    let (answer, ()) = tokio::join!(write(&edge, &token), async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        edge.world.accounts.lock().is_away = false;
    });
    assert_eq!(answer.0, 200);
}

#[tokio::test(start_paused = true)]
async fn after_a_start_agents_wait_for_the_first_list_once() {
    let late = edge();
    let token = late.access(all());
    late.world.accounts.lock().is_away = true;
    let asked = tokio::time::Instant::now();
    assert_eq!(write(&late, &token).await, (503, "REVOCATIONS_UNKNOWN".into()));
    assert_eq!(asked.elapsed(), Duration::from_secs(3), "and no longer");
    assert_eq!(write(&late, &token).await, (503, "REVOCATIONS_UNKNOWN".into()));
    assert_eq!(asked.elapsed(), Duration::from_secs(3), "once only");
}

#[tokio::test(start_paused = true)]
async fn somebody_who_listens_learns_that_he_no_longer_counts() {
    let edge = edge();
    let revocations = &edge.app.identities.revocations;
    let agent = crate::identity::Agent {
        id: switchboard_domain::AgentId::parse(AGENT).unwrap(),
        name: "王小明".into(),
        username: "xiaoming".into(),
        role: "agent".into(),
        permissions: all(),
        login: switchboard_domain::LoginId::parse(LOGIN).ok(),
        key: None,
        carrier: crate::identity::Carrier::Bearer,
        issued: switchboard_domain::Timestamp::from_millis(START_MS),
        expires: switchboard_domain::Timestamp::from_millis(START_MS + 900_000),
    };
    revocations.read().await;
    edge.world.accounts.lock().revoke(What::Login(LOGIN.to_owned()), START_MS);
    tokio::time::advance(Duration::from_secs(2)).await;
    let (told, ()) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(5), revocations.revoked(&agent)),
        revocations.read()
    );
    assert!(told.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_api_key_acts_for_its_account_within_its_scope() {
    let edge = edge();
    let scope = Permissions::of(&[switchboard_domain::Permission::AccountSelf]);
    edge.world.accounts.lock().api_keys.insert(KEY.into(), scope);
    for _ in 0..5 {
        assert_eq!(status(&edge, KEY).await.0, 200);
    }
    assert_eq!(edge.world.accounts.lock().api_keys_asked, 1, "the answer is remembered");
    assert_eq!(edge.world.accounts.lock().calls[0], format!("get_me agent:{AGENT}:{scope}"));
    let response = edge.get("/api/audit", KEY).await;
    let (code, body) = read(response).await;
    assert_eq!((code.as_u16(), &body["permission"]), (403, &json!("audit.read")));
    // What a key must not do: it would outlive the key.
    for path in ["/api/agent/change-password", "/api/api-keys", "/api/agent/totp/begin"] {
        let body = json!({ "old_password": "a", "new_password": "b", "password": "c", "name": "n",
            "permissions": [] });
        let outcome = refusal(edge.post(path, KEY, &body).await).await;
        assert_eq!(outcome, (403, "LOGIN_REQUIRED".into()), "{path}");
    }
    // Withdrawn: it ends when agent-auth is asked again, at the latest after 30 s whatever was promised.
    edge.world.accounts.lock().api_keys.clear();
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(status(&edge, KEY).await, refused("INVALID_TOKEN"));
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_api_key_ends_with_the_next_list() {
    let edge = edge();
    edge.world.accounts.lock().api_keys.insert(KEY.into(), all());
    assert_eq!(status(&edge, KEY).await.0, 200);
    edge.world.accounts.lock().api_keys.clear();
    let key = What::ApiKey("key_00000000000000000000000000000001".into());
    edge.world.accounts.lock().revoke(key, 0);
    tokio::time::advance(Duration::from_secs(2)).await;
    edge.app.identities.revocations.read().await;
    assert_eq!(status(&edge, KEY).await, refused("INVALID_TOKEN"));
}

#[tokio::test(start_paused = true)]
async fn wrong_api_keys_are_refused_and_cannot_flood_agent_auth() {
    let edge = edge_with(|settings| {
        (settings.rate.api_keys_per_minute, settings.rate.api_keys_burst) = (1, 3);
    });
    for key in ["swb_", "swb_a b", "swb_é", &format!("swb_{}", "a".repeat(300))] {
        assert_eq!(status(&edge, key).await.0, 401, "{key}");
    }
    assert_eq!(edge.world.accounts.lock().api_keys_asked, 0, "these are none");
    for _ in 0..5 {
        assert_eq!(status(&edge, "swb_wrong0").await, refused("INVALID_TOKEN"));
    }
    assert_eq!(edge.world.accounts.lock().api_keys_asked, 1);
    for number in 1..3 {
        assert_eq!(status(&edge, &format!("swb_wrong{number}")).await.0, 401);
    }
    assert_eq!(status(&edge, "swb_wrong3").await, (429, "RATE_LIMITED".into()));
    assert_eq!(edge.world.accounts.lock().api_keys_asked, 3);
}

#[tokio::test]
async fn an_api_key_is_not_called_wrong_because_nobody_knows() {
    let edge = edge();
    edge.world.accounts.lock().api_keys.insert(KEY.into(), all());
    edge.world.accounts.lock().is_away = true;
    assert_eq!(status(&edge, KEY).await, (503, "UNAVAILABLE".into()));
    edge.world.accounts.lock().is_away = false;
    assert_eq!(status(&edge, KEY).await.0, 200);
}
