//! A notifier that dies loses nothing, and repeats one mail at most.

use crate::world::World;
use switchboard_proto::notifier::v1::DeliveryState;
use switchboard_tests::fakes::{
    FakeSmtp,
    smtp::{Options, SmtpFault, Step},
};

/// The shortest lease there can be.
const LEASE: [(&str, &str); 3] =
    [("mail.confirm_to_customer", "false"), ("delivery.attempt_timeout", "1s"), ("delivery.lease", "6s")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_acceptance_and_record_on_sqlite() {
    killed(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_acceptance_and_record_on_postgres() {
    killed(World::postgres().await).await;
}

async fn killed(world: World) {
    let smtp = FakeSmtp::start(Options::default()).await;
    // The mail is kept, the reply never comes.
    smtp.fault.set_times(SmtpFault::Hang(Step::Dot), 1);
    let patient = [LEASE[0], ("delivery.attempt_timeout", "10s"), ("delivery.lease", "15s")];
    let first = world.mailing(&smtp, &patient).await;
    world.many_ask(1).await;
    let mails = smtp.wait_for(1).await;
    let before = first.deliveries().await.remove(0);
    assert_eq!((before.state(), before.attempts), (DeliveryState::Sending, 1));
    first.kill().await;

    let second = world.mailing(&smtp, &LEASE).await;
    let after = second.settled(1).await.remove(0);
    assert_eq!((after.state(), after.attempts), (DeliveryState::Done, 2));
    let (_, attempts) = second.look_at(&after.id).await;
    assert_eq!(
        attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(),
        [2],
        "the first was cut off"
    );
    let all = smtp.accepted();
    assert_eq!(all.len(), 2, "one duplicate for one kill");
    assert!(all.iter().all(|mail| mail.id() == mails[0].id() && Some(mail.id()) == after.message_id));
    second.stop().await;
    world.stop().await;
}
