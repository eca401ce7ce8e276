//! Changing passwords, and accounts that must.

use super::{
    desk::{Desk, OTHER, PASSWORD, claims, code, request, revocations},
    world::World,
};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use switchboard_domain::Failure;
use switchboard_proto::agentauth::v1::{
    ChangePasswordRequest, GetMeRequest, LogInResponse, list_revocations_response::revocation::What,
};

async fn change(desk: &Desk<'_>, login: &str, old: &str, new: &str) -> Result<LogInResponse, Failure> {
    let request =
        ChangePasswordRequest { old_password: old.into(), new_password: new.into(), login: login.into() };
    desk.call(desk.client().change_password(request)).await
}

#[tokio::test]
async fn a_changed_password_ends_all_logins_but_goes_on_with_this_one() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let here = Desk::at(&part).log_in(request("admin", PASSWORD)).await.unwrap();
        let elsewhere = Desk::at(&part).log_in(request("admin", PASSWORD)).await.unwrap();
        let desk = Desk::holding(&part, &here).await;
        let before = claims(&part, &here.access_token).await;
        let login = before["sid"].as_str().unwrap();

        for (old, new, expected) in [
            (OTHER, "short", "OLD_PASSWORD_INCORRECT"),
            (PASSWORD, "short", "INVALID_PASSWORD"),
            (PASSWORD, "Correct horse battery staple", "INVALID_PASSWORD"),
            (PASSWORD, PASSWORD, "PASSWORD_SAME"),
        ] {
            assert_eq!(code(change(&desk, login, old, new).await), expected, "{new}");
        }
        for ended in ["", "lgn_0192f0c1a2b37c4d8e5f60718293a4b5"] {
            assert_eq!(code(change(&desk, ended, PASSWORD, OTHER).await), "LOGIN_ENDED");
        }
        let changed = change(&desk, login, PASSWORD, OTHER).await.unwrap();
        let after = claims(&part, &changed.access_token).await;
        assert_eq!(after["sid"], before["sid"]);
        let told = revocations(&part, 0).await.revocations;
        assert_eq!(told[0].what, Some(What::Agent(after["sub"].as_str().unwrap().into())));
        assert!(before["iat"].as_i64().unwrap() * 1000 < told[0].before_ms);
        assert!(after["iat"].as_i64().unwrap() * 1000 >= told[0].before_ms);

        let desk = Desk::at(&part);
        for gone in [&here, &elsewhere] {
            assert_eq!(code(desk.refresh(&gone.refresh_token, "").await), "INVALID_REFRESH_TOKEN");
        }
        assert_eq!(code(desk.refresh(&changed.refresh_token, "").await), "OK");
        assert_eq!(code(desk.log_in(request("admin", PASSWORD)).await), "INVALID_CREDENTIALS");
        assert_eq!(code(desk.log_in(request("admin", OTHER)).await), "OK");
        assert!(world.audited().await.contains(&"agent.change_password".to_owned()));
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn with_a_password_that_must_be_changed_one_may_do_nothing_else() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        world.write("UPDATE agent SET must_change_password = 1").await;
        let answer = Desk::at(&part).log_in(request("admin", PASSWORD)).await.unwrap();
        assert_eq!(answer.permissions, ["account.self"]);
        let refreshed = Desk::at(&part).refresh(&answer.refresh_token, "").await.unwrap();
        assert_eq!(refreshed.permissions, ["account.self"]);
        let desk = Desk::holding(&part, &refreshed).await;
        let me = desk.call(desk.client().get_me(GetMeRequest {})).await.unwrap();
        assert_eq!(me.permissions, ["account.self"]);
        assert!(me.agent.unwrap().must_change_password);

        let login = claims(&part, &refreshed.access_token).await["sid"].as_str().unwrap().to_owned();
        let changed = change(&desk, &login, PASSWORD, OTHER).await.unwrap();
        assert!(changed.permissions.len() > 1 && !changed.agent.unwrap().must_change_password);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_password_is_the_same_however_it_is_composed_and_is_hashed_anew_when_effort_has_grown() {
    let world = World::each_with_password().await.remove(0);
    let part = world.open().await;
    let params = Params::new(8192, 1, 1, None).unwrap();
    let old = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let weak = old.hash_password_with_salt("Grüße an alle".as_bytes(), &[7; 16]).unwrap().to_string();
    let db = world.db().await;
    let set = switchboard_db::sql("UPDATE agent SET password_hash = $1").bind(weak);
    db.transaction::<_, switchboard_db::DbError, _>(move |tx| Box::pin(async move { tx.execute(set).await }))
        .await
        .unwrap();
    Desk::at(&part).log_in(request("admin", "Gru\u{308}ße an alle")).await.unwrap();
    let admins = world.admins().await;
    assert!(admins[0].password_hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    Desk::at(&part).log_in(request("admin", "Grüße an alle")).await.unwrap();
    part.stop().await;
}
