//! What an attacker gets for his effort: how many of many attempts are compared at all, and what an answer tells.

use super::{
    desk::{DEVICE, OTHER, PASSWORD, request},
    world::World,
};
use crate::{
    changes::Changes, hashing::Hasher, keys::Keys, login::Logins, presence::Presence, schedule::Schedule,
};
use futures::future::join_all;
use std::{net::IpAddr, sync::Arc, time::Duration};
use switchboard_boot::system::{SystemClock, SystemRng};
use switchboard_domain::{Clock, Failure, Principal, ServiceName};
use switchboard_mesh::{CallContext, Fail as _};
use switchboard_proto::agentauth::v1::LogInRequest;

/// Everything that logging in needs, on the data of a part that has made the first admin and is gone.
async fn logins(world: &World) -> Logins {
    world.open().await.stop().await;
    let (settings, store) = (super::settings(), world.store().await);
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let keys = Keys::open(store.clone(), Schedule::new(&settings), Arc::clone(&clock)).await.unwrap();
    let presence = settings.presence.clone();
    Logins {
        keys: Arc::new(keys),
        hasher: Hasher::new(&settings, Arc::new(SystemRng)),
        presence: Presence::new(world.db().await, Arc::clone(&clock), presence, Changes::default()),
        settings: Arc::new(settings),
        rng: Arc::new(SystemRng),
        clock,
        store,
    }
}

/// What is told to somebody at an address who tries to log in.
async fn attempt(logins: &Logins, from: IpAddr, request: LogInRequest) -> Option<Failure> {
    let edge = CallContext::background(ServiceName::Gateway, &SystemClock, &SystemRng);
    let context = CallContext { client: Some(from), ..edge }.acting_as(Principal::Anonymous);
    context.scope(logins.log_in(request)).await.err().map(|error| error.failure())
}

fn at_home(password: &str) -> LogInRequest {
    LogInRequest { device_id: DEVICE.into(), ..request("admin", password) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_guesses_in_an_hour_a_hundred_are_compared_at_most_and_the_owner_works_on() {
    const STEPS: u32 = 200;
    const AT_ONCE: u32 = 50;
    /// 198.18.0.0
    const FIRST: u32 = 0xC612_0000;
    let world = World::each_with_password().await.remove(0);
    let logins = logins(&world).await;
    let home = IpAddr::from([192, 0, 2, 1]);
    assert_eq!(attempt(&logins, home, at_home(PASSWORD)).await, None);
    let (mut heard, mut refused, mut owners) = (0, 0, 1);
    for step in 0..STEPS {
        // A thousand addresses in turn.
        let guesses = (0..AT_ONCE).map(|n| {
            let address = (FIRST + (step * AT_ONCE + n) % 1000).to_be_bytes();
            attempt(&logins, IpAddr::from(address), request("admin", OTHER))
        });
        for told in join_all(guesses).await {
            match told.unwrap().code.as_ref() {
                "INVALID_CREDENTIALS" => heard += 1,
                "TOO_MANY_ATTEMPTS" => refused += 1,
                other => panic!("{other}"),
            }
        }
        if step % 50 == 49 {
            assert_eq!(attempt(&logins, home, at_home(PASSWORD)).await, None, "without any wait");
            owners += 1;
        }
        world.clock.pass(Duration::from_hours(1) / STEPS);
    }
    assert_eq!(heard + refused, 10_000);
    assert_eq!(logins.hasher.compared(), heard + owners, "who is refused costs no hash");
    assert!((50..=100).contains(&heard), "{heard} of 10 000 were compared");
    // And the guesses that found the owner's password by then would have been told to wait like all others.
    let stranger =
        attempt(&logins, IpAddr::from([198, 51, 100, 1]), request("admin", PASSWORD)).await.unwrap();
    assert_eq!(stranger.code, "TOO_MANY_ATTEMPTS");
    assert!(stranger.retry_after.unwrap() <= super::settings().throttle_delay_max);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_does_not_tell_whether_there_is_such_a_name() {
    let world = World::each_with_password().await.remove(0);
    let logins = logins(&world).await;
    let device = |name: &str| LogInRequest { device_id: DEVICE.into(), ..request(name, OTHER) };
    let with_code = |name: &str| LogInRequest { totp: "123456".into(), ..request(name, OTHER) };
    let mut told = Vec::new();
    for (round, (one, other)) in [
        (request("admin", OTHER), request("nobody", OTHER)),
        (request("Admin", ""), request(" NOBODY", "")),
        (device("admin"), device("nobody")),
        (with_code("admin"), with_code("nobody")),
        (request("admin", OTHER), request("nobody", OTHER)),
        // By now both have to wait, for as long.
        (request("admin", OTHER), request("nobody", OTHER)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut answers = Vec::new();
        for request in [one, other] {
            let before = logins.hasher.compared();
            let told = attempt(&logins, IpAddr::from([192, 0, 2, 9]), request).await.unwrap();
            answers.push((told, logins.hasher.compared() - before));
        }
        assert_eq!(answers[0], answers[1], "{round}");
        told.push((answers[0].0.code.to_string(), answers[0].1));
    }
    let (wrong, waits) = (("INVALID_CREDENTIALS".to_owned(), 1), ("TOO_MANY_ATTEMPTS".to_owned(), 0));
    assert_eq!(told, [wrong.clone(), wrong.clone(), wrong.clone(), wrong.clone(), wrong, waits]);
}
