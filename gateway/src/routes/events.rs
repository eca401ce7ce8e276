//! `GET /sessions/{session}/events`: the log as it grows, and the answers as they are written. Resumes where the client
//! was. Whatever ends it is answered so that a browser comes back: with 200.

use super::desk::owned;
use crate::{
    error::{Failures, Problem},
    event_stream::{self, End, Pulse},
    extract::{Query, SessionPath},
    feed::{Feed, Opened},
    identity::{Caller, Person},
    sse::{self, Cursor, Outbox, Place, Stalled},
    state::App,
    turn_stream::next,
    view::Event,
    wire,
};
use axum::{extract::State, response::Response};
use bytes::Bytes;
use futures::future::{self, BoxFuture};
use http::{HeaderMap, HeaderName};
use std::time::Duration;
use switchboard_domain::{ErrorKind, SessionName, TurnId};
use switchboard_mesh::{CallContext, reply::chain};
use switchboard_proto::{
    chat::v1::{FollowRequest, TurnEvent, turn_event},
    convert::WireError,
    session::v1::{Position, SubscribeRequest, SubscribeResponse, subscribe_response},
};
use tonic::Streaming;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Follows a session. Frames have an `id` when they tell what is on record; their JSON has a `type`: `message`,
/// `manual_message`, `status_change`, `turn`, `delta`, `conversation`, `typing`, `receipt`, `queue_position`, `reset` (the state anew, because the asked-for
/// position is gone) and `bye` (come back after `retry`).
#[utoipa::path(
    get, path = "/sessions/{session}/events", tag = "session",
    params(
        ("session" = String, Path, description = "The session's name"),
        ("Last-Event-ID" = Option<String>, Header, description = "Resume after this event"),
        ("last_event_id" = Option<String>, Query, description = "The same for a first connection"),
        ("ticket" = Option<String>, Query, description = "From `/events/ticket`, instead of a token"),
    ),
    responses((status = 200, body = String, content_type = "text/event-stream"), Failures)
)]
pub(crate) async fn subscribe(
    State(app): State<App>,
    person: Person,
    caller: Caller,
    SessionPath(session): SessionPath,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    owned(&person, &session)?;
    let after = cursor(&headers, &query)?;
    let place = match event_stream::enter(&app, &person, &caller).await {
        Ok(place) => place,
        Err(refusal) => return Ok(*refusal),
    };
    let after_position = after.map(|cursor| Position { epoch: cursor.epoch.get(), seq: cursor.seq.get() });
    let request = SubscribeRequest { session: session.to_string(), after: after_position };
    let mut log = app.peers.session().subscribe(request).await?.into_inner();
    let Some(SubscribeResponse { event: Some(subscribe_response::Event::Opened(opened)) }) =
        log.message().await?
    else {
        return Err(Problem::broken());
    };
    let opened = Opened::try_from(opened)?;
    let (feed, first) = Feed::open(&opened, after, app.settings.sse.buffer_events);
    let (outbox, body) = Outbox::open(&app.settings.sse);
    let context = CallContext { deadline: None, ..app.context() };
    let listener = Listener {
        app: app.clone(),
        session,
        outbox,
        feed,
        log: Some(log),
        answer: Answer::default(),
        place,
    };
    let pulse = Pulse::of(&app, person);
    app.tasks.spawn("events", context.scope(listener.run(first, pulse)));
    Ok(sse::response(body))
}

/// A frame of what is not on record.
fn signal(event: &Event) -> Vec<Bytes> {
    vec![sse::frame(None, event)]
}

/// Where the client was: the header of a browser that comes back wins over the address it first came with.
pub(super) fn cursor(headers: &HeaderMap, query: &Query) -> Result<Option<Cursor>, Problem> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.or_else(|| query.text("last_event_id")).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let told = "the position is none that this server gave";
    Cursor::parse(text).map(Some).ok_or_else(|| Problem::new(ErrorKind::Invalid, "INVALID_CURSOR", told))
}

/// One open event stream.
struct Listener {
    app: App,
    session: SessionName,
    outbox: Outbox,
    feed: Feed,
    log: Option<Streaming<SubscribeResponse>>,
    answer: Answer,
    /// Given back when the stream ends.
    #[expect(dead_code, reason = "counts while it lives")]
    place: Place,
}

/// The answer that is being listened to.
#[derive(Default)]
struct Answer {
    turn: Option<TurnId>,
    pieces: Option<Streaming<TurnEvent>>,
    /// The way to the pieces, while it is looked for.
    joining: Option<BoxFuture<'static, Option<Streaming<TurnEvent>>>>,
    /// How long to wait before it is looked for again.
    wait: Duration,
}

impl From<WireError> for End {
    fn from(error: WireError) -> Self {
        tracing::error!(%error, "an entry of the log cannot be read");
        Self::Broken
    }
}

impl Listener {
    async fn run(mut self, first: Vec<Bytes>, pulse: Pulse) {
        let end = match self.greet(first).await {
            Ok(()) => self.listen(pulse).await,
            Err(stalled) => stalled.into(),
        };
        event_stream::close(&self.app, &self.outbox, end).await;
    }

    async fn greet(&mut self, first: Vec<Bytes>) -> Result<(), Stalled> {
        self.outbox.push(sse::retry(sse::retry_wait(&self.app)))?;
        self.tell(first).await
    }

    async fn listen(&mut self, mut pulse: Pulse) -> End {
        loop {
            let outcome = tokio::select! {
                // The log before the answer: a piece of it must not overtake it.
                biased;
                end = pulse.end(&self.outbox) => return end,
                event = next(&mut self.log) => match event {
                    Some(event) => self.log_event(event).await,
                    None => return End::Broken,
                },
                piece = next(&mut self.answer.pieces) => self.piece(piece),
                pieces = joined(&mut self.answer.joining) => {
                    match pieces {
                        Some(pieces) => self.answer.pieces = Some(pieces),
                        None => self.look_again(),
                    }
                    Ok(())
                }
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    async fn log_event(&mut self, event: subscribe_response::Event) -> Result<(), End> {
        let frames = match event {
            subscribe_response::Event::Opened(_) => Vec::new(),
            subscribe_response::Event::Entry(entry) => self.feed.entry(entry.try_into()?).map_err(|gap| {
                tracing::error!(?gap, "an entry is missing in the log");
                End::Broken
            })?,
            subscribe_response::Event::CaughtUp(caught_up) => {
                let turn =
                    caught_up.turn.as_deref().map(|turn| wire::turn(turn, "caught_up.turn")).transpose()?;
                self.feed.caught_up(turn)
            }
            subscribe_response::Event::Typing(typing) => signal(&Event::typing(&typing)),
            subscribe_response::Event::Receipt(receipt) => signal(&Event::receipt(&receipt)),
            subscribe_response::Event::QueuePosition(place) => signal(&Event::queue_position(&place)),
        };
        self.tell(frames).await?;
        if self.feed.turn() != self.answer.turn {
            let turn = self.feed.turn();
            let joining = turn.map(|turn| join(self.app.clone(), &self.session, turn, Duration::ZERO));
            self.answer =
                Answer { turn, pieces: None, joining, wait: self.app.settings.sse.follow_retry_min };
        }
        Ok(())
    }

    /// What was missed may take as long as the client needs; what happens now must not wait for it.
    async fn tell(&mut self, frames: Vec<Bytes>) -> Result<(), Stalled> {
        for frame in frames {
            if self.feed.is_live() {
                self.outbox.push(frame)?;
            } else {
                self.outbox.send(frame, self.app.settings.sse.write_timeout).await?;
            }
        }
        Ok(())
    }

    fn piece(&mut self, piece: Option<turn_event::Event>) -> Result<(), End> {
        match piece {
            Some(turn_event::Event::Delta(delta)) => {
                if let Some(frame) = self.feed.delta(delta) {
                    self.outbox.push(frame)?;
                }
            }
            Some(turn_event::Event::Accepted(_) | turn_event::Event::Ended(_)) => {}
            // It was not there yet, or its worker is gone: the log will show the end, until then look again.
            None => self.look_again(),
        }
        Ok(())
    }

    fn look_again(&mut self) {
        let Some(turn) = self.answer.turn else { return };
        let wait = self.answer.wait;
        self.answer.pieces = None;
        self.answer.joining = Some(join(self.app.clone(), &self.session, turn, wait));
        self.answer.wait = (wait * 2).min(self.app.settings.sse.follow_retry_max);
    }
}

/// Looks for the pieces of an answer that is being written. Beside everything else: whoever answers may hang.
fn join(
    app: App,
    session: &SessionName,
    turn: TurnId,
    wait: Duration,
) -> BoxFuture<'static, Option<Streaming<TurnEvent>>> {
    let request = FollowRequest { session: session.to_string(), turn: turn.to_string() };
    Box::pin(async move {
        tokio::time::sleep(wait).await;
        let mut chat = app.peers.chat();
        match tokio::time::timeout(app.settings.request_timeout, chat.follow(request)).await {
            Ok(Ok(pieces)) => Some(pieces.into_inner()),
            Ok(Err(status)) => {
                tracing::debug!(error = chain(&status), "an answer cannot be joined");
                None
            }
            Err(_elapsed) => None,
        }
    })
}

/// The outcome of a search, once; without one, never.
async fn joined<T>(joining: &mut Option<BoxFuture<'static, Option<T>>>) -> Option<T> {
    let Some(search) = joining else { return future::pending().await };
    let found = search.await;
    *joining = None;
    found
}
