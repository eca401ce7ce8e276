//! The breaker in front of a provider that fails and recovers.

use crate::rig::{Rig, ask, prompt};
use switchboard_model::{Breaker, Model};
use switchboard_tests::fakes::{CountingRng, Fault};
use tokio::time::Instant;

/// Calls through the breaker as the turn does; `None` when it was not let through, else whether it was answered.
async fn call(breaker: &Breaker, model: &Model, now: Instant) -> Option<bool> {
    let permit = breaker.admit(now).ok()?;
    let outcome = ask(model, &prompt("s", "你好")).await;
    match &outcome.error {
        None => permit.success(now),
        Some(error) if error.counts_for_breaker() => permit.failure(now),
        Some(_) => {}
    }
    Some(outcome.error.is_none())
}

#[tokio::test]
async fn it_opens_after_five_failures_and_one_probe_shuts_it() {
    let rig = Rig::start().await;
    let model = rig.openai_model();
    let start = Instant::now();
    let breaker = Breaker::new(rig.config.breaker.clone(), CountingRng::new(), start);
    rig.openai.chat.set_times(Fault::Status(500), 6);
    for _ in 0..5 {
        assert_eq!(call(&breaker, &model, start).await, Some(false));
    }
    assert_eq!(call(&breaker, &model, start).await, None, "the sixth is not sent");

    let later = start + rig.config.breaker.first_backoff;
    assert_eq!(call(&breaker, &model, later).await, Some(false), "the probe fails");
    assert_eq!(call(&breaker, &model, later).await, None);
    let later = later + rig.config.breaker.first_backoff * 2;
    assert_eq!(call(&breaker, &model, later).await, Some(true), "the next probe succeeds");
    assert_eq!(call(&breaker, &model, later).await, Some(true), "and all may call again");
    assert_eq!(rig.openai.calls().requests.len(), 2);
}
