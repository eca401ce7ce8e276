//! What every event stream has, whatever it tells: a way in that refuses with 200, so that a browser comes back; a pulse
//! that keeps it alive and says when to end; an end that tells the client when to come back.

use crate::{
    identity::{Caller, Person},
    limits::Class,
    sse::{self, HEARTBEAT, Outbox, Place, Stalled},
    state::App,
};
use axum::response::Response;
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// A place for one more stream of `person`, drawn from the budget of reads; else the refusal to answer with.
pub(crate) async fn enter(app: &App, person: &Person, caller: &Caller) -> Result<Place, Box<Response>> {
    if app.tasks.is_stopping() {
        return Err(Box::new(sse::refusal(sse::retry_wait(app))));
    }
    let is_within = app.limits.draw(Class::Read, caller).await.is_ok();
    let enter = || match person {
        Person::Visitor(visitor) => app.streams.enter(visitor.token.session.as_str(), false),
        Person::Agent(agent) => app.streams.enter(&agent.id.to_string(), true),
    };
    is_within.then(enter).flatten().ok_or_else(|| {
        let refuse = app.settings.sse.refuse_retry;
        Box::new(sse::refusal(sse::jitter(&*app.rng, refuse, refuse * 2)))
    })
}

/// Why an event stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client is gone or does not read; it finds its way back by itself.
    Stalled,
    /// What is told broke off or makes no sense.
    Broken,
    /// The token ends or no longer counts.
    Bye,
    /// The process stops, and so do all of its streams.
    Stopping,
}

impl From<Stalled> for End {
    fn from(_: Stalled) -> Self {
        Self::Stalled
    }
}

/// Keeps one stream alive and knows when it has to end.
pub(crate) struct Pulse {
    stopping: BoxFuture<'static, ()>,
    revoked: BoxFuture<'static, ()>,
    expires: Instant,
    heartbeat: Interval,
    beats_unread: u32,
}

impl Pulse {
    /// The pulse of a stream that is for `person`, for as long as he counts.
    pub(crate) fn of(app: &App, person: Person) -> Self {
        let mut heartbeat = tokio::time::interval(app.settings.sse.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        Self {
            stopping: Box::pin(app.tasks.stopping()),
            expires: Instant::now() + person.expires().since(app.clock.now()),
            revoked: Box::pin(person.revoked(app.clone())),
            heartbeat,
            beats_unread: 0,
        }
    }

    /// Beats until the stream has to end. Cancel safe: to be asked beside whatever the stream tells, and before it.
    pub(crate) async fn end(&mut self, outbox: &Outbox) -> End {
        loop {
            tokio::select! {
                biased;
                () = outbox.closed() => return End::Stalled,
                () = &mut self.stopping => return End::Stopping,
                () = tokio::time::sleep_until(self.expires) => return End::Bye,
                () = &mut self.revoked => return End::Bye,
                _ = self.heartbeat.tick() => {
                    self.beats_unread = if outbox.is_empty() { 0 } else { self.beats_unread + 1 };
                    // Nothing was read for a whole beat: the connection is dead.
                    if self.beats_unread > 1 || outbox.push(HEARTBEAT).is_err() {
                        return End::Stalled;
                    }
                }
            }
        }
    }
}

/// Ends a stream: the client is told when to come back if the end is ours. Of a process that stops they leave one by one.
pub(crate) async fn close(app: &App, outbox: &Outbox, end: End) {
    match end {
        End::Stalled => tracing::debug!("a client is gone or does not read its events"),
        End::Broken => tracing::debug!("the events broke off"),
        End::Bye | End::Stopping => {
            if end == End::Stopping {
                let spread = app.settings.drain.bye_spread;
                tokio::time::sleep(sse::jitter(&*app.rng, Duration::ZERO, spread)).await;
            }
            // If there is no room for it, the client comes back without having been asked.
            let _ = outbox.push(sse::bye(sse::retry_wait(app)));
        }
    }
}
