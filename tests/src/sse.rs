//! Event streams as a browser reads them: piece by piece, wherever the network cuts them.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde_json::Value;
use std::{collections::VecDeque, fmt, pin::Pin, time::Duration};
use tokio::time::Instant;

/// Longest silence of a stream that a test puts up with. Heartbeats end it.
const SILENCE: Duration = Duration::from_secs(30);

/// One frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// `id:`
    pub id: Option<String>,
    /// `retry:`, in milliseconds.
    pub retry: Option<u64>,
    /// `data:` as JSON; null where there is none.
    pub data: Value,
    /// Exactly what was sent, without the empty line.
    pub raw: String,
    /// When the frame was complete.
    pub at: Instant,
}

impl Frame {
    /// Member `type` of the data.
    pub fn kind(&self) -> &str {
        self.data["type"].as_str().unwrap_or_default()
    }

    /// Member `content` of the data.
    pub fn content(&self) -> &str {
        self.data["content"].as_str().unwrap_or_default()
    }

    /// Member `seq` of the data: only what is on record has one.
    pub fn seq(&self) -> Option<i64> {
        self.data["seq"].as_i64()
    }
}

/// The types of frames, in order.
pub fn kinds(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(Frame::kind).collect()
}

/// The answer that frames of a chat stream spell.
pub fn answer(frames: &[Frame]) -> String {
    frames.iter().filter(|frame| frame.kind() == "message").map(Frame::content).collect()
}

/// Cuts bytes into frames.
#[derive(Debug, Default)]
pub struct Parser {
    rest: Vec<u8>,
}

impl Parser {
    /// Takes more bytes; gives the frames that they complete. Comments are left out.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.rest.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.rest.drain(..end + 2).collect();
            frames.extend(frame(&String::from_utf8(block).expect("event streams are UTF-8")));
        }
        frames
    }

    /// Whether the stream ended in the middle of a frame.
    pub fn is_cut(&self) -> bool {
        !self.rest.is_empty()
    }
}

fn frame(block: &str) -> Option<Frame> {
    let raw = block.trim_end_matches('\n').to_owned();
    let field = |name: &str| -> Vec<String> {
        let lines = raw.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.map(|rest| rest.trim_start().to_owned()).collect()
    };
    let data = field("data");
    let is_comment = raw.lines().all(|line| line.starts_with(':'));
    (!is_comment).then(|| Frame {
        id: field("id").pop(),
        retry: field("retry").pop().and_then(|text| text.parse().ok()),
        data: if data.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&data.join("\n")).unwrap_or_else(|error| panic!("{error}: {raw}"))
        },
        raw: raw.clone(),
        at: Instant::now(),
    })
}

type Pieces = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// Frames as they arrive. Dropping it is the browser going away.
pub struct Frames {
    pieces: Pieces,
    parser: Parser,
    ready: VecDeque<Frame>,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("ready", &self.ready.len()).finish_non_exhaustive()
    }
}

impl Frames {
    /// Reads the body of a response.
    pub fn of(response: reqwest::Response) -> Self {
        Self { pieces: Box::pin(response.bytes_stream()), parser: Parser::default(), ready: VecDeque::new() }
    }

    /// The next frame; `None` at the end, also at one that is no proper end.
    pub async fn next(&mut self) -> Option<Frame> {
        while self.ready.is_empty() {
            let piece =
                tokio::time::timeout(SILENCE, self.pieces.next()).await.expect("an event stream fell silent");
            match piece {
                Some(Ok(bytes)) => self.ready.extend(self.parser.feed(&bytes)),
                Some(Err(_)) | None => return None,
            }
        }
        self.ready.pop_front()
    }

    /// All frames up to the end.
    pub async fn rest(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        assert!(!self.parser.is_cut(), "the stream ended in the middle of a frame");
        frames
    }

    /// Frames up to the first of which `is_last` holds, that one included.
    pub async fn until(&mut self, mut is_last: impl FnMut(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let Some(frame) = self.next().await else {
                panic!("the stream ended too early, after {frames:#?}")
            };
            let last = is_last(&frame);
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_same_wherever_the_network_cuts_them() {
        let text = ": hb\n\nid: 1.7\ndata: {\"type\":\"message\",\"content\":\"你好\"}\n\nretry: 250\ndata: {\"type\":\"bye\"}\n\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let frames: Vec<Frame> =
                text.as_bytes().chunks(size).flat_map(|piece| parser.feed(piece)).collect();
            assert_eq!(frames.len(), 2, "pieces of {size}");
            assert_eq!((frames[0].id.as_deref(), frames[0].content()), (Some("1.7"), "你好"));
            assert_eq!((frames[1].retry, frames[1].kind()), (Some(250), "bye"));
            assert!(!parser.is_cut());
        }
    }
}
