//! The past as those see it who learn from it: sessions as transcripts, cut into the stretches in which the bot answered.

use crate::{
    error::SessionError,
    store::{Cursor, Store},
};
use std::{collections::HashMap, pin::Pin};
use switchboard_boot::Lifecycle;
use switchboard_domain::{
    Entry, EntryBody, Message, MessageId, Sender, Session, Status, Timestamp, TurnId,
    entry::{StatusChange, TurnChange},
    turn::TurnState,
};
use switchboard_mesh::{reply, reply::explain};
use switchboard_proto::{
    convert::WireError,
    session::v1::{
        self as wire, ScanEpisodesRequest, Transcript,
        archive_service_server::ArchiveService,
        transcript::{Episode, Line},
    },
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status as Refusal};

/// Sessions that are read at once.
const PAGE: usize = 100;
/// Transcripts that may wait for the reader.
const AHEAD: usize = 16;
/// Entries of one log that are given, the newest ones of the span; more than a conversation of a day has.
const ENTRIES_MAX: usize = 2000;

/// Answers [`ArchiveService`].
#[derive(Debug)]
pub(crate) struct Archive {
    store: Store,
    tasks: Lifecycle,
}

impl Archive {
    pub(crate) fn new(store: Store, tasks: Lifecycle) -> Self {
        Self { store, tasks }
    }

    fn scan(
        &self,
        request: &ScanEpisodesRequest,
    ) -> Result<ReceiverStream<Result<Transcript, Refusal>>, SessionError> {
        if request.until_ms != 0 && request.until_ms <= request.since_ms {
            return Err(WireError::new("until_ms").into());
        }
        let until = if request.until_ms == 0 { i64::MAX } else { request.until_ms };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let scan = Scan {
            store: self.store.clone(),
            since: Timestamp::from_millis(request.since_ms),
            until: Timestamp::from_millis(until),
            // No name is empty: everything before this place is before the end of the span.
            before: Cursor { updated_at: Timestamp::from_millis(until), name: String::new() },
            left: if request.limit == 0 { usize::MAX } else { request.limit as usize },
            sender,
        };
        let stopping = self.tasks.stopping();
        self.tasks.spawn("session.archive", async move {
            tokio::select! {
                () = scan.run() => {}
                () = stopping => {}
            }
        });
        Ok(ReceiverStream::new(receiver))
    }
}

#[tonic::async_trait]
impl ArchiveService for Archive {
    type ScanEpisodesStream = Pin<Box<dyn Stream<Item = Result<Transcript, Refusal>> + Send>>;

    async fn scan_episodes(
        &self,
        request: Request<ScanEpisodesRequest>,
    ) -> Result<Response<Self::ScanEpisodesStream>, Refusal> {
        reply(async {
            let stream = self.scan(request.get_ref())?;
            Ok::<Self::ScanEpisodesStream, SessionError>(Box::pin(stream))
        })
        .await
    }
}

struct Scan {
    store: Store,
    since: Timestamp,
    until: Timestamp,
    before: Cursor,
    left: usize,
    sender: mpsc::Sender<Result<Transcript, Refusal>>,
}

impl Scan {
    async fn run(mut self) {
        while self.left > 0 {
            match self.page().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return drop(self.sender.send(Err(explain(&error))).await),
            }
        }
    }

    /// Gives a page of sessions; says whether there may be another one, and a reader for it.
    async fn page(&mut self) -> Result<bool, SessionError> {
        let sessions = self.store.touched(self.since, &self.before, self.left.min(PAGE)).await?;
        let Some(last) = sessions.last() else { return Ok(false) };
        self.before = Cursor { updated_at: last.updated_at, name: last.name.to_string() };
        self.left -= sessions.len();
        for session in sessions {
            let entries = self.store.newest(&session.name, self.since, self.until, ENTRIES_MAX + 1).await?;
            if self.sender.send(Ok(transcript(&session, &entries))).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn transcript(session: &Session, entries: &[Entry]) -> Transcript {
    let given = &entries[entries.len().saturating_sub(ENTRIES_MAX)..];
    let stretch = bot_answers(session, given).then(Stretch::default);
    let mut reader = Reader { stretch, ..Reader::default() };
    for entry in given {
        match &entry.body {
            EntryBody::Message(message) => reader.message(entry.at, message),
            EntryBody::Status(change) => reader.status(entry.at, change),
            EntryBody::Turn(change) => reader.turn(entry.at, change),
            EntryBody::Conversation(_) => {}
        }
    }
    reader.end(None, "");
    Transcript {
        session: session.name.to_string(),
        vip: session.profile.vip,
        created_at_ms: session.created_at.millis(),
        updated_at_ms: session.updated_at.millis(),
        episodes: reader.episodes,
        served_ms: reader.served,
        cut: entries.len() > ENTRIES_MAX,
    }
}

/// Whether the bot may answer where the entries begin: the first change of the status says what it was before.
fn bot_answers(session: &Session, entries: &[Entry]) -> bool {
    let first = entries.iter().find_map(|entry| match &entry.body {
        EntryBody::Status(change) => Some(change.from),
        EntryBody::Message(_) | EntryBody::Turn(_) | EntryBody::Conversation(_) => None,
    });
    match first.unwrap_or(session.status) {
        Status::BotActive | Status::AfterHoursEmail | Status::Closed => true,
        Status::PendingManual | Status::ManualLive => false,
    }
}

/// Reads a log, or its last part.
#[derive(Default)]
struct Reader {
    episodes: Vec<Episode>,
    /// While the bot may answer.
    stretch: Option<Stretch>,
    served: Vec<i64>,
    /// Since when a human serves.
    serving: Option<Timestamp>,
}

#[derive(Default)]
struct Stretch {
    lines: Vec<Line>,
    /// The place of each message of a customer.
    places: HashMap<MessageId, usize>,
    /// The number of each turn.
    turns: HashMap<TurnId, u32>,
}

impl Reader {
    fn message(&mut self, at: Timestamp, message: &Message) {
        let Some(stretch) = &mut self.stretch else { return };
        let turn = match message.sender {
            Sender::System => return, // notices of the house are no part of the conversation
            Sender::Customer => {
                stretch.places.insert(message.id, stretch.lines.len());
                0 // told by the turn that covers it
            }
            Sender::Assistant | Sender::Agent => {
                message.turn.and_then(|turn| stretch.turns.get(&turn)).copied().unwrap_or(0)
            }
        };
        stretch.lines.push(Line {
            sender: wire::Sender::from(message.sender).into(),
            text: message.text.clone(),
            at_ms: at.millis(),
            turn,
            interrupted: message.interrupted,
            turn_at_ms: 0,
        });
    }

    fn turn(&mut self, at: Timestamp, change: &TurnChange) {
        let Some(stretch) = &mut self.stretch else { return };
        if change.state != TurnState::Accepted {
            return;
        }
        let number = u32::try_from(stretch.turns.len() + 1).unwrap_or(u32::MAX);
        stretch.turns.insert(change.turn, number);
        for place in change.covers.iter().filter_map(|message| stretch.places.get(message)) {
            let line = &mut stretch.lines[*place];
            (line.turn, line.turn_at_ms) = (number, at.millis());
        }
    }

    fn status(&mut self, at: Timestamp, change: &StatusChange) {
        if change.from == change.to {
            return; // handed on from human to human
        }
        if let Some(since) = self.serving.take_if(|_| change.to != Status::ManualLive) {
            self.served.push(i64::try_from(at.since(since).as_millis()).unwrap_or(i64::MAX));
        }
        let called = change.reason.as_deref().unwrap_or("called");
        match change.to {
            Status::PendingManual | Status::ManualLive => self.end(Some(at), called),
            Status::AfterHoursEmail => {
                self.end(Some(at), called);
                self.stretch = Some(Stretch::default());
            }
            // Who writes to a closed session has written before it opens again: it is the bot's from its end on.
            Status::BotActive if change.from == Status::Closed => {}
            Status::BotActive | Status::Closed => {
                self.end(Some(at), "");
                self.stretch = Some(Stretch::default());
            }
        }
        if change.to == Status::ManualLive {
            self.serving = Some(at);
        }
    }

    /// Ends the bot's stretch, if there is one.
    fn end(&mut self, at: Option<Timestamp>, called: &str) {
        let Some(stretch) = self.stretch.take() else { return };
        if !stretch.lines.is_empty() {
            self.episodes.push(Episode {
                lines: stretch.lines,
                ended_by: called.to_owned(),
                ended_at_ms: at.map(Timestamp::millis).unwrap_or_default(),
            });
        }
    }
}
