//! Event streams on the wire: frames, the bounded way to a browser, and how many streams there are. Ids are numbers and
//! data is JSON from a serializer, so nothing that somebody wrote can end a line.

use crate::{config, state::App};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderValue, header};
use parking_lot::Mutex;
use serde::Serialize;
use std::{collections::HashMap, sync::Arc, time::Duration};
use switchboard_domain::{Rng, Seq, session::LogEpoch};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A place in a session's log, as clients keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) epoch: LogEpoch,
    pub(crate) seq: Seq,
}

impl Cursor {
    /// Reads the text form; `None` for anything that was never one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.split_once('.')?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if plain { digits.parse::<i64>().ok() } else { None }
        };
        Some(Self { epoch: LogEpoch::new(number(epoch)?), seq: Seq::new(number(seq)?) })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

/// One frame: an id for what is on record, and one line of JSON.
pub(crate) fn frame<T: Serialize>(id: Option<Cursor>, data: &T) -> Bytes {
    let mut line = id.map_or_else(String::new, |id| format!("id: {id}\n")).into_bytes();
    line.extend_from_slice(b"data: ");
    if let Err(error) = serde_json::to_writer(&mut line, data) {
        // Only maps with keys that are no text can fail, and there are none.
        tracing::error!(%error, "an event cannot be written");
        return Bytes::new();
    }
    line.extend_from_slice(b"\n\n");
    line.into()
}

/// A comment, so that proxies and phones see that the stream lives.
pub(crate) const HEARTBEAT: Bytes = Bytes::from_static(b": hb\n\n");

/// When to come back.
pub(crate) fn retry(after: Duration) -> Bytes {
    format!("retry: {}\n\n", after.as_millis()).into()
}

/// The end of a stream that is not the client's fault. Answered with 200: on any other status a browser never comes back.
pub(crate) fn bye(after: Duration) -> Bytes {
    format!("retry: {}\ndata: {{\"type\":\"bye\"}}\n\n", after.as_millis()).into()
}

/// A random time from `least` to `most`.
pub(crate) fn jitter(rng: &dyn Rng, least: Duration, most: Duration) -> Duration {
    let mut chance = [0_u8; 4];
    rng.fill(&mut chance);
    let share = f64::from(u32::from_le_bytes(chance)) / f64::from(u32::MAX);
    least + most.saturating_sub(least).mul_f64(share)
}

/// The way to one browser: bounded in events and in bytes.
#[derive(Debug)]
pub(crate) struct Outbox {
    frames: mpsc::Sender<(Bytes, OwnedSemaphorePermit)>,
    bytes: Arc<Semaphore>,
    max_bytes: usize,
}

/// The browser is too far behind, or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stalled;

impl Outbox {
    /// A way of the configured size, and its end as a body.
    pub(crate) fn open(settings: &config::Sse) -> (Self, Body) {
        let (frames, receiver) = mpsc::channel(settings.buffer_events);
        let max_bytes = settings.buffer_bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let outbox = Self { frames, bytes: Arc::new(Semaphore::new(max_bytes)), max_bytes };
        (outbox, Body::from_stream(drain(receiver)))
    }

    /// Sends if there is room.
    pub(crate) fn push(&self, frame: Bytes) -> Result<(), Stalled> {
        let permit =
            Arc::clone(&self.bytes).try_acquire_many_owned(self.weight(&frame)).map_err(|_| Stalled)?;
        self.frames.try_send((frame, permit)).map_err(|_| Stalled)
    }

    /// Sends as soon as there is room, if that is within `patience`.
    pub(crate) async fn send(&self, frame: Bytes, patience: Duration) -> Result<(), Stalled> {
        let sending = async {
            let permit =
                Arc::clone(&self.bytes).acquire_many_owned(self.weight(&frame)).await.map_err(|_| Stalled)?;
            self.frames.send((frame, permit)).await.map_err(|_| Stalled)
        };
        tokio::time::timeout(patience, sending).await.map_err(|_elapsed| Stalled)?
    }

    /// Whether nothing waits to be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.capacity() == self.frames.max_capacity()
    }

    /// Completes when the browser is gone.
    pub(crate) async fn closed(&self) {
        self.frames.closed().await;
    }

    /// A frame that is larger than the whole way takes all of it.
    fn weight(&self, frame: &Bytes) -> u32 {
        u32::try_from(frame.len().min(self.max_bytes)).unwrap_or(u32::MAX)
    }
}

fn drain(
    mut frames: mpsc::Receiver<(Bytes, OwnedSemaphorePermit)>,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    futures::stream::poll_fn(move |context| frames.poll_recv(context)).map(|(frame, _room)| Ok(frame))
}

/// An event stream as a response.
pub(crate) fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// An event stream that ends at once, and asks to come back later.
pub(crate) fn refusal(after: Duration) -> Response {
    response(Body::from(bye(after)))
}

/// The open event streams.
#[derive(Debug)]
pub(crate) struct Streams {
    max_per_customer: usize,
    max_per_agent: usize,
    max_total: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_client: HashMap<String, usize>,
}

/// One open stream; it is given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    open: Arc<Mutex<Open>>,
    client: String,
}

impl Streams {
    /// Takes the limits from the settings.
    pub(crate) fn new(settings: &config::Sse) -> Self {
        Self {
            max_per_customer: settings.max_per_principal,
            max_per_agent: settings.max_per_agent,
            max_total: settings.max_total,
            open: Arc::default(),
        }
    }

    /// A place for one more stream of this client: an agent, by his id, or a customer, by his session's name.
    pub(crate) fn enter(&self, client: &str, is_agent: bool) -> Option<Place> {
        let max = if is_agent { self.max_per_agent } else { self.max_per_customer };
        // No session's name has a stroke.
        let client = if is_agent { format!("{client}/") } else { client.to_owned() };
        let mut open = self.open.lock();
        let own = open.by_client.get(&client).copied().unwrap_or(0);
        if own >= max || (self.max_total > 0 && open.total >= self.max_total) {
            return None;
        }
        open.total += 1;
        open.by_client.insert(client.clone(), own + 1);
        metrics::gauge!("switchboard_sse_open").increment(1.0);
        Some(Place { open: Arc::clone(&self.open), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        open.total = open.total.saturating_sub(1);
        if let Some(own) = open.by_client.get_mut(&self.client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.by_client.remove(&self.client);
            }
        }
        metrics::gauge!("switchboard_sse_open").decrement(1.0);
    }
}

/// How long a client is told to wait before it comes back.
pub(crate) fn retry_wait(app: &App) -> Duration {
    jitter(&*app.rng, app.settings.sse.retry_min, app.settings.sse.retry_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CountingRng, settings};

    #[test]
    fn nothing_in_a_text_can_end_a_line() {
        let text = "evil\rid: 999\r\n\r\ndata: x\u{2028}\u{85}\0";
        let cursor = Cursor { epoch: LogEpoch::new(3), seq: Seq::new(14) };
        let bytes = frame(Some(cursor), &serde_json::json!({ "content": text }));
        let written = std::str::from_utf8(&bytes).unwrap();
        let lines: Vec<&str> = written.split(['\r', '\n']).collect();
        assert_eq!(lines[0], "id: 3.14");
        assert_eq!(lines[2..], ["", ""]);
        let read: serde_json::Value = serde_json::from_str(lines[1].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(read["content"], text);
    }

    #[test]
    fn texts_are_not_escaped_to_ascii() {
        assert_eq!(frame(None, &serde_json::json!({"content":"你好"})), "data: {\"content\":\"你好\"}\n\n");
    }

    #[test]
    fn cursors() {
        assert_eq!(Cursor::parse("1.120").unwrap().to_string(), "1.120");
        for bad in [
            "",
            "1",
            ".",
            "1.",
            ".1",
            "1.2.3",
            "-1.2",
            "+1.2",
            "1.x",
            "1. 2",
            "99999999999999999999.1",
            "1.2\n",
        ] {
            assert_eq!(Cursor::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn waits_lie_between_their_bounds() {
        let rng = CountingRng::default();
        for _ in 0..100 {
            let wait = jitter(&rng, Duration::from_secs(1), Duration::from_secs(5));
            assert!((Duration::from_secs(1)..=Duration::from_secs(5)).contains(&wait));
        }
    }

    #[tokio::test]
    async fn a_browser_that_does_not_read_is_stalled_by_events_and_by_bytes() {
        let mut sse = settings().sse;
        (sse.buffer_events, sse.buffer_bytes) = (2, 100);
        let (outbox, _body) = Outbox::open(&sse);
        outbox.push("a".into()).unwrap();
        outbox.push("b".into()).unwrap();
        assert_eq!(outbox.push("c".into()), Err(Stalled));
        let (outbox, body) = Outbox::open(&sse);
        outbox.push(vec![b'x'; 90].into()).unwrap();
        assert_eq!(outbox.push(vec![b'x'; 20].into()), Err(Stalled));
        // Reading makes room again, also for a frame that is larger than the whole way.
        let mut body = body.into_data_stream();
        body.next().await.unwrap().unwrap();
        outbox.push(vec![b'x'; 1000].into()).unwrap();
        drop(body);
        outbox.closed().await;
    }

    #[test]
    fn places_are_given_back() {
        let mut sse = settings().sse;
        (sse.max_per_principal, sse.max_per_agent, sse.max_total) = (1, 2, 4);
        let streams = Streams::new(&sse);
        let first = streams.enter("a", false).unwrap();
        assert!(streams.enter("a", false).is_none());
        let second = streams.enter("b", false).unwrap();
        // An agent has many sessions.
        let agents = [streams.enter("a", true).unwrap(), streams.enter("a", true).unwrap()];
        drop(second);
        assert!(streams.enter("a", true).is_none());
        let second = streams.enter("b", false).unwrap();
        assert!(streams.enter("c", false).is_none());
        drop((first, second, agents));
        assert!(streams.enter("a", false).is_some());
        assert!(streams.open.lock().by_client.is_empty());
    }
}
