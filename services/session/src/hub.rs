//! Who listens to which session. A hint that something was committed, and the last entries so that most listeners need
//! not ask the database; the log is the truth, and a hint that is lost or comes out of order only costs a read.

mod agents;
mod elsewhere;
mod signals;

pub(crate) use agents::AgentListener;
pub(crate) use elsewhere::hear;
pub(crate) use signals::{Signal, Signals};

use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use switchboard_coord::{Bus, Hint};
use switchboard_domain::{Entry, Seq, SessionName};
use tokio::sync::{Notify, watch};

/// Who listens to which session.
#[derive(Debug)]
pub(crate) struct Hub {
    tails: Mutex<HashMap<SessionName, Arc<Tail>>>,
    keep: usize,
    outbox: Notify,
    agents: agents::Heads,
    offers: Notify,
    floor: watch::Sender<u64>,
    floor_counts: watch::Sender<Option<FloorCounts>>,
    typing_interval: Duration,
    /// To the other replicas.
    bus: Bus,
}

/// How many customers wait for an agent, and how many talk to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FloorCounts {
    pub(crate) waiting: u32,
    pub(crate) live: u32,
}

/// The newest entries of a session that somebody listens to.
#[derive(Debug)]
struct Tail {
    head: watch::Sender<Seq>,
    recent: Mutex<VecDeque<Arc<Entry>>>,
    signals: watch::Sender<signals::Latest>,
}

/// One listener's place in the hub. Dropping the last one of a session frees its tail.
#[derive(Debug)]
pub(crate) struct Listener {
    hub: Arc<Hub>,
    name: SessionName,
    tail: Arc<Tail>,
    head: watch::Receiver<Seq>,
}

impl Hub {
    /// A hub that keeps up to `keep` entries for each session that is listened to, and tells at most once in
    /// `typing_interval` that the same side is writing.
    pub(crate) fn new(keep: usize, typing_interval: Duration, bus: Bus) -> Arc<Self> {
        Arc::new(Self {
            tails: Mutex::default(),
            keep,
            outbox: Notify::new(),
            agents: agents::Heads::default(),
            offers: Notify::new(),
            floor: watch::Sender::new(0),
            floor_counts: watch::Sender::new(None),
            typing_interval,
            bus,
        })
    }

    /// Registers a listener. From here on nothing that is committed can be missed.
    pub(crate) fn listen(self: &Arc<Self>, name: &SessionName) -> Listener {
        let mut tails = self.tails.lock();
        let tail = Arc::clone(tails.entry(name.clone()).or_insert_with(|| {
            Arc::new(Tail {
                head: watch::channel(Seq::ZERO).0,
                recent: Mutex::default(),
                signals: watch::Sender::default(),
            })
        }));
        let head = tail.head.subscribe();
        metrics::gauge!("switchboard_session_listeners").increment(1.0);
        Listener { hub: Arc::clone(self), name: name.clone(), tail, head }
    }

    /// Whether anybody listens to any session here.
    pub(crate) fn is_listened_to(&self) -> bool {
        !self.tails.lock().is_empty()
    }

    /// Tells of entries of one commit, after it.
    pub(crate) fn publish(&self, name: &SessionName, entries: &[Entry]) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        self.bus.tell_others(Hint::Session { name: name.to_string(), seq: last.seq.get() });
        let Some(tail) = self.tails.lock().get(name).cloned() else { return };
        {
            let mut recent = tail.recent.lock();
            // Two commits may tell in the wrong order. A gap is never bridged: listeners then read the database.
            match recent.back().map(|entry| entry.seq) {
                Some(back) if first.seq <= back => {}
                Some(back) if first.seq == back.next() => {
                    recent.extend(entries.iter().cloned().map(Arc::new));
                }
                Some(_) | None => {
                    recent.clear();
                    recent.extend(entries.iter().cloned().map(Arc::new));
                }
            }
            while recent.len() > self.keep {
                recent.pop_front();
            }
        }
        tail.advance(last.seq);
    }

    /// Tells that an offer was made or has ended.
    pub(crate) fn offers_changed(&self) {
        self.bus.tell_others(Hint::Offers);
        self.offers.notify_one();
    }

    /// Completes when an offer was made or has ended since the last time. For one waiter.
    pub(crate) fn offers(&self) -> tokio::sync::futures::Notified<'_> {
        self.offers.notified()
    }

    /// Tells that somebody began or ceased to wait, that a session has another owner, that an offer has ended, or that
    /// an agent came or went.
    pub(crate) fn floor_changed(&self) {
        self.bus.tell_others(Hint::Floor);
        self.look_at_floor();
    }

    /// The same, known here only: a customer begins to listen, or another replica told it.
    pub(crate) fn look_at_floor(&self) {
        self.floor.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Sees each change of the floor, several at once as one.
    pub(crate) fn floor(&self) -> watch::Receiver<u64> {
        self.floor.subscribe()
    }

    /// Gives agents who listen a hint that the floor changed, and how it is now.
    pub(crate) fn hint_floor(&self, counts: FloorCounts) {
        self.floor_counts.send_replace(Some(counts));
    }

    /// Sees the hints from here on.
    pub(crate) fn floor_hints(&self) -> watch::Receiver<Option<FloorCounts>> {
        self.floor_counts.subscribe()
    }

    /// Tells that the outbox has something.
    pub(crate) fn outbox_filled(&self) {
        self.bus.tell_others(Hint::Outbox);
        self.outbox.notify_waiters();
    }

    /// Completes when the outbox may have something new. Register before reading.
    pub(crate) fn outbox(&self) -> tokio::sync::futures::Notified<'_> {
        self.outbox.notified()
    }
}

impl Tail {
    fn advance(&self, seq: Seq) {
        self.head.send_if_modified(|head| {
            let newer = seq > *head;
            *head = seq.max(*head);
            newer
        });
    }
}

impl Listener {
    /// Entries after `seq` from memory, if memory reaches back that far. `None`: ask the database.
    pub(crate) fn after(&self, seq: Seq) -> Option<Vec<Arc<Entry>>> {
        let recent = self.tail.recent.lock();
        let front = recent.front()?.seq;
        if front > seq.next() {
            return None;
        }
        Some(recent.iter().filter(|entry| entry.seq > seq).cloned().collect())
    }

    /// Waits until something after `seq` is known to be committed.
    pub(crate) async fn beyond(&mut self, seq: Seq) {
        // The sender lives in the tail that this listener holds, so the channel cannot close.
        let _ = self.head.wait_for(|head| *head > seq).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        metrics::gauge!("switchboard_session_listeners").decrement(1.0);
        let mut tails = self.hub.tails.lock();
        // The map's reference and this one: nobody else listens.
        if tails.get(&self.name).is_some_and(|tail| Arc::strong_count(tail) <= 2) {
            tails.remove(&self.name);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use switchboard_domain::{EntryBody, Timestamp};

    fn entries(name: &SessionName, seqs: std::ops::RangeInclusive<i64>) -> Vec<Entry> {
        let entry = |seq| Entry {
            session: name.clone(),
            seq: Seq::new(seq),
            at: Timestamp::default(),
            body: EntryBody::Conversation(seq.to_string()),
        };
        seqs.map(entry).collect()
    }

    fn seqs(found: Option<Vec<Arc<Entry>>>) -> Option<Vec<i64>> {
        found.map(|entries| entries.iter().map(|entry| entry.seq.get()).collect())
    }

    /// A hub without other replicas.
    pub(crate) fn alone(keep: usize) -> Arc<Hub> {
        Hub::new(keep, Duration::ZERO, switchboard_coord::Coord::alone().bus().clone())
    }

    #[tokio::test]
    async fn commits_told_out_of_order_never_show_a_gap() {
        let hub = alone(8);
        let name = SessionName::parse("s").unwrap();
        let mut listener = hub.listen(&name);
        hub.publish(&name, &entries(&name, 1..=2));
        hub.publish(&name, &entries(&name, 5..=6));
        hub.publish(&name, &entries(&name, 3..=4));
        listener.beyond(Seq::new(5)).await;
        assert_eq!(seqs(listener.after(Seq::new(2))), None, "3 and 4 are not in memory");
        assert_eq!(seqs(listener.after(Seq::new(4))), Some(vec![5, 6]));
        assert_eq!(seqs(listener.after(Seq::new(6))), Some(vec![]));
    }

    #[test]
    fn the_tail_is_bounded_and_freed() {
        let hub = alone(3);
        let name = SessionName::parse("s").unwrap();
        let (one, two) = (hub.listen(&name), hub.listen(&name));
        hub.publish(&name, &entries(&name, 1..=5));
        assert_eq!(seqs(one.after(Seq::new(2))), Some(vec![3, 4, 5]));
        assert_eq!(seqs(one.after(Seq::new(1))), None);
        drop(one);
        assert_eq!(hub.tails.lock().len(), 1);
        drop(two);
        assert_eq!(hub.tails.lock().len(), 0);
    }
}
