//! The outbox becomes deliveries, each event once.

use crate::world::{World, staff};
use std::{collections::BTreeSet, sync::atomic::Ordering};
use switchboard_domain::{BuiltinRole, ErrorKind, Principal, ServiceName};
use switchboard_proto::notifier::v1::ListReceivedRequest;
use switchboard_tests::fakes::{FakeSmtp, smtp::Options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_again_is_sent_once_on_sqlite() {
    comes_again(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_again_is_sent_once_on_postgres() {
    comes_again(World::postgres().await).await;
}

async fn comes_again(world: World) {
    let smtp = FakeSmtp::start(Options::default()).await;
    world.lost_acks.store(2, Ordering::SeqCst);
    let notifier = world.mailing(&smtp, &[("mail.confirm_to_customer", "false")]).await;
    world.many_ask(3).await;
    smtp.wait_for(3).await;
    switchboard_tests::patience::eventually("all is acknowledged", async || {
        (world.lost_acks.load(Ordering::SeqCst) == 0).then_some(())
    })
    .await;
    let settled = notifier.settled(3).await;
    assert!(settled.iter().all(|delivery| delivery.attempts == 1), "{settled:#?}");
    assert_eq!(notifier.list_received(ListReceivedRequest { limit: 10 }).await.unwrap().total, 3);
    notifier.stop().await;
    assert_eq!(smtp.accepted().len(), 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_notifiers_share_the_work_on_postgres() {
    let world = World::postgres().await;
    let smtp = FakeSmtp::start(Options::default()).await;
    let one = world.mailing(&smtp, &[("mail.confirm_to_customer", "false")]).await;
    let two = world.mailing(&smtp, &[("mail.confirm_to_customer", "false")]).await;
    world.many_ask(20).await;
    smtp.wait_for(20).await;
    let (seen, also) = (one.settled(20).await, two.settled(20).await);
    assert_eq!(seen, also);
    one.stop().await;
    two.stop().await;
    let ids: BTreeSet<String> =
        smtp.accepted().iter().map(switchboard_tests::fakes::smtp::Mail::id).collect();
    assert_eq!((ids.len(), smtp.accepted().len()), (20, 20), "each once");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_mail_server_nothing_waits_and_nobody_is_harmed() {
    let world = World::sqlite().await;
    let notifier = world.notifier(&[]).await;
    world.many_ask(1).await;
    switchboard_tests::patience::eventually("the event is received", async || {
        let listed = notifier.list_received(ListReceivedRequest { limit: 10 }).await.unwrap();
        (listed.total == 1).then_some(())
    })
    .await;
    assert!(notifier.deliveries().await.is_empty());
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_look() {
    let world = World::sqlite().await;
    let notifier = world.notifier(&[]).await;
    for limit in [0, 201, u32::MAX] {
        let refused = notifier.list_received(ListReceivedRequest { limit }).await.unwrap_err();
        assert_eq!((refused.kind, &*refused.code), (ErrorKind::Invalid, "INVALID_LIMIT"), "{limit}");
        assert_eq!(refused.facts["max"], "200");
    }
    let agent = notifier.received_as(staff(BuiltinRole::Agent)).await.unwrap_err();
    assert_eq!(agent.kind, ErrorKind::Forbidden);
    assert_eq!(notifier.received_as(Principal::Service(ServiceName::Gateway)).await.unwrap(), 0);
    notifier.stop().await;
    world.stop().await;
}
