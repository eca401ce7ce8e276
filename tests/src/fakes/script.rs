//! Turns a good answer into what is really sent, fault by fault.

use super::Fault;
use axum::body::{Body, Bytes};
use futures::stream;
use std::{io, time::Duration};

/// A good answer, event by event.
pub(super) struct Frames {
    /// What comes before the first text.
    pub(super) opening: Vec<String>,
    /// The texts.
    pub(super) texts: Vec<String>,
    /// What ends the answer.
    pub(super) closing: Vec<String>,
}

/// One thing that is done while the stream is open.
enum Act {
    Send(Bytes),
    Wait(Duration),
    Hang,
    Break,
}

impl From<String> for Act {
    fn from(text: String) -> Self {
        Self::Send(text.into())
    }
}

/// Tells how a stream ended, when it ended or was dropped by the other side.
struct Watch<F: FnOnce(bool)> {
    sent_all: bool,
    report: Option<F>,
}

impl<F: FnOnce(bool)> Drop for Watch<F> {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            report(self.sent_all);
        }
    }
}

/// The body to send. `report` learns whether all of it was sent.
pub(super) fn body(
    frames: Frames,
    fault: Option<&Fault>,
    report: impl FnOnce(bool) + Send + 'static,
) -> Body {
    let watch = Watch { sent_all: false, report: Some(report) };
    let state = (acts(frames, fault).into_iter(), watch);
    Body::from_stream(stream::unfold(state, async |(mut acts, mut watch)| {
        loop {
            match acts.next() {
                Some(Act::Send(bytes)) => return Some((Ok(bytes), (acts, watch))),
                Some(Act::Wait(time)) => tokio::time::sleep(time).await,
                Some(Act::Hang) => std::future::pending().await,
                Some(Act::Break) => {
                    return Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), (acts, watch)));
                }
                None => {
                    watch.sent_all = true;
                    return None;
                }
            }
        }
    }))
}

fn acts(frames: Frames, fault: Option<&Fault>) -> Vec<Act> {
    let Frames { opening, texts, closing } = frames;
    let half = texts[..texts.len().div_ceil(2)].to_vec();
    let mut acts: Vec<Act> = opening.into_iter().map(Act::from).collect();
    let mut then = |more: Vec<Act>| acts.extend(more);
    let all = |list: Vec<String>| list.into_iter().map(Act::from).collect::<Vec<_>>();
    match fault {
        Some(Fault::SlowFirst(time)) => {
            then(vec![Act::Wait(*time)]);
            then(all(texts));
            then(all(closing));
        }
        Some(Fault::SlowDeltas(time)) => {
            then(texts.into_iter().flat_map(|text| [Act::Wait(*time), text.into()]).collect());
            then(all(closing));
        }
        Some(Fault::Stall) => {
            then(all(half));
            then(vec![Act::Hang]);
        }
        Some(Fault::Cut) => {
            then(all(half));
            // A pause that lets what was sent leave before the connection breaks.
            then(vec![Act::Wait(Duration::from_millis(20)), Act::Break]);
        }
        Some(Fault::EndEarly) => then(all(half)),
        Some(Fault::Garbage) => {
            then(vec![Act::Send(Bytes::from_static(
                b"\xff\xfe\x00<garbage>\n\xc3\x28\n\ndata: \xf0\x28\n\n",
            ))]);
        }
        Some(Fault::BrokenJson) => {
            then(all(half));
            then(vec![Act::from(
                "event: conversation.message.delta\ndata: {\"content\": oops\n\n".to_owned(),
            )]);
        }
        Some(Fault::SplitUtf8) => {
            let bytes = [texts, closing].concat().concat().into_bytes();
            then(bytes.chunks(3).map(|piece| Act::Send(Bytes::copy_from_slice(piece))).collect());
        }
        Some(Fault::Flood(size)) => {
            let once = texts.concat();
            then((0..=size / once.len().max(1)).map(|_| Act::from(once.clone())).collect());
            then(all(closing));
        }
        Some(Fault::FloodLine(size)) => {
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            then((0..=size / piece.len()).map(|_| Act::Send(piece.clone())).collect());
        }
        Some(Fault::FloodIgnored(size)) => {
            let piece = Bytes::from(": nothing\n\n".repeat(6_000));
            then((0..=size / piece.len()).map(|_| Act::Send(piece.clone())).collect());
            then(vec![Act::Hang]);
        }
        Some(Fault::Empty) => then(all(closing)),
        _ => {
            then(all(texts));
            then(all(closing));
        }
    }
    acts
}

/// Cuts a text in pieces of a few characters.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(4).map(|piece| piece.iter().collect()).collect()
}

/// Puts control characters around every piece.
pub(super) fn with_control_characters(pieces: &mut [String]) {
    for piece in pieces {
        *piece = format!("\u{0}\u{1b}\u{7}{piece}\u{9b}");
    }
}
