//! Logging in and out, and one's own account.

use super::{
    desk::{DEVICE, Desk, OTHER, PASSWORD, claims, code, request, revocations},
    world::World,
};
use serde_json::json;
use std::time::Duration;
use switchboard_domain::{BuiltinRole, ErrorKind, Permission};
use switchboard_proto::agentauth::v1::{
    GetMeRequest, ListLoginsRequest, LogInRequest, LogOutRequest, UpdateMeRequest, VerifyApiKeyRequest,
    list_revocations_response::revocation::What,
};

#[tokio::test]
async fn a_token_says_who_logged_in_and_what_he_may() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let wanted = LogInRequest {
            device_id: DEVICE.into(),
            user_agent: "Firefox/140".into(),
            ..request(" ADMIN ", PASSWORD)
        };
        let answer = Desk::at(&part).log_in(wanted).await.unwrap();
        assert_eq!((answer.expires_in_ms, answer.refresh_expires_in_ms), (900_000, 604_800_000));
        assert!(answer.access_token.len() <= 2048, "{}", answer.access_token.len());
        let agent = answer.agent.clone().unwrap();
        assert_eq!((agent.username.as_str(), agent.status.as_str()), ("admin", "online"));
        assert_eq!(agent.last_login_at_ms, Some(world.clock.seconds() * 1000 + 123));

        let claims = claims(&part, &answer.access_token).await;
        let now = world.clock.seconds();
        assert_eq!(
            claims,
            json!({
                "iss": "switchboard", "aud": "agent", "sub": agent.id, "sid": claims["sid"], "jti": claims["jti"],
                "iat": now, "nbf": now, "exp": now + 900, "name": "admin", "username": "admin", "role": "admin",
                "pv": 1, "permissions": BuiltinRole::Admin.permissions().to_string(), "amr": ["pwd"],
            })
        );
        assert_eq!(answer.permissions.len(), Permission::ALL.len());

        // The id does as well as the name.
        let again = Desk::at(&part).log_in(request(&agent.id, PASSWORD)).await.unwrap();
        assert_ne!(again.refresh_token, answer.refresh_token);
        let desk = Desk::holding(&part, &again).await;
        let logins = desk.call(desk.client().list_logins(ListLoginsRequest {})).await.unwrap().logins;
        let mut told: Vec<_> = logins
            .iter()
            .map(|login| (login.device_id.as_str(), login.user_agent.as_str(), login.ip.as_str()))
            .collect();
        told.sort_unstable();
        assert_eq!(told, [("", "", "192.0.2.1"), (DEVICE, "Firefox/140", "192.0.2.1")]);
        assert_eq!(world.audited().await, ["login.open", "login.open"]);
        let actors = world.texts("SELECT actor FROM audit").await;
        assert_eq!(actors, [format!("agent:{}", agent.id), format!("agent:{}", agent.id)]);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_get_the_same_answer() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let desk = Desk::at(&part);
        let wrong = desk.log_in(request("admin", OTHER)).await.unwrap_err();
        let unknown = desk.log_in(request("nobody", OTHER)).await.unwrap_err();
        let id = desk.log_in(request("agt_0192f0c1a2b37c4d8e5f60718293a4b5", OTHER)).await.unwrap_err();
        let odd = desk.log_in(request("no <such> name", OTHER)).await.unwrap_err();
        assert_eq!((wrong.kind, wrong.code.as_ref()), (ErrorKind::Unauthenticated, "INVALID_CREDENTIALS"));
        assert!(wrong.facts.is_empty(), "{:?}", wrong.facts);
        assert_eq!([&unknown, &id, &odd], [&wrong; 3]);

        // Who knows the password of a disabled account is told so, nobody else is.
        world.write("UPDATE agent SET disabled_at = 1").await;
        assert_eq!(desk.log_in(request("admin", OTHER)).await.unwrap_err(), wrong);
        assert_eq!(code(desk.log_in(request("admin", PASSWORD)).await), "ACCOUNT_DISABLED");
        world.write("UPDATE agent SET disabled_at = NULL, deleted_at = 1").await;
        assert_eq!(desk.from("192.0.2.2").log_in(request("admin", PASSWORD)).await.unwrap_err(), wrong);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn fields_that_are_far_too_long_are_refused() {
    let world = World::each_with_password().await.remove(0);
    let part = world.open().await;
    for bad in [
        request(&"x".repeat(129), PASSWORD),
        request("admin", &"x".repeat(513)),
        LogInRequest { device_id: "x".repeat(129), ..request("admin", PASSWORD) },
        LogInRequest { totp: "1".repeat(65), ..request("admin", PASSWORD) },
    ] {
        assert_eq!(code(Desk::at(&part).log_in(bad).await), "MALFORMED_MESSAGE");
    }
    part.stop().await;
}

#[tokio::test]
async fn logging_out_ends_one_login_or_all() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(Desk::at(&part).log_in(request("admin", PASSWORD)).await.unwrap());
        }
        let desk = Desk::holding(&part, &answers[0]).await;
        let first = claims(&part, &answers[0].access_token).await;
        let login = first["sid"].as_str().unwrap().to_owned();
        let before = revocations(&part, 0).await;
        assert_eq!((before.revocations.len(), before.cursor), (0, 0));

        // Twice is once.
        for _ in 0..2 {
            let out = LogOutRequest { login: login.clone(), everywhere: false };
            desk.call(desk.client().log_out(out)).await.unwrap();
        }
        let told = revocations(&part, before.cursor).await;
        assert_eq!(told.revocations.len(), 1);
        assert_eq!(told.revocations[0].what, Some(What::Login(login)));
        let token = |at: usize| answers[at].refresh_token.as_str();
        assert_eq!(code(Desk::at(&part).refresh(token(0), "").await), "INVALID_REFRESH_TOKEN");
        assert_eq!(code(Desk::at(&part).refresh(token(1), "").await), "OK");

        let out = LogOutRequest { login: String::new(), everywhere: true };
        desk.call(desk.client().log_out(out)).await.unwrap();
        let last = revocations(&part, told.cursor).await;
        let [all] = last.revocations.as_slice() else { panic!("{last:?}") };
        assert_eq!(all.what, Some(What::Agent(first["sub"].as_str().unwrap().into())));
        // Every token issued so far is from before; it says so in whole seconds.
        assert_eq!(all.before_ms, (world.clock.seconds() + 1) * 1000);
        assert_eq!(all.until_ms, world.clock.seconds() * 1000 + 123 + 960_000);
        for at in 1..3 {
            assert_eq!(code(Desk::at(&part).refresh(token(at), "").await), "INVALID_REFRESH_TOKEN");
        }
        // A login right after is not from before.
        let next = Desk::at(&part).log_in(request("admin", PASSWORD)).await.unwrap();
        let next = claims(&part, &next.access_token).await;
        assert!(next["iat"].as_i64().unwrap() * 1000 >= all.before_ms);

        // Whoever asks with an old cursor, or one from another life of the database, gets all that still matters.
        assert_eq!(revocations(&part, 0).await.revocations.len(), 2);
        assert_eq!(revocations(&part, 1_000_000).await.revocations.len(), 2);
        assert_eq!(revocations(&part, last.cursor).await.revocations.len(), 0);
        world.clock.pass(Duration::from_mins(16));
        assert_eq!(revocations(&part, 0).await.revocations.len(), 0);
        assert_eq!(
            world.audited().await[3..],
            ["login.end", "login.end_all", "login.open"].map(str::to_owned)
        );
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn one_sees_and_changes_ones_own_account() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let answer = Desk::at(&part).log_in(request("admin", PASSWORD)).await.unwrap();
        let desk = Desk::holding(&part, &answer).await;
        let me = desk.call(desk.client().get_me(GetMeRequest {})).await.unwrap();
        assert_eq!((me.agent.clone(), me.permissions), (answer.agent, answer.permissions));

        let change = |name: Option<&str>, avatar_url: Option<&str>| UpdateMeRequest {
            name: name.map(str::to_owned),
            avatar_url: avatar_url.map(str::to_owned),
        };
        for (bad, expected) in [
            (change(None, None), "NO_FIELDS_TO_UPDATE"),
            (change(Some("  "), None), "VALIDATION_ERROR"),
            (change(None, Some("http://x.example/a.png")), "VALIDATION_ERROR"),
        ] {
            assert_eq!(code(desk.call(desk.client().update_me(bad)).await), expected);
        }
        let update = change(Some(" 客服小王 "), Some("https://cdn.example/a.png"));
        let changed = desk.call(desk.client().update_me(update)).await.unwrap().agent.unwrap();
        assert_eq!(
            (changed.name.as_str(), changed.avatar_url.as_str()),
            ("客服小王", "https://cdn.example/a.png")
        );
        assert_eq!(changed.version, me.agent.unwrap().version + 1);
        let only = desk.call(desk.client().update_me(change(None, Some("")))).await.unwrap().agent.unwrap();
        assert_eq!((only.name.as_str(), only.avatar_url.as_str()), ("客服小王", ""));
        assert_eq!(world.audited().await, ["login.open", "agent.update", "agent.update"]);
        assert_eq!(code(Desk::at(&part).call(desk.client().get_me(GetMeRequest {})).await), "TOKEN_REQUIRED");
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn an_api_key_may_what_its_scope_and_its_account_may() {
    const KEY: &str =
        "INSERT INTO api_key (id, agent_id, name, hint, secret_hash, permissions, created_at, expires_at)
        SELECT 'key_0192f0c1a2b37c4d8e5f60718293a4b5', id, 'crm', 'swb_0192', 'HASH',
        '[\"stats.read\",\"keys.manage\",\"from.the.future\"]', 1, 1700000003000 FROM agent";
    for world in World::each_with_password().await {
        let part = world.open().await;
        // SHA-256 of the empty secret's stand-in.
        world.write(KEY).await;
        world
            .write("UPDATE api_key SET secret_hash = '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b'")
            .await;
        let desk = Desk::edge(&part);
        let verify = async |key: &str| {
            desk.call(desk.client().verify_api_key(VerifyApiKeyRequest { key: key.into() })).await
        };
        let key = "swb_0192f0c1a2b37c4d8e5f60718293a4b5_secret";
        let told = verify(key).await.unwrap();
        assert_eq!((told.username.as_str(), told.role.as_str()), ("admin", "admin"));
        assert_eq!(told.key_id, "key_0192f0c1a2b37c4d8e5f60718293a4b5");
        assert_eq!(told.permissions, "4400", "stats.read is bit 10, keys.manage bit 14");
        assert_eq!(told.max_age_ms, 2877, "no longer than it lives");
        world.write("UPDATE agent SET role = 'guest'").await;
        assert_eq!(verify(key).await.unwrap().permissions, "400");
        world.write("UPDATE agent SET must_change_password = 1").await;
        assert_eq!(verify(key).await.unwrap().permissions, "0");
        for bad in [
            "",
            "swb_0192f0c1a2b37c4d8e5f60718293a4b5_secret2",
            "swb_0192f0c1a2b37c4d8e5f60718293a4b6_secret",
        ] {
            assert_eq!(code(verify(bad).await), "INVALID_API_KEY");
        }
        world.write("UPDATE agent SET disabled_at = 1").await;
        assert_eq!(code(verify(key).await), "INVALID_API_KEY");
        world.write("UPDATE agent SET disabled_at = NULL").await;
        world.clock.pass(Duration::from_secs(3));
        assert_eq!(code(verify(key).await), "INVALID_API_KEY", "expired");
        // The soft stop writes down when it was used.
        part.stop().await;
        assert_eq!(world.count("SELECT last_used_at FROM api_key").await, 1_700_000_000_123);
        world.close().await;
    }
}
