//! The service as its callers and its operator see it.

mod accounts;
mod api_keys;
mod beyond;
mod demotions;
mod desk;
mod floor;
mod guessing;
mod keys;
mod logins;
mod passwords;
mod people;
mod place;
mod presence;
mod refreshing;
mod resetting;
mod roles;
mod roster;
mod second_factor;
mod throttling;
mod tickets;
mod world;

use crate::{Config, config::Settings};
use argon2::{Argon2, PasswordVerifier as _};
use futures::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use place::Place;
use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard_boot::{Configured as _, Sources, Tree};
use switchboard_domain::{ErrorKind, ServiceName};
use switchboard_mesh::status::from_status;
use switchboard_proto::agentauth::v1::IssueVisitorTokenRequest;
pub(crate) use world::settings;
use world::{Part, World};

fn visitor(session: &str) -> IssueVisitorTokenRequest {
    IssueVisitorTokenRequest { session: session.into(), ..IssueVisitorTokenRequest::default() }
}

/// Verifies a token as a peer does: with nothing but the published keys.
fn verify(token: &str, jwks: &str) -> jsonwebtoken::errors::Result<(jsonwebtoken::Header, Value)> {
    verify_as("visitor", token, jwks)
}

fn verify_as(
    audience: &str,
    token: &str,
    jwks: &str,
) -> jsonwebtoken::errors::Result<(jsonwebtoken::Header, Value)> {
    let header = jsonwebtoken::decode_header(token)?;
    let keys: JwkSet = serde_json::from_str(jwks).unwrap();
    let Some(jwk) = keys.find(header.kid.as_deref().unwrap()) else {
        return Err(jsonwebtoken::errors::ErrorKind::InvalidSignature.into());
    };
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
    rules.set_audience(&[audience]);
    rules.set_issuer(&["switchboard"]);
    // The tests' clock stands still.
    (rules.validate_exp, rules.validate_nbf) = (false, false);
    #[expect(clippy::disallowed_methods, reason = "the test is the peer that verifies")]
    let verified = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(jwk)?, &rules)?;
    Ok((header, verified.claims))
}

#[tokio::test]
async fn a_visitor_token_verifies_against_the_published_keys() {
    let world = World::new();
    let part = world.build().await;
    let request = IssueVisitorTokenRequest {
        vip: true,
        nickname: "阿丽".into(),
        email: "a@b.example".into(),
        language: "zh-CN".into(),
        ..visitor("alice")
    };
    let issued = part.issue(request).await.unwrap();
    let jwks = part.jwks().await;
    assert_eq!(jwks.max_age_ms, 300_000);

    let (header, claims) = verify(&issued.token, &jwks.jwks_json).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("visitor+jwt"), Algorithm::EdDSA));
    let now = world.clock.seconds();
    let id = claims["jti"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let week = 7 * 24 * 3600;
    assert_eq!(
        claims,
        json!({
            "iss": "switchboard", "aud": "visitor", "sub": "alice", "iat": now, "nbf": now, "exp": now + week,
            "jti": id, "vip": true, "name": "阿丽", "email": "a@b.example", "language": "zh-CN",
        })
    );
    assert_eq!(issued.expires_at_ms, (now + week) * 1000);

    // Another's claims under this signature.
    let (_, signature) = issued.token.rsplit_once('.').unwrap();
    let others = part.issue(visitor("mallory")).await.unwrap().token;
    assert!(verify(&others, &jwks.jwks_json).is_ok());
    let forged = format!("{}.{signature}", others.rsplit_once('.').unwrap().0);
    assert!(verify(&forged, &jwks.jwks_json).is_err());
    part.stop().await;
}

#[tokio::test]
async fn a_plain_token_says_no_more_than_it_must_and_no_two_are_the_same() {
    let world = World::new();
    let part = world.build().await;
    let jwks = part.jwks().await.jwks_json;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (_, claims) = verify(&part.issue(visitor("bob")).await.unwrap().token, &jwks).unwrap();
        let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"]);
        ids.push(claims["jti"].to_string());
    }
    assert_ne!(ids[0], ids[1]);
    part.stop().await;
}

#[tokio::test]
async fn published_keys_are_public_only() {
    let world = World::new();
    let part = world.build().await;
    let jwks: Value = serde_json::from_str(&part.jwks().await.jwks_json).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let (kid, x) = (keys[0]["kid"].clone(), keys[0]["x"].clone());
    assert_eq!(x.as_str().unwrap().len(), 43);
    let expected = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x});
    assert_eq!(keys[0], expected);
    part.stop().await;
}

#[tokio::test]
async fn processes_that_start_at_once_make_one_admin_and_one_key() {
    for world in World::each().await {
        let parts: Vec<Part> = join_all((0..20).map(|_| world.build())).await;
        let announced: Vec<&String> = parts.iter().flat_map(|part| &part.announcements).collect();
        assert_eq!(announced.len(), 1, "{announced:?}");
        let admins = world.admins().await;
        assert_eq!((admins.len(), world.count("SELECT COUNT(*) FROM signing_key").await), (1, 1));

        let line = announced[0];
        let (name, rest) =
            line.strip_prefix("first admin: ").unwrap().split_once("  one-time password: ").unwrap();
        let (password, hint) = rest.split_once("  ").unwrap();
        assert_eq!((name, hint), ("admin", "(change it at first login)"));
        assert!(
            Argon2::default().verify_password(password.as_bytes(), admins[0].password_hash.as_str()).is_ok()
        );
        assert_eq!((admins[0].username_key.as_str(), admins[0].must_change_password), ("admin", 1));

        let jwks = parts[0].jwks().await.jwks_json;
        for part in &parts {
            assert!(verify(&part.issue(visitor("alice")).await.unwrap().token, &jwks).is_ok());
        }
        join_all(parts.into_iter().map(Part::stop)).await;
        world.close().await;
    }
}

#[tokio::test]
async fn the_password_is_told_once() {
    let world = World::new();
    let first = world.build().await;
    assert_eq!(first.announcements.len(), 1);
    first.stop().await;
    let second = world.build().await;
    assert_eq!(second.announcements, Vec::<String>::new());
    second.stop().await;
}

#[tokio::test]
async fn an_operator_may_choose_the_first_admin() {
    let chosen = "correct horse battery";
    let settings =
        Settings { admin_username: "Chef".into(), admin_password: SecretString::from(chosen), ..settings() };
    let world = World::at(Place::sqlite(), settings);
    let part = world.build().await;
    assert_eq!(part.announcements, ["first admin: Chef  password: as set in agent_auth.admin_password"]);
    let admins = world.admins().await;
    assert!(Argon2::default().verify_password(chosen.as_bytes(), admins[0].password_hash.as_str()).is_ok());
    assert_eq!((admins[0].username_key.as_str(), admins[0].must_change_password), ("chef", 0));
    part.stop().await;
}

#[tokio::test]
async fn requests_that_no_token_can_come_of_are_refused() {
    let world = World::new();
    let part = world.build().await;
    let long = |count| "长".repeat(count);
    for (request, field, code) in [
        (visitor(""), "session", "MALFORMED_MESSAGE"),
        (visitor("a b"), "session", "MALFORMED_MESSAGE"),
        (IssueVisitorTokenRequest { nickname: long(101), ..visitor("a") }, "nickname", "CLAIM_TOO_LONG"),
        (IssueVisitorTokenRequest { email: long(255), ..visitor("a") }, "email", "CLAIM_TOO_LONG"),
        (IssueVisitorTokenRequest { language: long(36), ..visitor("a") }, "language", "CLAIM_TOO_LONG"),
    ] {
        let failure = from_status(&part.issue(request).await.unwrap_err());
        assert_eq!((failure.kind, &*failure.code), (ErrorKind::Invalid, code), "{field}");
        assert_eq!(failure.facts["field"], field);
    }
    let fits = IssueVisitorTokenRequest { nickname: long(100), ..visitor("a") };
    assert!(part.issue(fits).await.is_ok());
    let refused = from_status(&part.issue_from(ServiceName::ChatGateway, visitor("a")).await.unwrap_err());
    assert_eq!(refused.kind, ErrorKind::Forbidden);
    part.stop().await;
}

#[test]
fn settings_that_cannot_work_are_told() {
    let keys = |change: fn(&mut Settings)| {
        let mut config = Config { agent_auth: settings() };
        change(&mut config.agent_auth);
        config.check().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert!(keys(|_| ()).is_empty());
    assert_eq!(keys(|s| s.issuer = " ".into()), ["agent_auth.issuer"]);
    assert_eq!(keys(|s| s.visitor_token_life *= 0), ["agent_auth.visitor_token_life"]);
    assert_eq!(keys(|s| s.key_rotation = s.jwks_max_age), ["agent_auth.key_rotation"]);
    assert_eq!(keys(|s| s.admin_username = "a b".into()), ["agent_auth.admin_username"]);
    assert_eq!(keys(|s| s.admin_password = "short".into()), ["agent_auth.admin_password"]);
    assert_eq!(keys(|s| s.start_attempts = 0), ["agent_auth.start_attempts"]);
}

#[test]
fn the_default_configuration_is_complete_and_works() {
    let mut problems = Vec::new();
    let config = Tree::load(&Sources::default(), &mut problems).extract::<Config>(&mut problems);
    assert!(config.is_some() && problems.is_empty(), "{problems:?}");
}
