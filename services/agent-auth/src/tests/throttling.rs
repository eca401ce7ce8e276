//! Guessing passwords: slow for strangers, never in the way of the owner's own device.

use super::{
    desk::{DEVICE, Desk, OTHER, PASSWORD, code, request},
    world::{Part, World},
};
use futures::future::join_all;
use std::time::Duration;
use switchboard_domain::ErrorKind;
use switchboard_proto::agentauth::v1::LogInRequest;

async fn guess(part: &Part, username: &str, address: &str) -> String {
    code(Desk::at(part).from(address).log_in(request(username, OTHER)).await)
}

fn on_device(password: &str, device: &str) -> LogInRequest {
    LogInRequest { device_id: device.into(), ..request("admin", password) }
}

#[tokio::test]
async fn strangers_wait_and_the_known_device_does_not() {
    for world in World::each_with_password().await {
        let part = world.open().await;
        assert_eq!(code(Desk::at(&part).log_in(on_device(PASSWORD, DEVICE)).await), "OK");

        // From all over the world, to a name that exists and to one that does not.
        for username in ["admin", "nobody"] {
            for attempt in 0..5 {
                let address = format!("198.51.100.{attempt}");
                assert_eq!(guess(&part, username, &address).await, "INVALID_CREDENTIALS", "{attempt}");
            }
            let refused =
                Desk::at(&part).from("198.51.100.9").log_in(request(username, PASSWORD)).await.unwrap_err();
            assert_eq!((refused.kind, refused.code.as_ref()), (ErrorKind::RateLimited, "TOO_MANY_ATTEMPTS"));
            assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
        }
        // The owner is at home, and mistypes once.
        assert_eq!(code(Desk::at(&part).log_in(on_device(OTHER, DEVICE)).await), "INVALID_CREDENTIALS");
        assert_eq!(code(Desk::at(&part).log_in(on_device(PASSWORD, DEVICE)).await), "OK");
        // A stranger who says that he is on some device is one all the same.
        let elsewhere = on_device(PASSWORD, "laptop-0000000000000000");
        assert_eq!(code(Desk::at(&part).log_in(elsewhere).await), "TOO_MANY_ATTEMPTS");

        // Nobody is locked out: after the wait the right password is heard, and forgives what was before.
        world.clock.pass(Duration::from_secs(1));
        assert_eq!(code(Desk::at(&part).log_in(request("admin", PASSWORD)).await), "OK");
        for attempt in 0..5 {
            assert_eq!(guess(&part, "admin", "198.51.100.77").await, "INVALID_CREDENTIALS", "{attempt}");
        }
        assert_eq!(guess(&part, "admin", "198.51.100.77").await, "TOO_MANY_ATTEMPTS");
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_known_device_has_a_tally_of_its_own_and_is_forgotten_in_time() {
    let world = World::each_with_password().await.remove(0);
    let part = world.open().await;
    assert_eq!(code(Desk::at(&part).log_in(on_device(PASSWORD, DEVICE)).await), "OK");
    for _ in 0..5 {
        assert_eq!(code(Desk::at(&part).log_in(on_device(OTHER, DEVICE)).await), "INVALID_CREDENTIALS");
    }
    assert_eq!(code(Desk::at(&part).log_in(on_device(PASSWORD, DEVICE)).await), "TOO_MANY_ATTEMPTS");
    assert_eq!(
        code(Desk::at(&part).log_in(request("admin", PASSWORD)).await),
        "OK",
        "others are not hindered"
    );
    world.clock.pass(super::settings().device_memory);
    for _ in 0..5 {
        assert_eq!(guess(&part, "admin", "198.51.100.1").await, "INVALID_CREDENTIALS");
    }
    assert_eq!(code(Desk::at(&part).log_in(on_device(PASSWORD, DEVICE)).await), "TOO_MANY_ATTEMPTS");
    crate::cleanup::run(&world.store().await, &super::settings(), world.now()).await.unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM known_device").await, 0);
    part.stop().await;
}

#[tokio::test]
async fn a_hundred_guesses_at_once_are_five() {
    for world in World::each_with_password().await {
        let (part, other) = (world.open().await, world.build().await);
        let guesses = (0..100).map(async |at| {
            let part = if at % 2 == 0 { &part } else { &other };
            guess(part, "admin", &format!("198.51.100.{at}")).await
        });
        let outcomes = join_all(guesses).await;
        let count = |code: &str| outcomes.iter().filter(|outcome| *outcome == code).count();
        // Those that found no place to be hashed in are not counted, and may have made room for others.
        assert_eq!(count("INVALID_CREDENTIALS"), 5, "{outcomes:?}");
        assert_eq!(count("TOO_MANY_ATTEMPTS") + count("BUSY"), 95);
        let failures = world.count("SELECT COUNT(*) FROM audit WHERE action = 'login.fail'").await;
        assert_eq!(failures, 1, "the first of a series");
        part.stop().await;
        other.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn one_address_cannot_try_a_password_on_everybody() {
    let world = World::each_with_password().await.remove(0);
    let part = world.open().await;
    for attempt in 0..20 {
        let name = format!("agent{attempt:03}");
        assert_eq!(guess(&part, &name, "2001:db8::1").await, "INVALID_CREDENTIALS");
    }
    assert_eq!(guess(&part, "agent999", "2001:db8::2").await, "TOO_MANY_ATTEMPTS");
    // From there the right password has to wait too, but it does not count.
    world.clock.pass(Duration::from_secs(1));
    let from_there = || Desk::at(&part).from("2001:db8::3");
    for _ in 0..3 {
        assert_eq!(code(from_there().log_in(request("admin", PASSWORD)).await), "OK");
    }
    assert_eq!(guess(&part, "agent998", "2001:db8::4").await, "INVALID_CREDENTIALS");
    assert_eq!(guess(&part, "agent997", "2001:db8::4").await, "TOO_MANY_ATTEMPTS");
    part.stop().await;
}
