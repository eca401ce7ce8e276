//! One attempt: made within its time, judged, recorded.

use crate::{
    NAME,
    attempt::{Attempt, Next, Outcome},
    channel::{Channel, Destination},
    config::Settings,
    mail::Mailer,
    store::{Finished, Leased, Store},
    webhook::Caller,
};
use std::{sync::Arc, time::Duration};
use switchboard_domain::{Clock, Rng, Timestamp, WebhookId, backoff};
use switchboard_mesh::{CallContext, TraceContext, reply::chain};
use switchboard_model::Permit;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

/// How often recording an outcome is tried: the lease is longer than all of it.
const RECORDINGS: u32 = 5;

/// Something to do, with leave to do it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) delivery: Leased,
    pub(super) permit: Permit,
    pub(super) slot: OwnedSemaphorePermit,
}

/// Makes attempts.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) mailer: Option<Mailer>,
    pub(crate) caller: Caller,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Sender {
    /// Whether anything can be sent there.
    pub(super) fn serves(&self, destination: Destination) -> bool {
        match destination {
            Destination::Smtp => self.mailer.is_some(),
            Destination::Endpoint(_) => true,
        }
    }

    /// Makes one attempt and records it.
    pub(super) async fn run(self: Arc<Self>, work: Work, rng: Arc<dyn Rng>) {
        let Work { delivery, permit, slot } = work;
        let mut context = CallContext::background(NAME, &*self.clock, &*rng);
        if let Some(trace) = delivery.trace {
            context.trace = trace;
        }
        let (started, began) = (self.clock.now(), Instant::now());
        let limit = self.settings.delivery.attempt_timeout;
        let attempt = match tokio::time::timeout(limit, context.scope(self.send(&delivery))).await {
            Ok(attempt) => attempt,
            Err(_elapsed) => {
                self.reset(delivery.channel);
                Attempt::failed("it took too long")
            }
        };
        verdict(permit, attempt.outcome);
        let mut chance = [0_u8; 4];
        rng.fill(&mut chance);
        let next = attempt.next(&self.settings.delivery, delivery.failures, u32::from_le_bytes(chance));
        tell(&delivery, &attempt, next);
        let failing_limit = before(started, self.settings.webhooks.disable_after);
        let finished = Finished { delivery, attempt, next, started, took: began.elapsed(), failing_limit };
        self.record(finished, &*rng).await;
        drop(slot);
    }

    async fn send(&self, delivery: &Leased) -> Attempt {
        match (delivery.channel, &self.mailer) {
            (Channel::Webhook(id), _) => self.call(delivery, id).await,
            (Channel::MailTeam | Channel::MailCustomer, Some(mailer)) => mailer.send(delivery).await,
            (Channel::MailTeam | Channel::MailCustomer, None) => Attempt::hindered("mail is not configured"),
        }
    }

    async fn call(&self, delivery: &Leased, id: WebhookId) -> Attempt {
        match self.store.target(id).await {
            Ok(Some(target)) => self.caller.call(delivery, &target).await,
            Ok(None) => Attempt::dropped("the endpoint is disabled"),
            Err(_) => Attempt::hindered("the endpoint cannot be read"),
        }
    }

    fn reset(&self, channel: Channel) {
        match (channel, &self.mailer) {
            (Channel::MailTeam | Channel::MailCustomer, Some(mailer)) => mailer.reconnect(),
            (Channel::MailTeam | Channel::MailCustomer, None) | (Channel::Webhook(_), _) => {}
        }
    }

    /// Records an attempt. One that cannot be recorded is made again when its lease has run out.
    async fn record(&self, finished: Finished, rng: &dyn Rng) {
        for failures in 1..=RECORDINGS {
            match self.store.record(finished.clone()).await {
                Ok(disabled) => {
                    if let Some(id) = disabled {
                        metrics::counter!("switchboard_notifier_endpoints_disabled_total").increment(1);
                        tracing::warn!(endpoint.id = %id, "an endpoint failed for too long and is disabled");
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(delivery.id = %finished.delivery.id, error = chain(&error), "an attempt cannot be recorded");
                    let (min, max) = (self.settings.retry_min, Duration::from_secs(1));
                    tokio::time::sleep(backoff(failures, min, max, rng)).await;
                }
            }
        }
    }
}

/// What the breaker learns.
fn verdict(permit: Permit, outcome: Outcome) {
    let now = Instant::now();
    match outcome {
        Outcome::Delivered | Outcome::Refused { blame: false } => permit.success(now),
        Outcome::Failed { blame: true, .. } | Outcome::Refused { blame: true } => permit.failure(now),
        // Says nothing about the destination.
        Outcome::Failed { blame: false, .. } | Outcome::Dropped => drop(permit),
    }
}

fn tell(delivery: &Leased, attempt: &Attempt, next: Next) {
    let (channel, outcome) = (delivery.channel.label(), attempt.outcome.as_str());
    metrics::counter!("switchboard_notifier_attempts_total", "channel" => channel, "outcome" => outcome)
        .increment(1);
    let end = match next {
        Next::Done => "done",
        Next::Cancelled => "cancelled",
        Next::Dead => "dead",
        Next::Again(_) => "queued",
    };
    if !matches!(next, Next::Again(_)) {
        metrics::counter!("switchboard_notifier_deliveries_total", "channel" => channel, "outcome" => end)
            .increment(1);
    }
    let trace_id = delivery.trace.map(TraceContext::trace_id);
    let (id, code, error) = (delivery.id, attempt.code, attempt.error.as_deref());
    if next == Next::Dead {
        tracing::warn!(delivery.id = %id, delivery.channel = channel, attempt = delivery.number, code, error, trace_id, "delivery given up");
    } else {
        tracing::debug!(delivery.id = %id, delivery.channel = channel, attempt = delivery.number, outcome, end, code, error, trace_id, "delivery tried");
    }
}

fn before(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
