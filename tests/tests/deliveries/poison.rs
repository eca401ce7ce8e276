//! What cannot be delivered holds up nothing else: an event on which its receiver chokes, a receiver that is gone.

use crate::world::{Notifier, World};
use std::collections::{BTreeMap, BTreeSet};
use switchboard_proto::notifier::v1::{
    Delivery, DeliveryFilter, DeliveryState, ListDeliveriesRequest, RedriveRequest, redrive_request::What,
};
use switchboard_tests::{
    fakes::{
        FakeWebhook,
        webhook::{Call, WebhookFault},
    },
    patience::eventually,
};

const CUSTOMERS: usize = 200;
/// One in a hundred, by the names that events carry.
const POISON: [&str; 2] = ["\"s41\"", "\"s141\""];
/// The first attempt and one for each pause.
const TRIES: usize = 7;

/// All deliveries to an endpoint.
async fn to(notifier: &Notifier, endpoint: &str) -> Vec<Delivery> {
    let channel = format!("webhook:{endpoint}");
    let mut request = ListDeliveriesRequest {
        filter: Some(DeliveryFilter { channel, ..DeliveryFilter::default() }),
        limit: 200,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let page = notifier.list_deliveries(request.clone()).await.unwrap();
        all.extend(page.deliveries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all;
        }
    }
}

/// Waits until an endpoint's deliveries are over, so many of them well.
async fn over(notifier: &Notifier, endpoint: &str, done: usize) -> Vec<Delivery> {
    eventually(format_args!("{done} of {CUSTOMERS} deliveries are done and the rest is dead"), async || {
        let all = to(notifier, endpoint).await;
        let of = |state| all.iter().filter(|delivery| delivery.state() == state).count();
        let is_over = (of(DeliveryState::Done), of(DeliveryState::Dead)) == (done, CUSTOMERS - done);
        is_over.then_some(all)
    })
    .await
}

/// How often each event was called out.
fn calls_of(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for call in calls {
        *times.entry(call.headers["webhook-id"].clone()).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_and_a_dead_receiver_hold_up_nothing_on_sqlite() {
    undelivered(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_and_a_dead_receiver_hold_up_nothing_on_postgres() {
    undelivered(World::postgres().await).await;
}

async fn undelivered(world: World) {
    let (sound, dead) = (FakeWebhook::start().await, FakeWebhook::start().await);
    sound.choke_on(&POISON);
    dead.fault.set(WebhookFault::Hang);
    // Whatever the dead receiver takes stays open for as long as the test lasts.
    let settings = [
        ("webhooks.allow_private", "true"),
        ("webhooks.allow_http", "true"),
        ("delivery.attempt_timeout", "10m"),
        ("delivery.lease", "11m"),
    ];
    let notifier = world.notifier(&settings).await;
    let (sound_id, _) = notifier.endpoint(&sound.url("/"), &["session.*"]).await;
    let (dead_id, _) = notifier.endpoint(&dead.url("/"), &["session.*"]).await;
    world.many_ask(CUSTOMERS).await;

    // The sound receiver has everything, and gave up on the poison, before the dead one has answered once.
    let all = over(&notifier, &sound_id, CUSTOMERS - POISON.len()).await;
    let open = to(&notifier, &dead_id).await;
    assert_eq!(open.len(), CUSTOMERS);
    assert!(open.iter().all(|delivery| delivery.done_at_ms.is_none()), "the dead one's wait");
    assert!(!dead.calls().is_empty(), "it was tried");

    let poisoned: BTreeSet<String> = all
        .iter()
        .filter(|delivery| delivery.state() == DeliveryState::Dead)
        .map(|delivery| delivery.event_id.clone())
        .collect();
    let named: BTreeSet<&str> = all
        .iter()
        .filter(|delivery| poisoned.contains(&delivery.event_id))
        .map(|delivery| delivery.session.as_str())
        .collect();
    assert_eq!(named, BTreeSet::from(["s141", "s41"]));
    let times = calls_of(&sound.calls());
    assert_eq!(times.len(), CUSTOMERS);
    for (event, times) in &times {
        assert_eq!(*times, if poisoned.contains(event) { TRIES } else { 1 }, "{event}");
    }
    for delivery in all.iter().filter(|delivery| poisoned.contains(&delivery.event_id)) {
        let (_, attempts) = notifier.look_at(&delivery.id).await;
        assert_eq!((delivery.attempts as usize, attempts.len()), (TRIES, TRIES));
        assert!(attempts.iter().all(|attempt| attempt.code == Some(500)));
    }

    // The receiver has been mended: each comes once more, by one command.
    sound.choke_on(&[]);
    let channel = format!("webhook:{sound_id}");
    let filter = DeliveryFilter { channel, ..DeliveryFilter::default() };
    let redrive = RedriveRequest { what: Some(What::Filter(filter)), limit: 1000 };
    assert_eq!(notifier.redrive(redrive.clone()).await.unwrap().redriven, 2);
    over(&notifier, &sound_id, CUSTOMERS).await;
    assert_eq!(notifier.redrive(redrive).await.unwrap().redriven, 0);
    for (event, times) in calls_of(&sound.calls()) {
        assert_eq!(times, if poisoned.contains(&event) { TRIES + 1 } else { 1 }, "{event}");
    }
    notifier.kill().await;
    world.stop().await;
}
