//! One turn as `POST /chat/stream` tells it: the answer as it is written, and what else happens in the session meanwhile.
//! Pure: events in, frames out. What the end of the turn wrote is told after the whole answer, whatever arrives first.

use crate::{
    error::Problem,
    sse::frame,
    view::{Event, MessageView, SourceView, is_manual, sources},
};
use bytes::Bytes;
use serde::Serialize;
use std::collections::BTreeSet;
use switchboard_domain::{
    Entry, EntryBody, ErrorKind, Message, MessageId, Sender, Seq, Session, SessionName, TurnId,
    session::LogEpoch, turn::TurnState,
};
use switchboard_proto::chat::v1::turn_event::Delta;

/// How a turn begins.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) turn: Option<TurnId>,
    pub(crate) epoch: LogEpoch,
    pub(crate) created: bool,
    pub(crate) replayed: bool,
    pub(crate) entries: Vec<Entry>,
    pub(crate) session: Session,
}

/// How a turn ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) turn: TurnId,
    pub(crate) state: TurnState,
    pub(crate) entries: Vec<Entry>,
}

/// A frame that only this stream has.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ReplyEvent<'a> {
    Message { content: &'a str },
    Error { content: String, code: &'a str },
    Done(Done<'a>),
}

#[derive(Debug, Serialize)]
struct Done<'a> {
    content: &'a str,
    sources: Vec<SourceView>,
    turn_id: Option<String>,
    seq: Option<i64>,
    message_id: Option<String>,
    session_name: &'a str,
    interrupted: bool,
}

/// The reply of a turn: what the bot answered, or what the customer is told instead.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    /// The answer, else the notices.
    pub(crate) said: Vec<(&'a Entry, &'a Message)>,
    /// Whether it is the answer.
    pub(crate) is_answer: bool,
}

impl<'a> Outcome<'a> {
    /// Finds the reply among what the end of a turn wrote.
    pub(crate) fn of(turn: TurnId, entries: &'a [Entry]) -> Self {
        let messages = || entries.iter().filter_map(|entry| entry.message().map(|message| (entry, message)));
        let is_answer = |message: &Message| message.sender == Sender::Assistant && message.turn == Some(turn);
        let answer: Vec<_> = messages().filter(|(_, message)| is_answer(message)).collect();
        if !answer.is_empty() {
            return Self { said: answer, is_answer: true };
        }
        let notices = messages().filter(|(_, message)| message.sender == Sender::System).collect();
        Self { said: notices, is_answer: false }
    }

    /// The reply as one text.
    pub(crate) fn text(&self) -> String {
        self.said.iter().map(|(_, message)| message.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The last thing said.
    pub(crate) fn last(&self) -> Option<MessageView> {
        self.said.last().and_then(|(entry, _)| MessageView::of(entry))
    }

    /// A failed turn that says nothing is an error, not an answer.
    pub(crate) fn check(&self, state: TurnState) -> Result<(), Problem> {
        if self.said.is_empty() && state == TurnState::Failed {
            return Err(Problem::new(
                ErrorKind::Unavailable,
                "AI_UNAVAILABLE",
                "the assistant cannot answer right now",
            ));
        }
        Ok(())
    }
}

/// One turn on its way to a browser.
#[derive(Debug)]
pub(crate) struct Reply {
    session: SessionName,
    /// The customer's message that is answered.
    own: Option<MessageId>,
    turn: Option<TurnId>,
    /// Up to here the log has been told, or need not be.
    last: Seq,
    /// What has been told out of the log: the end may bring it once more.
    told: BTreeSet<Seq>,
    manual: bool,
    /// The answer so far.
    streamed: String,
    next_chunk: u32,
    /// Entries from the end of the turn on: they are told after the answer.
    held: Vec<Entry>,
    /// The state in which the log shows the turn to have ended.
    ended: Option<TurnState>,
}

impl Reply {
    /// Begins to tell a turn.
    pub(crate) fn new(accepted: &Accepted) -> (Self, Vec<Bytes>) {
        let own = accepted.entries.iter().rev().filter_map(Entry::message);
        let own = own.filter(|message| message.sender == Sender::Customer).map(|message| message.id).next();
        // A repeat is told what happens from now on; a first one also what its own message caused.
        let last = accepted.entries.last().filter(|_| !accepted.replayed).map(|entry| entry.seq);
        let reply = Self {
            session: accepted.session.name.clone(),
            own,
            turn: accepted.turn,
            last: last.unwrap_or(accepted.session.head),
            told: BTreeSet::new(),
            manual: is_manual(accepted.session.status),
            streamed: String::new(),
            next_chunk: 0,
            held: Vec::new(),
            ended: None,
        };
        let told = accepted.entries.iter().filter(|entry| !accepted.replayed && is_status(entry));
        let frames = told.map(|entry| frame(None, &Event::of(entry, false))).collect();
        (reply, frames)
    }

    /// From where on the log has to be read.
    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    /// Tells a piece of the answer.
    pub(crate) fn delta(&mut self, delta: &Delta) -> Option<Bytes> {
        if let Ok(turn) = TurnId::parse(&delta.turn) {
            self.turn = Some(turn);
        }
        // A piece again, from a worker that took the turn over: the end brings what is missing.
        if delta.from_chunk < self.next_chunk {
            return None;
        }
        self.next_chunk = delta.chunk.saturating_add(1);
        self.streamed.push_str(&delta.text);
        Some(frame(None, &ReplyEvent::Message { content: &delta.text }))
    }

    /// Tells an entry of the log, or keeps it until the answer is whole.
    pub(crate) fn entry(&mut self, entry: Entry) -> Option<Bytes> {
        if entry.seq <= self.last {
            return None;
        }
        self.notice_turn(&entry);
        if self.held.is_empty() && !self.is_of_end(&entry) {
            self.last = entry.seq;
            self.told.insert(entry.seq);
            return self.tell(&entry, false);
        }
        if let EntryBody::Turn(change) = &entry.body
            && Some(change.turn) == self.turn
            && change.state.is_final()
        {
            self.ended = Some(change.state);
        }
        self.held.push(entry);
        None
    }

    /// The log shows that the turn is over: the end is on its way, or will never come.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// The end, as the log shows it.
    pub(crate) fn end_on_record(&self) -> Option<Ended> {
        Some(Ended { turn: self.turn?, state: self.ended?, entries: Vec::new() })
    }

    /// Tells the end.
    pub(crate) fn end(mut self, mut ended: Ended) -> Vec<Bytes> {
        self.turn = Some(ended.turn);
        let mut entries = std::mem::take(&mut ended.entries);
        entries.append(&mut self.held);
        entries.sort_by_key(|entry| entry.seq);
        entries.dedup_by_key(|entry| entry.seq);
        let outcome = Outcome::of(ended.turn, &entries);
        // With an answer, or a part of one, notices are news beside it; without, they are the reply.
        let speaks = !outcome.is_answer && self.streamed.is_empty();
        let mut frames = Vec::new();
        if self.streamed.is_empty()
            && let Err(problem) = outcome.check(ended.state)
        {
            frames.push(error(&problem));
            return frames;
        }
        for entry in &entries {
            if !self.told.contains(&entry.seq) {
                frames.extend(self.tell(entry, speaks));
            }
        }
        if self.was_replaced(&outcome, ended.state) {
            let told = "the answer was begun anew; the session has all of it";
            frames.push(error(&Problem::new(ErrorKind::Unavailable, "ANSWER_REPLACED", told)));
            return frames;
        }
        let last = outcome.last().filter(|_| outcome.is_answer || speaks);
        let broke_off = !outcome.is_answer && !self.streamed.is_empty();
        let interrupted = broke_off
            || ended.state == TurnState::Interrupted
            || last.as_ref().is_some_and(|said| said.interrupted);
        let cited = outcome.said.first().filter(|_| outcome.is_answer);
        frames.push(frame(
            None,
            &ReplyEvent::Done(Done {
                content: "",
                sources: cited.map_or_else(Vec::new, |(_, message)| sources(&message.sources)),
                turn_id: Some(ended.turn.to_string()),
                seq: last.as_ref().map(|said| said.seq),
                message_id: last.map(|said| said.message_id),
                session_name: self.session.as_str(),
                interrupted,
            }),
        ));
        frames
    }

    /// Whether the answer on record is another one than was shown: its worker died, and the next one found other words.
    /// What was shown cannot be taken back, so it must not look finished.
    fn was_replaced(&self, outcome: &Outcome<'_>, state: TurnState) -> bool {
        let Some((_, answer)) = outcome.said.first().filter(|_| outcome.is_answer) else { return false };
        let goes_on = answer.text.starts_with(&self.streamed);
        let is_shorter = state == TurnState::Interrupted && self.streamed.starts_with(&answer.text);
        !goes_on && !is_shorter
    }

    /// The turn that has our message is ours, also if it began behind another one.
    fn notice_turn(&mut self, entry: &Entry) {
        if let EntryBody::Turn(change) = &entry.body
            && self.own.is_some_and(|own| change.covers.contains(&own))
        {
            self.turn = Some(change.turn);
        }
    }

    fn is_answer(&self, entry: &Entry) -> bool {
        entry
            .message()
            .is_some_and(|message| message.sender == Sender::Assistant && message.turn == self.turn)
    }

    /// Whether the entry belongs to the end of our turn.
    fn is_of_end(&self, entry: &Entry) -> bool {
        let Some(turn) = self.turn else { return false };
        match &entry.body {
            EntryBody::Message(message) => message.turn == Some(turn) && message.sender != Sender::Customer,
            EntryBody::Turn(change) => change.turn == turn && change.state.is_final(),
            // With the status the right to speak passes on: a running turn ends in the same commit.
            EntryBody::Status(_) => true,
            EntryBody::Conversation(_) => false,
        }
    }

    /// An entry as a frame; `None` for what the answer has told already, or what is not for this stream.
    fn tell(&mut self, entry: &Entry, speaks: bool) -> Option<Bytes> {
        match &entry.body {
            EntryBody::Message(message) => match message.sender {
                Sender::Assistant if self.is_answer(entry) => {
                    let rest = message.text.strip_prefix(self.streamed.as_str()).unwrap_or_default();
                    (!rest.is_empty()).then(|| frame(None, &ReplyEvent::Message { content: rest }))
                }
                Sender::Assistant => None,
                Sender::System if speaks => {
                    Some(frame(None, &ReplyEvent::Message { content: &message.text }))
                }
                Sender::Customer if !self.manual || Some(message.id) == self.own => None,
                Sender::Customer | Sender::Agent | Sender::System => {
                    Some(frame(None, &Event::of(entry, true)))
                }
            },
            EntryBody::Status(change) => {
                self.manual = is_manual(change.to);
                Some(frame(None, &Event::of(entry, false)))
            }
            EntryBody::Turn(_) | EntryBody::Conversation(_) => None,
        }
    }
}

/// The last frame of a stream that failed.
pub(crate) fn error(problem: &Problem) -> Bytes {
    frame(None, &ReplyEvent::Error { content: problem.detail(), code: problem.code() })
}

fn is_status(entry: &Entry) -> bool {
    matches!(entry.body, EntryBody::Status(_))
}

#[cfg(test)]
mod tests;
