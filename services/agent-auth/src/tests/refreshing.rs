//! Refresh tokens: used once, repeated within the grace, stolen.

use super::{
    desk::{DEVICE, Desk, PASSWORD, claims, code, request, revocations},
    world::{Part, World},
};
use futures::future::join_all;
use std::{collections::BTreeSet, time::Duration};
use switchboard_proto::agentauth::v1::LogInRequest;

const GRACE: Duration = Duration::from_secs(10);

async fn log_in(part: &Part) -> String {
    Desk::at(part).log_in(request("admin", PASSWORD)).await.unwrap().refresh_token
}

#[tokio::test]
async fn eight_at_once_with_lost_answers_are_one_branch_and_nobody_is_logged_out() {
    for world in World::each_with_password().await {
        // Two replicas.
        let (one, other) = (world.open().await, world.build().await);
        let mut token = log_in(&one).await;
        for round in 0..6 {
            let calls = (0..8).map(async |at| {
                let desk = Desk::at(if at % 2 == 0 { &one } else { &other });
                desk.refresh(&token, "").await.unwrap().refresh_token
            });
            let next: BTreeSet<String> = join_all(calls).await.into_iter().collect();
            assert_eq!(next.len(), 1, "{next:?}");
            // All answers of every third round are lost: the old token is tried again a little later.
            world.clock.pass(GRACE / 2);
            if round % 3 == 2 {
                let again = Desk::at(&other).refresh(&token, "").await.unwrap();
                assert_eq!(Some(&again.refresh_token), next.first());
            }
            token = next.into_iter().next().unwrap();
        }
        assert_eq!(world.count("SELECT COUNT(*) FROM refresh_token WHERE used_at IS NULL").await, 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM login WHERE ended_at IS NULL").await, 1);
        one.stop().await;
        other.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_repeat_after_the_grace_or_after_the_successor_was_used_ends_the_login() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let desk = Desk::at(&part);
        for is_late in [true, false] {
            let stolen = log_in(&part).await;
            let untouched = log_in(&part).await;
            let first = desk.refresh(&stolen, "").await.unwrap();
            let mut live = first.refresh_token;
            world.clock.pass(GRACE);
            if is_late {
                assert_eq!(code(desk.refresh(&stolen, "").await), "OK", "the last moment of the grace");
                world.clock.pass(Duration::from_millis(1));
            } else {
                live = desk.refresh(&live, "").await.unwrap().refresh_token;
            }
            assert_eq!(code(desk.refresh(&stolen, "").await), "REFRESH_TOKEN_REUSED");
            // Thief and victim are both out; other logins are not.
            assert_eq!(code(desk.refresh(&live, "").await), "INVALID_REFRESH_TOKEN");
            assert_eq!(code(desk.refresh(&stolen, "").await), "INVALID_REFRESH_TOKEN");
            assert_eq!(code(desk.refresh(&untouched, "").await), "OK");
        }
        let reuses = world.audited().await.into_iter().filter(|action| action == "login.detect_reuse");
        assert_eq!((reuses.count(), revocations(&part, 0).await.revocations.len()), (2, 2));
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_login_ends_when_it_lies_idle_and_when_it_is_old() {
    let world = World::each_with_password().await.remove(0);
    let part = world.open().await;
    let desk = Desk::at(&part);
    let idle = desk.log_in(request("admin", PASSWORD)).await.unwrap();
    assert_eq!(idle.refresh_expires_in_ms, 604_800_000);
    let idle = idle.refresh_token;
    let mut used = log_in(&part).await;
    for day in 0..7 {
        world.clock.pass(Duration::from_secs(86_399));
        let answer = desk.refresh(&used, "").await.unwrap();
        used = answer.refresh_token;
        let left = (7 * 86_400 - (day + 1) * 86_399) * 1000;
        assert_eq!(answer.refresh_expires_in_ms, left, "day {day}");
    }
    assert_eq!(code(desk.refresh(&idle, "").await), "INVALID_REFRESH_TOKEN");
    world.clock.pass(Duration::from_secs(7));
    assert_eq!(code(desk.refresh(&used, "").await), "INVALID_REFRESH_TOKEN");
    // Then nothing is left of either.
    crate::cleanup::run(&world.store().await, &super::settings(), world.now()).await.unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM refresh_token").await, 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM login").await, 0);
    part.stop().await;
}

#[tokio::test]
async fn a_token_is_bound_to_its_device_and_its_account() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        let desk = Desk::at(&part);
        let wanted = LogInRequest { device_id: DEVICE.into(), ..request("admin", PASSWORD) };
        let token = desk.log_in(wanted).await.unwrap().refresh_token;
        for elsewhere in ["", "another device"] {
            assert_eq!(code(desk.refresh(&token, elsewhere).await), "INVALID_REFRESH_TOKEN");
        }
        let answer = desk.refresh(&token, DEVICE).await.unwrap();
        for bad in
            ["", "rt_", &answer.access_token, &answer.refresh_token[3..], &format!("rt_{}", "A".repeat(43))]
        {
            assert_eq!(code(desk.refresh(bad, DEVICE).await), "INVALID_REFRESH_TOKEN", "{bad}");
        }
        world.write("UPDATE agent SET role = 'guest'").await;
        let answer = desk.refresh(&answer.refresh_token, DEVICE).await.unwrap();
        assert_eq!(claims(&part, &answer.access_token).await["role"], "guest");
        assert_eq!(answer.permissions, ["account.self", "stats.read"]);
        world.write("UPDATE agent SET role = 'gone'").await;
        let answer = desk.refresh(&answer.refresh_token, DEVICE).await.unwrap();
        assert_eq!(answer.permissions, ["account.self"]);
        for gone in
            ["UPDATE agent SET disabled_at = 1", "UPDATE agent SET disabled_at = NULL, deleted_at = 1"]
        {
            world.write(gone).await;
            assert_eq!(code(desk.refresh(&answer.refresh_token, DEVICE).await), "INVALID_REFRESH_TOKEN");
        }
        // Being refused uses nothing up.
        world.write("UPDATE agent SET deleted_at = NULL").await;
        assert_eq!(code(desk.refresh(&answer.refresh_token, DEVICE).await), "OK");
        part.stop().await;
        world.close().await;
    }
}
