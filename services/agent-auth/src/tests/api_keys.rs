//! Keys of programs.

use super::{
    desk::{Desk, code},
    people::{call, shops},
};
use std::time::Duration;
use switchboard_db::sql;
use switchboard_domain::{BuiltinRole, ErrorKind, Failure, Permission, Permissions};
use switchboard_proto::{
    agentauth::v1::{
        CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest, UpdateAgentRequest, VerifyApiKeyRequest,
    },
    common::v1::Idempotency,
};

fn new(name: &str, permissions: &[&str]) -> CreateApiKeyRequest {
    let permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
    CreateApiKeyRequest { name: name.into(), permissions, expires_at_ms: None, idempotency: None }
}

fn told(failure: &Failure) -> (ErrorKind, &str) {
    (failure.kind, &failure.code)
}

#[tokio::test]
async fn a_key_is_told_once_stored_as_a_digest_and_revoked() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let made = call!(part, anna, create_api_key, new(" CRM ", &["sessions.read"])).unwrap();
        let key = made.key.unwrap();
        assert_eq!((key.name.as_str(), key.agent_id.as_str()), ("CRM", anna.id().as_str()));
        assert_eq!(key.permissions, ["sessions.read"]);
        let secret =
            made.secret.strip_prefix(&format!("swb_{}_", key.id.strip_prefix("key_").unwrap())).unwrap();
        assert!(made.secret.starts_with(&key.hint));
        assert_eq!((made.secret.len() - key.hint.len(), secret.len()), (39, 43));
        let (hash,) =
            world.db().await.fetch_one::<(String,)>(sql("SELECT secret_hash FROM api_key")).await.unwrap();
        assert_eq!(hash, switchboard_db::audit::digest(secret));

        // The key is what the edge asks about.
        let desk = Desk::edge(&part);
        let ask = || VerifyApiKeyRequest { key: made.secret.clone() };
        assert_eq!(code(desk.call(desk.client().verify_api_key(ask())).await), "OK");
        let listed = call!(part, anna, list_api_keys, ListApiKeysRequest {}).unwrap().keys;
        assert_eq!(listed, std::slice::from_ref(&key));
        let revoke = || RevokeApiKeyRequest { id: key.id.clone() };
        let revoked = call!(part, anna, revoke_api_key, revoke()).unwrap().key.unwrap();
        assert!(revoked.revoked_at_ms.is_some());
        assert_eq!(call!(part, anna, revoke_api_key, revoke()).unwrap().key.unwrap(), revoked);
        assert_eq!(code(desk.call(desk.client().verify_api_key(ask())).await), "INVALID_API_KEY");
        let subject = "SELECT COUNT(*) FROM revocation WHERE kind = 'api_key'";
        assert_eq!(world.count(subject).await, 1);
        let records = world.records().await;
        let actions: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(actions, ["api_key.create", "api_key.revoke"]);
        assert!(records.iter().all(|record| !record.detail.contains(secret)));
        assert_eq!(records[0].after_digest, records[1].before_digest);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_key_may_no_more_than_its_maker_and_others_do_not_see_it() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let bert = world.hire("bert", BuiltinRole::Agent).await;
        let too_much =
            call!(part, anna, create_api_key, new("CRM", &["sessions.read", "audit.read"])).unwrap_err();
        assert_eq!(told(&too_much), (ErrorKind::Forbidden, "PERMISSION_ESCALATION"));
        assert_eq!(too_much.facts["permissions"], "audit.read");
        let unknown = call!(part, anna, create_api_key, new("CRM", &["all"])).unwrap_err();
        assert_eq!(told(&unknown).1, "UNKNOWN_PERMISSION");
        let nameless = call!(part, anna, create_api_key, new(" ", &["sessions.read"])).unwrap_err();
        assert_eq!(told(&nameless).1, "VALIDATION_ERROR");

        let id = call!(part, anna, create_api_key, new("CRM", &["sessions.read"])).unwrap().key.unwrap().id;
        let revoke = |id: &str| RevokeApiKeyRequest { id: id.into() };
        for (who, id) in
            [(bert, id.as_str()), (anna, "key_x"), (anna, "key_0192f0c1a2b37c4d8e5f60718293a4b5")]
        {
            let failure = call!(part, who, revoke_api_key, revoke(id)).unwrap_err();
            assert_eq!(told(&failure), (ErrorKind::NotFound, "API_KEY_NOT_FOUND"));
        }
        assert!(call!(part, bert, list_api_keys, ListApiKeysRequest {}).unwrap().keys.is_empty());
        assert_eq!(call!(part, boss, list_api_keys, ListApiKeysRequest {}).unwrap().keys.len(), 1);
        call!(part, boss, revoke_api_key, revoke(&id)).unwrap();

        // A key within a key: the scope of the caller's token bounds it too.
        let narrow = super::people::Person {
            permissions: Permissions::of(&[Permission::AccountSelf, Permission::SessionsRead]),
            ..anna
        };
        let failure = call!(part, narrow, create_api_key, new("CRM", &["sessions.serve"])).unwrap_err();
        assert_eq!(told(&failure).1, "PERMISSION_ESCALATION");
        // So does what the account may do now, whatever an older token says.
        let demote = UpdateAgentRequest {
            agent: anna.id(),
            role: Some("guest".into()),
            ..UpdateAgentRequest::default()
        };
        call!(part, boss, update_agent, demote).unwrap();
        let failure = call!(part, anna, create_api_key, new("CRM", &["sessions.read"])).unwrap_err();
        assert_eq!(told(&failure).1, "PERMISSION_ESCALATION");
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_keys() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let mut last = String::new();
        for at in 0..50 {
            let made =
                call!(part, anna, create_api_key, new(&format!("key {at}"), &["sessions.read"])).unwrap();
            last = made.key.unwrap().id;
        }
        let failure = call!(part, anna, create_api_key, new("one more", &["sessions.read"])).unwrap_err();
        assert_eq!(told(&failure), (ErrorKind::Conflict, "TOO_MANY_API_KEYS"));
        call!(part, anna, revoke_api_key, RevokeApiKeyRequest { id: last }).unwrap();
        call!(part, anna, create_api_key, new("one more", &["sessions.read"])).unwrap();
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_repeat_is_told_the_same_key_for_a_day() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let bert = world.hire("bert", BuiltinRole::Agent).await;
        let keyed = |name: &str, fingerprint: &str| CreateApiKeyRequest {
            idempotency: Some(Idempotency { key: "k".into(), fingerprint: fingerprint.into() }),
            ..new(name, &["sessions.read"])
        };
        let made = call!(part, anna, create_api_key, keyed("CRM", "f")).unwrap();
        let again = call!(part, anna, create_api_key, keyed("CRM", "f")).unwrap();
        assert_eq!((&again.key, &again.secret), (&made.key, &made.secret));
        let desk = Desk::edge(&part);
        let ask = || VerifyApiKeyRequest { key: again.secret.clone() };
        assert_eq!(code(desk.call(desk.client().verify_api_key(ask())).await), "OK");
        let other = call!(part, anna, create_api_key, keyed("ERP", "g")).unwrap_err();
        assert_eq!(told(&other), (ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH"));
        let theirs = call!(part, bert, create_api_key, keyed("CRM", "f")).unwrap();
        assert_ne!(theirs.secret, made.secret);
        assert_eq!(world.count("SELECT COUNT(*) FROM api_key").await, 2);
        assert_eq!(world.records().await.len(), 2);
        // Neither the secret nor the idempotency key can be read from the table.
        assert_eq!(world.count("SELECT COUNT(*) FROM api_key WHERE made_key = 'k'").await, 0);
        world.clock.pass(Duration::from_hours(24));
        let later = call!(part, anna, create_api_key, keyed("CRM", "f")).unwrap();
        assert_ne!((later.key.unwrap().id, later.secret), (made.key.unwrap().id, made.secret));
        part.stop().await;
        world.close().await;
    }
}
