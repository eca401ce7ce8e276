//! What would another policy have done? Stored sessions are replayed, turn by turn, through the same pure function that
//! decides live, once with each of two sets of rules; the first escalation of each is compared.
//!
//! The report is a function of the sessions, the two documents and the question: whole numbers, sorted, no clock, no
//! chance. The same input gives the same bytes, in whatever order the sessions arrive.
//!
//! What it cannot know: what the bot would have answered after the moment at which a human took over in reality, and what
//! customers would have written then. A session ends for both policies where it ended for the bot. A VIP flag that came
//! with a single request is not on record.

pub(crate) mod compare;
pub(crate) mod past;
pub(crate) mod queue;
pub(crate) mod replay;
pub(crate) mod report;
#[cfg(test)]
mod tests;

use crate::{RegulatorError, config::WhatIf, document::Version};
use compare::Comparison;
use past::Past;
use std::{ops::Range, sync::Arc};
use switchboard_boot::Lifecycle;
use switchboard_domain::{Clock, Rng};
use switchboard_mesh::{CallContext, Channel, reply::explain, status::from_status};
use switchboard_proto::{
    regulator::v1::{WhatIfResponse, what_if_response},
    session::v1::{ScanEpisodesRequest, archive_service_client::ArchiveServiceClient},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Bytes of one piece of a report, well below what a message may have.
const PIECE: usize = 64 * 1024;
/// How often progress is told, in sessions.
const TELL_EVERY: u32 = 500;

/// Progress, then the report in pieces.
pub(crate) type Reports = ReceiverStream<Result<WhatIfResponse, Status>>;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) base: Arc<Version>,
    pub(crate) draft: Arc<Version>,
    /// Sessions last touched from here, of which what was said and done from here …
    pub(crate) since: i64,
    /// … to here, exclusively, counts.
    pub(crate) until: i64,
    pub(crate) limit: u32,
    pub(crate) agents: u32,
    /// How long an agent takes, in milliseconds; `None`: as the past tells.
    pub(crate) handling: Option<i64>,
}

impl Ask {
    /// What counts: what was said or done within it.
    pub(crate) fn span(&self) -> Range<i64> {
        self.since..self.until
    }
}

/// Replays. Clones share the limit on how many run at once.
#[derive(Debug, Clone)]
pub(crate) struct Replaying {
    archive: ArchiveServiceClient<Channel>,
    places: Arc<Semaphore>,
    settings: Arc<WhatIf>,
    tasks: Lifecycle,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Replaying {
    pub(crate) fn new(
        archive: Channel,
        settings: Arc<WhatIf>,
        tasks: Lifecycle,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.concurrency));
        Self { archive: ArchiveServiceClient::new(archive), places, settings, tasks, clock, rng }
    }

    /// Begins a replay in a task of its own.
    ///
    /// # Errors
    /// [`RegulatorError::Busy`] when as many run as may.
    pub(crate) fn start(&self, ask: Ask) -> Result<Reports, RegulatorError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_full| RegulatorError::Busy)?;
        let (sender, receiver) = mpsc::channel(4);
        let this = self.clone();
        // The archive is read on our own behalf: whoever asks may see the report, not every word.
        let context = CallContext::current()
            .unwrap_or_else(|| CallContext::background(crate::NAME, &*self.clock, &*self.rng))
            .detached(crate::NAME);
        self.tasks.spawn("regulator.what_if", context.scope(this.run(ask, sender, place)));
        Ok(ReceiverStream::new(receiver))
    }

    async fn run(
        self,
        ask: Ask,
        sender: mpsc::Sender<Result<WhatIfResponse, Status>>,
        _place: OwnedSemaphorePermit,
    ) {
        let stopping = self.tasks.stopping();
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(self.settings.timeout, self.report(&ask, &sender)) => {
                outcome.unwrap_or(Err(RegulatorError::TooSlow))
            }
            () = sender.closed() => return,
            () = stopping => return,
        };
        match outcome {
            Ok(report) => {
                for piece in pieces(&report) {
                    let event = what_if_response::Event::Report(piece.to_owned());
                    if sender.send(Ok(WhatIfResponse { event: Some(event) })).await.is_err() {
                        return; // nobody listens any more
                    }
                }
            }
            Err(error) => drop(sender.send(Err(explain(&error))).await),
        }
    }

    async fn report(
        &self,
        ask: &Ask,
        sender: &mpsc::Sender<Result<WhatIfResponse, Status>>,
    ) -> Result<String, RegulatorError> {
        let request = ScanEpisodesRequest { since_ms: ask.since, until_ms: ask.until, limit: ask.limit };
        let away = |status: Status| RegulatorError::Archive(from_status(&status));
        let mut archive = self.archive.clone();
        let mut transcripts = archive.scan_episodes(request).await.map_err(away)?.into_inner();
        let mut comparison = Comparison::new(ask.clone(), self.settings.excerpt_chars);
        let mut sessions = 0;
        while let Some(transcript) = transcripts.message().await.map_err(away)? {
            comparison.add(&Past::try_from(transcript)?);
            sessions += 1;
            if sessions % TELL_EVERY == 0 {
                let event = what_if_response::Event::Progress(what_if_response::Progress { sessions });
                if sender.send(Ok(WhatIfResponse { event: Some(event) })).await.is_err() {
                    break; // nobody listens any more
                }
            }
            // Decisions for customers who wait come first.
            tokio::task::yield_now().await;
        }
        let default = i64::try_from(self.settings.handling.as_millis()).unwrap_or(i64::MAX);
        let max_cases = self.settings.max_cases;
        // Sorting and serving all of them in one go takes longer than others should wait for a thread.
        tokio::task::spawn_blocking(move || comparison.into_report(max_cases, default).to_json()).await?
    }
}

/// A text in pieces of at most [`PIECE`] bytes.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = after;
        Some(piece)
    })
}
