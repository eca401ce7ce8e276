//! What one event stream has told, and what it tells next. Pure: entries and pieces of answers in, frames out. Every
//! entry is told once and in order; a piece of an answer is never told after the answer itself.

use crate::{
    sse::{Cursor, frame},
    view::{Event, SessionState, is_manual},
};
use bytes::Bytes;
use switchboard_domain::{Entry, EntryBody, Sender, Seq, Session, TurnId, session::LogEpoch};
use switchboard_proto::{chat::v1::turn_event::Delta, session::v1::Insight};

/// How a subscription begins.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: Session,
    pub(crate) epoch: LogEpoch,
    pub(crate) reset: bool,
    pub(crate) tail: Vec<Entry>,
    pub(crate) insight: Option<Insight>,
}

/// An entry is missing: the client has to come back and ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap;

/// What one event stream has told.
#[derive(Debug)]
pub(crate) struct Feed {
    epoch: LogEpoch,
    last: Seq,
    /// Whether a human was waited for or talked at [`Self::last`]; `None` while replayed entries have not shown it.
    manual: Option<bool>,
    manual_at_head: bool,
    /// Entries that wait for [`Self::manual`].
    held: Vec<Entry>,
    max_held: usize,
    live: bool,
    turn: Option<TurnId>,
}

impl Feed {
    /// Begins to tell what comes after `after`; `max_held` bounds what is kept back.
    pub(crate) fn open(opened: &Opened, after: Option<Cursor>, max_held: usize) -> (Self, Vec<Bytes>) {
        let head = opened.session.head;
        let last = if opened.reset { head } else { after.map_or(Seq::ZERO, |cursor| cursor.seq) };
        let manual_at_head = is_manual(opened.session.status);
        // At the beginning the bot answers; at the head we know; in between the entries have to show it.
        let manual = if last >= head {
            Some(manual_at_head)
        } else if last == Seq::ZERO {
            Some(false)
        } else {
            None
        };
        let (epoch, held) = (opened.epoch, Vec::new());
        let feed = Self { epoch, last, manual, manual_at_head, held, max_held, live: false, turn: None };
        let mut frames = Vec::new();
        if opened.reset {
            let state = SessionState::new(&opened.session, epoch, &opened.tail, opened.insight.as_ref());
            frames.push(frame(Some(Cursor { epoch, seq: head }), &Event::Reset { session: Box::new(state) }));
        }
        (feed, frames)
    }

    /// Tells an entry.
    ///
    /// # Errors
    /// [`Gap`] when one before it is missing.
    pub(crate) fn entry(&mut self, entry: Entry) -> Result<Vec<Bytes>, Gap> {
        if entry.seq <= self.last {
            return Ok(Vec::new());
        }
        if entry.seq != self.last.next() {
            return Err(Gap);
        }
        self.last = entry.seq;
        if self.manual.is_some() {
            return Ok(vec![self.tell(&entry)]);
        }
        let shown = match &entry.body {
            EntryBody::Status(change) => Some(is_manual(change.from)),
            EntryBody::Message(_) | EntryBody::Turn(_) | EntryBody::Conversation(_) => {
                (self.held.len() >= self.max_held).then_some(self.manual_at_head)
            }
        };
        self.held.push(entry);
        Ok(shown.map_or_else(Vec::new, |manual| self.release(manual)))
    }

    /// Everything that was on record has been told; `turn` is being answered.
    pub(crate) fn caught_up(&mut self, turn: Option<TurnId>) -> Vec<Bytes> {
        self.live = true;
        self.turn = turn;
        if self.manual.is_some() { Vec::new() } else { self.release(self.manual_at_head) }
    }

    /// Tells a piece of an answer, while the answer is not on record.
    pub(crate) fn delta(&self, delta: Delta) -> Option<Bytes> {
        let turn = self.turn?.to_string();
        let Delta { turn: turn_id, from_chunk, chunk, text: content } = delta;
        (turn == turn_id).then(|| frame(None, &Event::Delta { turn_id, from_chunk, chunk, content }))
    }

    /// The turn whose answer is being written.
    pub(crate) fn turn(&self) -> Option<TurnId> {
        self.turn
    }

    /// Whether everything that was on record has been told.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    fn release(&mut self, manual: bool) -> Vec<Bytes> {
        self.manual = Some(manual);
        let held = std::mem::take(&mut self.held);
        held.iter().map(|entry| self.tell(entry)).collect()
    }

    fn tell(&mut self, entry: &Entry) -> Bytes {
        let manual = self.manual.unwrap_or(self.manual_at_head);
        match &entry.body {
            EntryBody::Status(change) => self.manual = Some(is_manual(change.to)),
            EntryBody::Turn(change) if change.state.is_final() => self.ended(change.turn),
            EntryBody::Turn(change) if self.live => self.turn = Some(change.turn),
            EntryBody::Message(message) if message.sender == Sender::Assistant => {
                if let Some(turn) = message.turn {
                    self.ended(turn);
                }
            }
            EntryBody::Turn(_) | EntryBody::Message(_) | EntryBody::Conversation(_) => {}
        }
        frame(Some(Cursor { epoch: self.epoch, seq: entry.seq }), &Event::of(entry, manual))
    }

    fn ended(&mut self, turn: TurnId) {
        if self.turn == Some(turn) {
            self.turn = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::log;
    use switchboard_domain::{Status, turn::TurnState};

    fn opened(head: i64, status: Status, reset: bool) -> Opened {
        let mut session = log::session("alice", head);
        session.status = status;
        Opened { session, epoch: LogEpoch::new(1), reset, tail: Vec::new(), insight: None }
    }

    fn at(seq: i64) -> Cursor {
        Cursor { epoch: LogEpoch::new(1), seq: Seq::new(seq) }
    }

    fn kinds(frames: &[Bytes]) -> Vec<String> {
        let kind = |frame: &Bytes| {
            let text = std::str::from_utf8(frame).unwrap();
            let json = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            serde_json::from_str::<serde_json::Value>(json).unwrap()["type"].as_str().unwrap().to_owned()
        };
        frames.iter().map(kind).collect()
    }

    fn delta(turn: TurnId) -> Delta {
        Delta { turn: turn.to_string(), from_chunk: 0, chunk: 0, text: "a".into() }
    }

    #[test]
    fn entries_are_told_once_in_order_and_a_gap_is_noticed() {
        let (mut feed, frames) = Feed::open(&opened(2, Status::BotActive, false), Some(at(2)), 10);
        assert!(frames.is_empty());
        assert_eq!(feed.entry(log::customer(2, "a")).unwrap().len(), 0);
        assert_eq!(
            feed.entry(log::customer(3, "b")).unwrap(),
            [frame(Some(at(3)), &Event::of(&log::customer(3, "b"), false))]
        );
        assert_eq!(feed.entry(log::customer(5, "c")), Err(Gap));
    }

    #[test]
    fn a_reset_tells_the_state_and_goes_on_after_it() {
        let (mut feed, frames) = Feed::open(&opened(7, Status::BotActive, true), Some(at(99)), 10);
        assert_eq!(kinds(&frames), ["reset"]);
        assert!(frames[0].starts_with(b"id: 1.7\n"));
        assert_eq!(feed.entry(log::customer(8, "b")).unwrap().len(), 1);
    }

    #[test]
    fn deltas_come_between_begin_and_answer_only() {
        let (one, other) = (log::turn(1), log::turn(2));
        let (mut feed, _) = Feed::open(&opened(0, Status::BotActive, false), None, 10);
        // In the replay a turn that has begun may long be over.
        feed.entry(log::turn_change(1, one, TurnState::Accepted)).unwrap();
        assert_eq!(feed.turn(), None);
        feed.caught_up(Some(one));
        assert!(feed.delta(delta(one)).is_some() && feed.delta(delta(other)).is_none());
        feed.entry(log::assistant(2, "answer", Some(one))).unwrap();
        assert!(feed.delta(delta(one)).is_none());
        feed.entry(log::turn_change(3, other, TurnState::Accepted)).unwrap();
        assert_eq!(feed.turn(), Some(other));
        feed.entry(log::turn_change(4, other, TurnState::HandedOver)).unwrap();
        assert!(feed.delta(delta(other)).is_none());
    }

    #[test]
    fn whether_a_replayed_message_went_to_a_human_is_shown_by_what_follows() {
        let (mut feed, _) = Feed::open(&opened(5, Status::BotActive, false), Some(at(2)), 10);
        assert!(feed.entry(log::customer(3, "to the agent")).unwrap().is_empty());
        let frames = feed.entry(log::status(4, Status::ManualLive, Status::BotActive)).unwrap();
        assert_eq!(kinds(&frames), ["manual_message", "status_change"]);
        assert_eq!(kinds(&feed.entry(log::customer(5, "to the bot")).unwrap()), ["message"]);
    }

    #[test]
    fn without_a_status_change_the_head_shows_it() {
        let (mut feed, _) = Feed::open(&opened(4, Status::ManualLive, false), Some(at(2)), 10);
        feed.entry(log::customer(3, "a")).unwrap();
        feed.entry(log::customer(4, "b")).unwrap();
        assert_eq!(kinds(&feed.caught_up(None)), ["manual_message", "manual_message"]);
        // What is kept back is bounded.
        let (mut feed, _) = Feed::open(&opened(9, Status::ManualLive, false), Some(at(2)), 1);
        assert!(feed.entry(log::customer(3, "a")).unwrap().is_empty());
        assert_eq!(feed.entry(log::customer(4, "b")).unwrap().len(), 2);
        assert_eq!(feed.entry(log::customer(5, "c")).unwrap().len(), 1);
    }
}
