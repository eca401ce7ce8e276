//! One answer while it arrives: four timers, three bounds, safe text, and the vendor's dialect behind an enum.

use crate::{
    Delta, DeltaStream, Limits, ModelError, Phase, Timers, coze,
    http::cut,
    openai,
    sse::{Decoder, Frame},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use std::{borrow::Cow, collections::VecDeque, fmt, pin::Pin, time::Duration};
use switchboard_domain::text::sanitize;
use tokio::time::{Instant, timeout_at};

/// How a vendor speaks inside its stream.
#[derive(Debug)]
pub(crate) enum Dialect {
    Coze(coze::Reader),
    OpenAi(openai::Reader),
}

impl Dialect {
    /// What an event adds to the answer.
    fn read<'a>(&mut self, frame: Frame<'a>) -> Result<Option<Cow<'a, str>>, ModelError> {
        match self {
            Self::Coze(reader) => reader.read(frame),
            Self::OpenAi(reader) => reader.read(frame),
        }
    }

    /// Whether the vendor said that the answer is complete.
    fn is_finished(&self) -> bool {
        match self {
            Self::Coze(reader) => reader.is_finished(),
            Self::OpenAi(reader) => reader.is_finished(),
        }
    }

    fn provider(&self) -> &'static str {
        match self {
            Self::Coze(_) => coze::NAME,
            Self::OpenAi(_) => openai::NAME,
        }
    }
}

/// When a call that began now must have shown its first text, and when it must be over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    first_token: Instant,
    total: Instant,
    between_tokens: Duration,
}

impl Deadlines {
    /// Starts the timers.
    pub(crate) fn start(timers: &Timers) -> Self {
        let now = Instant::now();
        Self {
            first_token: now + timers.first_token,
            total: now + timers.total,
            between_tokens: timers.between_tokens,
        }
    }

    /// Runs what has to be done before the first text is there.
    pub(crate) async fn before_first<T>(
        &self,
        work: impl Future<Output = Result<T, ModelError>>,
    ) -> Result<T, ModelError> {
        within(self.first_token, Phase::FirstToken, self.total, work).await
    }
}

/// Runs `work` until `deadline` or `total`, whichever is first.
async fn within<T>(
    deadline: Instant,
    phase: Phase,
    total: Instant,
    work: impl Future<Output = Result<T, ModelError>>,
) -> Result<T, ModelError> {
    let (deadline, phase) = if total < deadline { (total, Phase::Total) } else { (deadline, phase) };
    timeout_at(deadline, work).await.unwrap_or(Err(ModelError::Timeout { phase }))
}

type Body = Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>;

/// An answer that is being read. Dropping it closes the vendor's stream.
pub(crate) struct Answer {
    body: Body,
    decoder: Decoder,
    dialect: Dialect,
    limits: Limits,
    /// Accepted text, in bytes, and what of it was not given out yet.
    length: usize,
    ready: String,
    /// How it ended: set once, told after the text that came before.
    end: Option<Result<(), ModelError>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("length", &self.length).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Answer {
    /// Starts reading a response whose head says that it is a stream.
    pub(crate) fn new(response: reqwest::Response, dialect: Dialect, limits: &Limits) -> Self {
        Self {
            body: response.bytes_stream().boxed(),
            decoder: Decoder::new(limits.line_bytes),
            dialect,
            limits: limits.clone(),
            length: 0,
            ready: String::new(),
            end: None,
        }
    }

    /// The next text, as much as one read gave; `None` after a proper end. The first text begins with a visible
    /// character, so an answer of blanks is an error before anything was shown.
    ///
    /// # Errors
    /// Whatever the vendor said or did; [`ModelError::Empty`] when it ended without a visible text.
    pub(crate) async fn next_text(&mut self) -> Result<Option<String>, ModelError> {
        loop {
            self.drain();
            if !self.ready.is_empty() {
                return Ok(Some(std::mem::take(&mut self.ready)));
            }
            if let Some(end) = &self.end {
                end.clone()?;
                return if self.length == 0 { Err(ModelError::Empty) } else { Ok(None) };
            }
            match self.body.next().await {
                Some(Ok(chunk)) => self.decoder.push(&chunk),
                Some(Err(error)) => self.end = Some(Err(cut(self.dialect.provider(), error))),
                None => self.close(),
            }
            if self.decoder.bytes() > self.limits.stream_bytes {
                self.end.get_or_insert(Err(ModelError::BadReply));
            }
        }
    }

    /// Reads everything that the bytes at hand say.
    fn drain(&mut self) {
        while self.end.is_none() {
            match self.decoder.advance() {
                Ok(true) => self.read_frame(),
                Ok(false) => break,
                Err(error) => self.end = Some(Err(error)),
            }
        }
    }

    fn read_frame(&mut self) {
        match self.dialect.read(self.decoder.frame()) {
            Ok(Some(piece)) => {
                let clean = sanitize(&piece);
                let shown = if self.length == 0 { clean.trim_start() } else { clean.as_str() };
                self.length += shown.len();
                if self.length > self.limits.answer_bytes {
                    self.end = Some(Err(ModelError::BadReply));
                } else {
                    self.ready.push_str(shown);
                }
            }
            Ok(None) => {}
            Err(error) => self.end = Some(Err(error)),
        }
        if self.dialect.is_finished() {
            self.end.get_or_insert(Ok(()));
        }
    }

    /// The vendor closed the stream: fine only if its last event said so.
    fn close(&mut self) {
        match self.decoder.finish() {
            Ok(true) => self.read_frame(),
            Ok(false) => {}
            Err(error) => self.end = Some(Err(error)),
        }
        self.end.get_or_insert(Err(ModelError::Interrupted));
    }

    /// Hands out the rest as a stream that begins with what is known already. It ends after the first error.
    pub(crate) fn into_deltas(
        self,
        deadlines: Deadlines,
        known: impl IntoIterator<Item = Delta>,
    ) -> DeltaStream {
        let state = (Some(self), known.into_iter().collect::<VecDeque<_>>());
        stream::unfold(state, move |(answer, mut known)| async move {
            if let Some(delta) = known.pop_front() {
                return Some((Ok(delta), (answer, known)));
            }
            let mut answer = answer?;
            let now = Instant::now();
            if now >= deadlines.total {
                return Some((Err(ModelError::Timeout { phase: Phase::Total }), (None, known)));
            }
            let gap = now + deadlines.between_tokens;
            match within(gap, Phase::BetweenTokens, deadlines.total, answer.next_text()).await {
                Ok(Some(text)) => Some((Ok(Delta::Text(text)), (Some(answer), known))),
                Ok(None) => None,
                Err(error) => Some((Err(error), (None, known))),
            }
        })
        .boxed()
    }
}
