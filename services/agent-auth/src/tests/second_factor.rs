//! One-time codes and recovery codes.

use super::{
    desk::{Desk, PASSWORD, claims, code, request},
    world::World,
};
use crate::totp;
use futures::future::join_all;
use std::time::Duration;
use switchboard_domain::Failure;
use switchboard_proto::agentauth::v1::{
    BeginTotpRequest, ConfirmTotpRequest, DisableTotpRequest, LogInRequest, LogInResponse,
};

const STEP: Duration = Duration::from_secs(30);

fn with(totp: &str) -> LogInRequest {
    LogInRequest { totp: totp.into(), ..request("admin", PASSWORD) }
}

async fn disable(desk: &Desk<'_>, password: &str, code: &str) -> Result<(), Failure> {
    let request = DisableTotpRequest { password: password.into(), code: code.into() };
    desk.call(desk.client().disable_totp(request)).await.map(drop)
}

/// Enrols the admin; answers the secret, the recovery codes and his login.
async fn enrol(world: &World, desk: &Desk<'_>) -> (String, Vec<String>, LogInResponse) {
    let answer = desk.log_in(with("")).await.unwrap();
    let own = Desk::holding(desk.part, &answer).await;
    let confirm = async |code: &str| {
        own.call(own.client().confirm_totp(ConfirmTotpRequest { code: code.into() })).await
    };
    assert_eq!(code(confirm("123456").await), "TOTP_NOT_ENABLED");
    let begin = async |password: &str| {
        own.call(own.client().begin_totp(BeginTotpRequest { password: password.into() })).await
    };
    assert_eq!(code(begin("wrong password").await), "PASSWORD_INCORRECT");
    let begun = begin(PASSWORD).await.unwrap();
    assert!(begun.uri.starts_with("otpauth://totp/Switchboard:admin?secret="), "{}", begun.uri);
    assert_eq!(code(desk.log_in(with("")).await), "OK", "it does not count yet");
    assert_eq!(code(confirm("000000").await), "INVALID_TOTP");
    let now = totp::code(&begun.secret, world.now());
    let codes = confirm(&now).await.unwrap().recovery_codes;
    assert_eq!(code(begin(PASSWORD).await), "TOTP_ENABLED");
    // The code that confirmed was used with that.
    assert_eq!(code(desk.log_in(with(&now)).await), "INVALID_TOTP");
    (begun.secret, codes, answer)
}

#[tokio::test]
async fn a_code_is_asked_for_and_counts_once() {
    for world in World::each_with_password().await {
        let (part, other) = (world.open().await, world.build().await);
        let desk = Desk::at(&part);
        let (secret, _, _) = enrol(&world, &desk).await;
        assert_eq!(code(desk.log_in(with("")).await), "TOTP_REQUIRED");
        assert_eq!(code(desk.log_in(request("admin", "wrong password")).await), "INVALID_CREDENTIALS");
        world.clock.pass(Duration::from_secs(3601));

        // The same code four times at once, on two replicas: one of them logs in.
        let now = totp::code(&secret, world.now());
        let calls = (0..4).map(async |at| {
            let part = if at % 2 == 0 { &part } else { &other };
            Desk::at(part).log_in(with(&now)).await
        });
        let mut outcomes: Vec<String> = join_all(calls).await.into_iter().map(code).collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["INVALID_TOTP", "INVALID_TOTP", "INVALID_TOTP", "OK"]);

        world.clock.pass(STEP);
        let late = totp::code(&secret, world.now());
        world.clock.pass(STEP);
        let answer = desk.log_in(with(&format!("{} {}", &late[..3], &late[3..]))).await.unwrap();
        assert_eq!(claims(&part, &answer.access_token).await["amr"], serde_json::json!(["pwd", "otp"]));
        let refreshed = desk.refresh(&answer.refresh_token, "").await.unwrap();
        assert_eq!(claims(&part, &refreshed.access_token).await["amr"], serde_json::json!(["pwd", "otp"]));
        part.stop().await;
        other.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn recovery_codes_count_once_each_and_the_factor_can_be_removed() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let desk = Desk::at(&part);
        let (secret, codes, answer) = enrol(&world, &desk).await;
        assert_eq!(codes.len(), 10);
        assert!(codes.iter().all(|code| code.len() == 19), "{codes:?}");
        assert_eq!(code(desk.log_in(with(&codes[0].to_uppercase())).await), "OK");
        assert_eq!(code(desk.log_in(with(&codes[0])).await), "INVALID_TOTP");
        assert_eq!(code(desk.log_in(with(&codes[1].replace('-', ""))).await), "OK");
        let stored = world.texts("SELECT hash FROM recovery_code").await;
        assert!(stored.iter().all(|hash| hash.len() == 64));

        let own = Desk::holding(&part, &answer).await;
        world.clock.pass(STEP);
        assert_eq!(code(disable(&own, "wrong password", &codes[2]).await), "PASSWORD_INCORRECT");
        assert_eq!(code(disable(&own, PASSWORD, "").await), "TOTP_REQUIRED");
        assert_eq!(code(disable(&own, PASSWORD, &codes[1]).await), "INVALID_TOTP");
        assert_eq!(code(disable(&own, PASSWORD, &totp::code(&secret, world.now())).await), "OK");
        assert_eq!(code(disable(&own, PASSWORD, &codes[2]).await), "TOTP_NOT_ENABLED");
        assert_eq!(code(desk.log_in(with("")).await), "OK");
        assert_eq!(world.count("SELECT COUNT(*) FROM recovery_code").await, 0);
        let audited = world.audited().await;
        for action in ["agent.begin_totp", "agent.enable_totp", "agent.disable_totp"] {
            assert!(audited.contains(&action.to_owned()), "{audited:?}");
        }
        part.stop().await;
        world.close().await;
    }
}
