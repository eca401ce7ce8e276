//! Endpoints are called, signed, and never inside.

use crate::world::{Notifier, World};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use switchboard_proto::notifier::v1::{
    DeliveryState, RotateEndpointSecretRequest, TestEndpointRequest, UpdateEndpointRequest,
};
use switchboard_tests::{
    fakes::{
        FakeWebhook, refused_address,
        webhook::{Call, WebhookFault},
    },
    patience::eventually,
};

const INSIDE: [(&str, &str); 2] = [("webhooks.allow_private", "true"), ("webhooks.allow_http", "true")];

/// What a receiver computes.
fn signature(secret: &str, call: &Call) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed =
        format!("{}.{}.{}", call.headers["webhook-id"], call.headers["webhook-timestamp"], call.body);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

async fn test(notifier: &Notifier, endpoint: &str) -> String {
    notifier.test_endpoint(TestEndpointRequest { endpoint: endpoint.into() }).await.unwrap().delivery
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_called_out_signed_on_sqlite() {
    called(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_called_out_signed_on_postgres() {
    called(World::postgres().await).await;
}

async fn called(world: World) {
    let hook = FakeWebhook::start().await;
    let notifier = world.notifier(&INSIDE).await;
    let (id, secret) = notifier.endpoint(&hook.url("/hook?a=b"), &["session.*"]).await;
    notifier.endpoint(&hook.url("/never"), &["ticket.*"]).await;
    world.many_ask(1).await;
    let call = hook.wait_for(1).await.remove(0);
    assert_eq!(call.path, "/hook?a=b");
    let body: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(body["type"], "session.after_hours_request");
    assert_eq!(body["data"]["session_name"], "s0");
    assert_eq!(body["data"]["event_id"], call.headers["webhook-id"].as_str());
    assert!(body["data"]["seq"].as_i64().unwrap() > 1);
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'), "{body}");
    assert_eq!(call.headers["content-type"], "application/json");
    assert_eq!(call.headers["webhook-signature"], signature(&secret, &call));

    let rotated = RotateEndpointSecretRequest { endpoint: id.clone() };
    let new = notifier.rotate_endpoint_secret(rotated).await.unwrap();
    assert_eq!(new.endpoint.unwrap().secrets.len(), 2);
    test(&notifier, &id).await;
    let call = hook.wait_for(2).await.remove(1);
    let signed = format!("{} {}", signature(&new.secret, &call), signature(&secret, &call));
    assert_eq!(call.headers["webhook-signature"], signed);
    assert!(call.body.contains("notifier.test"));
    notifier.settled(2).await;
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_that_the_receiver_knows_outlives_rotations_whose_answers_were_lost() {
    let world = World::sqlite().await;
    let hook = FakeWebhook::start().await;
    let notifier = world.notifier(&INSIDE).await;
    let (id, known) = notifier.endpoint(&hook.url("/hook"), &["ticket.*"]).await;
    let rotate = || async {
        notifier.rotate_endpoint_secret(RotateEndpointSecretRequest { endpoint: id.clone() }).await
    };
    rotate().await.unwrap(); // the answer is lost, and it is asked again
    let again = rotate().await.unwrap();
    assert_eq!(again.endpoint.unwrap().secrets.len(), 3);
    test(&notifier, &id).await;
    let call = hook.wait_for(1).await.remove(0);
    let signatures: BTreeSet<&str> = call.headers["webhook-signature"].split(' ').collect();
    assert_eq!(signatures.len(), 3);
    for secret in [&known, &again.secret] {
        assert!(signatures.contains(signature(secret, &call).as_str()), "{signatures:?}");
    }
    // They do not become more and more.
    for _ in 0..3 {
        let rotated = rotate().await.unwrap();
        assert!(rotated.endpoint.unwrap().secrets.len() <= 4);
    }
    notifier.settled(1).await;
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_decide_what_follows() {
    let world = World::sqlite().await;
    let hook = FakeWebhook::start().await;
    let settings = [INSIDE[0], INSIDE[1], ("delivery.attempt_timeout", "3s")];
    let notifier = world.notifier(&settings).await;
    let (id, _) = notifier.endpoint(&hook.url("/"), &[]).await;
    let table = [
        (WebhookFault::Status(500), DeliveryState::Done, vec![Some(500), Some(204)]),
        (WebhookFault::Status(408), DeliveryState::Done, vec![Some(408), Some(204)]),
        (WebhookFault::RetryAfter(429, 3600), DeliveryState::Done, vec![Some(429), Some(204)]),
        (WebhookFault::Status(404), DeliveryState::Done, vec![Some(404), Some(204)]),
        (WebhookFault::Redirect(hook.url("/elsewhere")), DeliveryState::Done, vec![Some(307), Some(204)]),
        (WebhookFault::Hang, DeliveryState::Done, vec![None, Some(204)]),
        (WebhookFault::Flood(1 << 20), DeliveryState::Done, vec![Some(200)]),
        (WebhookFault::Slow(Duration::from_millis(200)), DeliveryState::Done, vec![Some(200)]),
    ];
    for (fault, state, codes) in table {
        hook.fault.set_times(fault.clone(), 1);
        let delivery = test(&notifier, &id).await;
        let attempts = eventually(format_args!("{fault:?} is over"), async || {
            let (found, attempts) = notifier.look_at(&delivery).await;
            (found.state() == state).then_some(attempts)
        })
        .await;
        assert_eq!(attempts.iter().map(|attempt| attempt.code).collect::<Vec<_>>(), codes, "{fault:?}");
    }
    assert!(hook.calls().iter().all(|call| call.path == "/"), "no redirect is followed");
    hook.fault.set(WebhookFault::Status(410));
    let delivery = test(&notifier, &id).await;
    eventually("a refusal is final", async || {
        let (found, attempts) = notifier.look_at(&delivery).await;
        (found.state() == DeliveryState::Dead && attempts.len() == 3).then_some(())
    })
    .await;
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_endpoint_delays_nobody() {
    let world = World::sqlite().await;
    let (slow, quick) = (FakeWebhook::start().await, FakeWebhook::start().await);
    slow.fault.set(WebhookFault::Hang);
    let notifier = world.notifier(&INSIDE).await;
    notifier.endpoint(&slow.url("/"), &[]).await;
    notifier.endpoint(&format!("http://{}/", refused_address().await), &[]).await;
    notifier.endpoint(&quick.url("/"), &[]).await;
    world.many_ask(20).await;
    let calls = quick.wait_for(20).await;
    assert_eq!(calls.iter().map(|call| &call.headers["webhook-id"]).collect::<BTreeSet<_>>().len(), 20);
    assert!(slow.calls().len() <= 4, "{} open calls of one endpoint", slow.calls().len());
    slow.fault.heal();
    notifier.kill().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_spares_what_is_dead_and_notices_when_it_is_not() {
    let world = World::sqlite().await;
    let hook = FakeWebhook::start().await;
    hook.fault.set(WebhookFault::Status(500));
    let settings = [
        INSIDE[0],
        INSIDE[1],
        ("webhooks.concurrency", "1"),
        ("breaker.consecutive_failures", "2"),
        ("breaker.first_backoff", "300ms"),
        ("breaker.max_backoff", "300ms"),
    ];
    let notifier = world.notifier(&settings).await;
    let (_, _) = notifier.endpoint(&hook.url("/"), &[]).await;
    world.many_ask(10).await;
    // The third call is the breaker's probe: by then two have failed for sure.
    hook.wait_for(3).await;
    hook.fault.heal();
    let settled = notifier.settled(10).await;
    assert!(settled.iter().all(|delivery| delivery.state() == DeliveryState::Done));
    let failed: u32 = settled.iter().map(|delivery| delivery.attempts - 1).sum();
    assert!((2..=4).contains(&failed), "{failed} attempts failed");
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_only_fails_is_disabled() {
    let world = World::sqlite().await;
    let hook = FakeWebhook::start().await;
    hook.fault.set(WebhookFault::Status(500));
    let settings = [INSIDE[0], INSIDE[1], ("webhooks.disable_after", "100ms")];
    let notifier = world.notifier(&settings).await;
    let (id, _) = notifier.endpoint(&hook.url("/"), &[]).await;
    world.many_ask(1).await;
    let dead = notifier.settled(1).await.remove(0);
    assert_eq!(dead.state(), DeliveryState::Dead);
    let endpoint = notifier.endpoint_of(&id).await;
    assert_eq!((endpoint.enabled, endpoint.disabled_reason.as_deref()), (false, Some("failing")));
    assert!(endpoint.failing_since_ms.is_some());
    let refused = notifier.test_endpoint(TestEndpointRequest { endpoint: id.clone() }).await.unwrap_err();
    assert_eq!(refused.code, "ENDPOINT_DISABLED");

    hook.fault.heal();
    let enable = UpdateEndpointRequest { endpoint: id.clone(), enabled: Some(true), ..Default::default() };
    let enabled = notifier.update_endpoint(enable).await.unwrap().endpoint.unwrap();
    assert_eq!((enabled.enabled, enabled.disabled_reason, enabled.failing_since_ms), (true, None, None));
    let before = hook.calls().len();
    test(&notifier, &id).await;
    hook.wait_for(before + 1).await;
    notifier.settled(2).await;
    notifier.stop().await;
    world.stop().await;
}
