//! One open `chat/stream`: the answer and the session's log, merged until the turn is over. If the worker that answers
//! dies, the log still tells how the turn ended.

use crate::{
    error::Problem,
    reply::{self, Accepted, Ended, Reply},
    sse::{Outbox, Stalled},
    state::App,
};
use bytes::Bytes;
use futures::{StreamExt as _, future};
use switchboard_domain::{Entry, Failure};
use switchboard_mesh::reply::chain;
use switchboard_proto::{
    chat::v1::{TurnEvent, turn_event},
    session::v1::{
        Position, SubscribeAgentResponse, SubscribeRequest, SubscribeResponse, subscribe_agent_response,
        subscribe_response,
    },
};
use tokio::time::{Instant, sleep_until};
use tonic::Streaming;

/// One open `chat/stream`.
pub(crate) struct TurnStream {
    app: App,
    outbox: Outbox,
    reply: Reply,
    events: Streaming<TurnEvent>,
    /// Where the log is read from.
    subscription: SubscribeRequest,
    /// What is told first.
    first: Vec<Bytes>,
}

impl TurnStream {
    /// Prepares to tell a turn that has been accepted.
    pub(crate) fn new(app: App, accepted: &Accepted, events: Streaming<TurnEvent>, outbox: Outbox) -> Self {
        let (reply, first) = Reply::new(accepted);
        let after = Position { epoch: accepted.epoch.get(), seq: reply.last().get() };
        let subscription =
            SubscribeRequest { session: accepted.session.name.to_string(), after: Some(after) };
        Self { app, outbox, reply, events, subscription, first }
    }

    /// Tells the turn until it is over, or nobody listens any more. Leaving ends the view, not the turn.
    pub(crate) async fn run(self) {
        if self.pump().await.is_err() {
            tracing::debug!("nobody reads the stream of a turn any more");
        }
    }

    async fn pump(self) -> Result<(), Stalled> {
        let Self { app, outbox, mut reply, events, subscription, first } = self;
        tell(&outbox, first)?;
        let limit = Instant::now() + app.settings.turn_timeout;
        // The answer must not wait for the log.
        let opening = follow_log(&app, subscription);
        tokio::pin!(opening);
        let (mut events, mut log, mut is_opening, mut grace) = (Some(events), None, true, None);
        let last = loop {
            if events.is_none() && log.is_none() && !is_opening {
                break vec![reply::error(&Problem::broken())];
            }
            if reply.is_over() {
                grace.get_or_insert_with(|| Instant::now() + app.settings.sse.end_grace);
            }
            tokio::select! {
                biased;
                () = outbox.closed() => return Err(Stalled),
                event = next(&mut events) => match event {
                    Some(turn_event::Event::Delta(delta)) => tell(&outbox, reply.delta(&delta))?,
                    Some(turn_event::Event::Ended(ended)) => break end(reply, ended),
                    Some(turn_event::Event::Accepted(_)) | None => {}
                },
                opened = &mut opening, if is_opening => (log, is_opening) = (opened, false),
                entry = next(&mut log) => match entry.map(read_entry) {
                    Some(Ok(Some(entry))) => tell(&outbox, reply.entry(entry))?,
                    Some(Ok(None)) | None => {}
                    Some(Err(_)) => log = None,
                },
                () = at(grace) => break on_record(reply),
                () = sleep_until(limit) => break vec![reply::error(&Problem::timeout())],
            }
        };
        tell(&outbox, last)
    }
}

/// Opens the log beside the answer. Without it the stream still has the answer.
async fn follow_log(app: &App, subscription: SubscribeRequest) -> Option<Streaming<SubscribeResponse>> {
    let mut session = app.peers.session();
    match tokio::time::timeout(app.settings.request_timeout, session.subscribe(subscription)).await {
        Ok(Ok(response)) => Some(response.into_inner()),
        Ok(Err(status)) => {
            tracing::warn!(error = chain(&status), "the log cannot be followed beside an answer");
            None
        }
        Err(_elapsed) => None,
    }
}

fn end(reply: Reply, ended: turn_event::Ended) -> Vec<Bytes> {
    match Ended::try_from(ended) {
        Ok(ended) => reply.end(ended),
        Err(error) => {
            tracing::error!(%error, "the end of a turn cannot be read");
            vec![reply::error(&Failure::internal().into())]
        }
    }
}

/// The end as the log shows it, when the worker does not tell it.
fn on_record(reply: Reply) -> Vec<Bytes> {
    match reply.end_on_record() {
        Some(ended) => reply.end(ended),
        None => vec![reply::error(&Problem::broken())],
    }
}

/// The entry of a log event; `None` for the events around them.
fn read_entry(
    event: subscribe_response::Event,
) -> Result<Option<Entry>, switchboard_proto::convert::WireError> {
    match event {
        subscribe_response::Event::Entry(entry) => entry.try_into().map(Some),
        subscribe_response::Event::Opened(_)
        | subscribe_response::Event::CaughtUp(_)
        | subscribe_response::Event::Typing(_)
        | subscribe_response::Event::Receipt(_)
        | subscribe_response::Event::QueuePosition(_) => Ok(None),
    }
}

fn tell(outbox: &Outbox, frames: impl IntoIterator<Item = Bytes>) -> Result<(), Stalled> {
    frames.into_iter().try_for_each(|frame| outbox.push(frame))
}

/// What a stream of a peer carries.
pub(crate) trait Carries {
    /// What it carries.
    type Event;
    /// Takes it out.
    fn event(self) -> Option<Self::Event>;
}

impl Carries for SubscribeAgentResponse {
    type Event = subscribe_agent_response::Event;
    fn event(self) -> Option<Self::Event> {
        self.event
    }
}

impl Carries for TurnEvent {
    type Event = turn_event::Event;
    fn event(self) -> Option<Self::Event> {
        self.event
    }
}

impl Carries for SubscribeResponse {
    type Event = subscribe_response::Event;
    fn event(self) -> Option<Self::Event> {
        self.event
    }
}

/// The next event of a stream. At the end of the stream it becomes `None`, and there is never one again.
pub(crate) async fn next<T: Carries>(stream: &mut Option<Streaming<T>>) -> Option<T::Event> {
    let Some(open) = stream else { return future::pending().await };
    match open.next().await {
        Some(Ok(item)) => item.event(),
        Some(Err(status)) => {
            tracing::debug!(error = chain(&status), "a peer's stream broke off");
            *stream = None;
            None
        }
        None => {
            *stream = None;
            None
        }
    }
}

/// Completes at an instant, if there is one.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => future::pending().await,
    }
}
