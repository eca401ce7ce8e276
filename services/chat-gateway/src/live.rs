//! Turns that run here, and those who watch them. A turn keeps its text so far; a watcher asks for what is after the
//! last chunk it got. So a slow watcher gets fewer, larger pieces, nothing is buffered for anybody, and joining in the
//! middle is the same as being slow.

use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use switchboard_domain::{SessionName, TurnId};
use switchboard_proto::chat::v1::turn_event::{Delta, Ended};
use tokio::sync::watch;

/// A watcher that is further behind than this gets all that it missed in one piece.
const MERGE_FROM: usize = 4;

/// Turns that run here.
#[derive(Debug, Default)]
pub(crate) struct Live {
    turns: Mutex<HashMap<TurnId, Arc<Running>>>,
}

/// One turn that runs here.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) turn: TurnId,
    pub(crate) session: SessionName,
    answer: Mutex<Answer>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Answer {
    text: String,
    /// Where each chunk ends in `text`.
    ends: Vec<usize>,
    ended: Option<Ended>,
}

/// What a watcher gets next.
#[derive(Debug)]
pub(crate) enum News {
    /// More text.
    Delta(Delta),
    /// The turn is over; `None`: its worker is gone and the log knows more.
    Ended(Option<Box<Ended>>),
}

/// One who watches a turn.
#[derive(Debug)]
pub(crate) struct Watcher {
    running: Arc<Running>,
    changed: watch::Receiver<u64>,
    next: usize,
}

/// A worker's hold on its turn. Dropping it ends the turn for all who watch.
#[derive(Debug)]
pub(crate) struct Stage {
    live: Arc<Live>,
    running: Arc<Running>,
}

impl Live {
    /// Announces a turn that begins here.
    pub(crate) fn begin(self: &Arc<Self>, turn: TurnId, session: SessionName) -> Stage {
        let running =
            Arc::new(Running { turn, session, answer: Mutex::default(), changed: watch::channel(0).0 });
        self.turns.lock().insert(turn, Arc::clone(&running));
        metrics::gauge!("switchboard_turns_running").increment(1.0);
        Stage { live: Arc::clone(self), running }
    }

    /// Watches a turn from its beginning, if it runs here.
    pub(crate) fn watch(&self, turn: TurnId) -> Option<Watcher> {
        let running = Arc::clone(self.turns.lock().get(&turn)?);
        Some(Watcher::new(running))
    }
}

impl Stage {
    /// Watches from the beginning.
    pub(crate) fn watch(&self) -> Watcher {
        Watcher::new(Arc::clone(&self.running))
    }

    /// Adds a chunk.
    pub(crate) fn say(&self, chunk: &str) {
        {
            let mut answer = self.running.answer.lock();
            answer.text.push_str(chunk);
            let end = answer.text.len();
            answer.ends.push(end);
        }
        self.running.changed.send_modify(|version| *version += 1);
    }

    /// The text so far.
    pub(crate) fn text(&self) -> String {
        self.running.answer.lock().text.clone()
    }

    /// Whether nothing was said yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.running.answer.lock().text.is_empty()
    }

    /// Tells how the turn ended.
    pub(crate) fn end(self, ended: Ended) {
        self.running.answer.lock().ended = Some(ended);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.live.turns.lock().remove(&self.running.turn);
        metrics::gauge!("switchboard_turns_running").decrement(1.0);
        // Watchers hold the turn itself: they still read what it said, and that it is over.
        self.running.changed.send_modify(|version| *version = u64::MAX);
    }
}

impl Watcher {
    fn new(running: Arc<Running>) -> Self {
        let changed = running.changed.subscribe();
        Self { running, changed, next: 0 }
    }

    /// Whose session it is.
    pub(crate) fn session(&self) -> &SessionName {
        &self.running.session
    }

    /// Waits for what comes next.
    pub(crate) async fn next(&mut self) -> News {
        loop {
            let version = *self.changed.borrow_and_update();
            if let Some(delta) = self.delta() {
                return News::Delta(delta);
            }
            if version == u64::MAX {
                return News::Ended(self.running.answer.lock().ended.clone().map(Box::new));
            }
            // The sender lives in the turn that this watcher holds: it cannot close.
            let _ = self.changed.changed().await;
        }
    }

    fn delta(&mut self) -> Option<Delta> {
        let answer = self.running.answer.lock();
        if self.next >= answer.ends.len() {
            return None;
        }
        let from = if self.next == 0 { 0 } else { answer.ends[self.next - 1] };
        let behind = answer.ends.len() - self.next;
        let until = if behind > MERGE_FROM { answer.ends.len() } else { self.next + 1 };
        let delta = Delta {
            turn: self.running.turn.to_string(),
            from_chunk: u32::try_from(self.next).unwrap_or(u32::MAX),
            chunk: u32::try_from(until - 1).unwrap_or(u32::MAX),
            text: answer.text[from..answer.ends[until - 1]].to_owned(),
        };
        self.next = until;
        Some(delta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(live: &Arc<Live>) -> Stage {
        let turn = TurnId::parse("trn_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap();
        live.begin(turn, SessionName::parse("s").unwrap())
    }

    async fn delta(watcher: &mut Watcher) -> (u32, u32, String) {
        match watcher.next().await {
            News::Delta(delta) => (delta.from_chunk, delta.chunk, delta.text),
            News::Ended(_) => panic!("what was said comes before the end"),
        }
    }

    #[tokio::test]
    async fn watchers_get_everything_however_late_or_slow() {
        let live = Arc::new(Live::default());
        let stage = begin(&live);
        let mut early = live.watch(stage.running.turn).unwrap();
        stage.say("你");
        assert_eq!(delta(&mut early).await, (0, 0, "你".into()));
        for piece in ["好", ",", "a", "b"] {
            stage.say(piece);
        }
        let mut late = live.watch(stage.running.turn).unwrap();
        assert_eq!(delta(&mut late).await, (0, 4, "你好,ab".into()), "far behind: all at once");
        stage.end(Ended::default());
        let mut text = String::from("你");
        for chunk in 1..=4 {
            let (from, to, piece) = delta(&mut early).await;
            assert_eq!((from, to), (chunk, chunk), "a little behind: as it was said");
            text.push_str(&piece);
        }
        assert_eq!(text, "你好,ab");
        assert!(matches!(early.next().await, News::Ended(Some(_))));
        assert!(matches!(late.next().await, News::Ended(Some(_))));
    }

    #[tokio::test]
    async fn a_worker_that_dies_leaves_nobody_waiting() {
        let live = Arc::new(Live::default());
        let stage = begin(&live);
        let mut watcher = live.watch(stage.running.turn).unwrap();
        drop(stage);
        assert!(matches!(watcher.next().await, News::Ended(None)));
        assert!(live.turns.lock().is_empty());
    }
}
