//! The reader of the session service's outbox: lease, store, acknowledge, in this order, until the process stops.

use crate::{NAME, NotifierError, config::Settings, event::Event, store::Store};
use std::sync::Arc;
use switchboard_boot::Lifecycle;
use switchboard_domain::{Clock, Rng, backoff};
use switchboard_mesh::{CallContext, Channel, TraceContext, reply::chain};
use switchboard_proto::session::v1::{
    AckEventsRequest, LeaseEventsRequest, OutboxEvent, session_service_client::SessionServiceClient,
};
use tokio::{sync::Notify, time::Instant};
use tonic::Request;

/// Reads the outbox until the soft stop.
pub(crate) struct Reader {
    pub(crate) session: SessionServiceClient<Channel>,
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) life: Lifecycle,
    /// Told when there is something to deliver.
    pub(crate) wake: Arc<Notify>,
}

impl Reader {
    /// Takes in events until the process stops. A failure is told once when it begins and once when it is over.
    pub(crate) async fn run(mut self) {
        let mut failures = 0_u32;
        while !self.life.is_stopping() {
            let asked = Instant::now();
            let context = CallContext::background(NAME, &*self.clock, &*self.rng);
            match context.scope(self.round()).await {
                Ok(taken) => {
                    if failures > 0 {
                        tracing::info!(failures, "the outbox is read again");
                    }
                    failures = 0;
                    // None although there was time to wait: the session service is about to stop.
                    if taken == 0 && asked.elapsed() < self.settings.lease_wait {
                        self.pause(1).await;
                    }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    metrics::counter!("switchboard_notifier_read_failures_total").increment(1);
                    if failures == 1 {
                        tracing::warn!(error = chain(&error), "the outbox cannot be read, trying again");
                    } else {
                        tracing::debug!(failures, error = chain(&error), "the outbox still cannot be read");
                    }
                    self.pause(failures).await;
                }
            }
        }
    }

    /// Takes in one batch; answers how many events it had. The soft stop ends the wait for events, nothing else: what
    /// was leased is stored and acknowledged.
    async fn round(&mut self) -> Result<usize, NotifierError> {
        let stopping = self.life.stopping();
        let events = tokio::select! {
            biased;
            () = stopping => return Ok(0),
            leased = self.lease() => leased?,
        };
        let taken = events.len();
        if taken > 0 {
            self.take_in(events).await?;
        }
        Ok(taken)
    }

    async fn lease(&mut self) -> Result<Vec<OutboxEvent>, NotifierError> {
        let wait = self.settings.lease_wait;
        let mut request = Request::new(LeaseEventsRequest {
            limit: self.settings.lease_limit,
            wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
        });
        // Longer than the channel's own limit, which is made for calls that are answered at once.
        request.set_timeout(wait + self.settings.lease_grace);
        Ok(self.session.lease_events(request).await?.into_inner().events)
    }

    async fn take_in(&mut self, leased: Vec<OutboxEvent>) -> Result<(), NotifierError> {
        let events = readable(leased);
        if events.is_empty() {
            return Ok(());
        }
        let ids = events.iter().map(|event| event.id.to_string()).collect();
        let now = self.clock.now();
        let all = events.len();
        let new = self.store.keep(events).await?;
        self.wake.notify_one();
        metrics::counter!("switchboard_notifier_repeated_total").increment((all - new.len()) as u64);
        for event in &new {
            metrics::counter!("switchboard_notifier_received_total").increment(1);
            metrics::histogram!("switchboard_notifier_lag_seconds").record(now.since(event.at).as_secs_f64());
            let trace_id = event.trace.map(TraceContext::trace_id);
            tracing::debug!(event.id = %event.id, event.kind, session.name = %event.session, trace_id, "event received");
        }
        self.session.ack_events(AckEventsRequest { ids }).await?;
        Ok(())
    }

    /// Waits as long as so many failures in a row ask for, or until the soft stop.
    async fn pause(&self, failures: u32) {
        let Settings { retry_min, retry_max, .. } = self.settings;
        let pause = backoff(failures, retry_min, retry_max, &*self.rng);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.life.stopping() => {}
        }
    }
}

/// The events that can be read. Others are not acknowledged, so they are not lost: they come again until a version that
/// can read them does.
fn readable(leased: Vec<OutboxEvent>) -> Vec<Event> {
    let mut events = Vec::with_capacity(leased.len());
    for event in leased {
        let (id, attempts) = (event.id.clone(), event.attempts);
        match Event::try_from(event) {
            Ok(event) => events.push(event),
            Err(error) => {
                metrics::counter!("switchboard_notifier_unreadable_total").increment(1);
                tracing::error!(event.id = id, attempts, %error, "an event cannot be read");
            }
        }
    }
    events
}
