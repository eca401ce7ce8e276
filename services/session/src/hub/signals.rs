//! Signals beside a log: who writes, how far each side has come, where a customer stands in the queue. Kept nowhere; for
//! each session that is listened to, the latest of each kind.

use super::{Hub, Listener};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use prost::Message as _;
use std::time::Duration;
use switchboard_coord::Hint;
use switchboard_domain::SessionName;
use switchboard_proto::session::v1::{self as wire, subscribe_response::Event};
use tokio::{sync::watch, time::Instant};

/// One signal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Signal {
    Typing(wire::Typing),
    Receipt(wire::Receipt),
    QueuePosition(wire::QueuePosition),
}

/// The latest signal of each kind and side, each with a number that grows.
#[derive(Debug, Default)]
pub(super) struct Latest {
    stamp: u64,
    slots: [Option<Slot>; 5],
}

#[derive(Debug)]
struct Slot {
    stamp: u64,
    at: Instant,
    signal: Signal,
}

/// One listener's place among the signals of a session.
#[derive(Debug)]
pub(crate) struct Signals {
    latest: watch::Receiver<Latest>,
    seen: u64,
}

impl Signal {
    fn slot(&self) -> usize {
        match self {
            Self::Typing(typing) => usize::from(typing.party() == wire::Party::Agent),
            Self::Receipt(receipt) => 2 + usize::from(receipt.party() == wire::Party::Agent),
            Self::QueuePosition(_) => 4,
        }
    }

    /// What travels to other replicas; a place in the queue does not: each reckons its own.
    pub(super) fn to_hint(&self, name: &SessionName) -> Option<Hint> {
        if matches!(self, Self::QueuePosition(_)) {
            return None;
        }
        let coded = wire::SubscribeResponse { event: Some(self.event()) }.encode_to_vec();
        Some(Hint::Signal { name: name.to_string(), signal: STANDARD_NO_PAD.encode(coded) })
    }

    /// Reads what another replica tells; `None` when it is nothing that this one knows.
    pub(super) fn from_hint(signal: &str) -> Option<Self> {
        let coded = STANDARD_NO_PAD.decode(signal).ok()?;
        match wire::SubscribeResponse::decode(coded.as_slice()).ok()?.event? {
            Event::Typing(typing) => Some(Self::Typing(typing)),
            Event::Receipt(receipt) => Some(Self::Receipt(receipt)),
            Event::Opened(_) | Event::Entry(_) | Event::CaughtUp(_) | Event::QueuePosition(_) => None,
        }
    }

    fn event(&self) -> Event {
        match self {
            Self::Typing(typing) => Event::Typing(typing.clone()),
            Self::Receipt(receipt) => Event::Receipt(*receipt),
            Self::QueuePosition(position) => Event::QueuePosition(*position),
        }
    }

    /// Whether it says nothing that `before` has not said.
    fn is_old_news(&self, before: &Slot, typing_interval: Duration) -> bool {
        match (self, &before.signal) {
            (Self::Typing(_), _) => before.at.elapsed() < typing_interval,
            // Two commits may be told of in the wrong order.
            (Self::Receipt(now), Signal::Receipt(then)) => {
                now.delivered <= then.delivered && now.read <= then.read
            }
            _ => *self == before.signal,
        }
    }
}

impl Hub {
    /// Tells those who listen to a session here. What says nothing new is dropped, and of what is not given in time only
    /// the latest of its kind is left.
    pub(crate) fn signal(&self, name: &SessionName, signal: Signal) {
        if let Some(hint) = signal.to_hint(name) {
            self.bus.tell_others(hint);
        }
        self.signal_here(name, signal);
    }

    /// The same, as another replica told it.
    pub(super) fn signal_here(&self, name: &SessionName, signal: Signal) {
        let Some(tail) = self.tails.lock().get(name).cloned() else { return };
        tail.signals.send_if_modified(|latest| {
            let slot = &mut latest.slots[signal.slot()];
            if slot.as_ref().is_some_and(|before| signal.is_old_news(before, self.typing_interval)) {
                return false;
            }
            latest.stamp += 1;
            *slot = Some(Slot { stamp: latest.stamp, at: Instant::now(), signal });
            true
        });
    }
}

impl Listener {
    /// The signals from here on, and where the customer stands in the queue as far as that is known.
    pub(crate) fn signals(&self) -> Signals {
        let latest = self.tail.signals.subscribe();
        let seen = {
            let latest = latest.borrow();
            match &latest.slots[4] {
                Some(position) => position.stamp - 1,
                None => latest.stamp,
            }
        };
        Signals { latest, seen }
    }
}

impl Signals {
    /// Waits for something new; gives the latest of each kind.
    pub(crate) async fn next(&mut self) -> Vec<Event> {
        let seen = self.seen;
        if self.latest.wait_for(|latest| latest.stamp > seen).await.is_err() {
            // Cannot be: the tail lives as long as the listener beside this.
            std::future::pending::<()>().await;
        }
        let latest = self.latest.borrow_and_update();
        self.seen = latest.stamp;
        let fresh = latest.slots.iter().flatten().filter(|slot| slot.stamp > seen);
        fresh.map(|slot| slot.signal.event()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Hub, tests::alone};

    fn receipt(party: wire::Party, delivered: i64, read: i64) -> Signal {
        Signal::Receipt(wire::Receipt { party: party.into(), delivered, read })
    }

    fn typing(party: wire::Party) -> Signal {
        Signal::Typing(wire::Typing { party: party.into(), agent: None })
    }

    fn position(position: u32) -> Signal {
        Signal::QueuePosition(wire::QueuePosition { position, estimated_wait_ms: None, total: 9 })
    }

    #[tokio::test]
    async fn the_latest_of_each_kind_and_side_counts() {
        let hub = alone(1);
        let name = SessionName::parse("s").unwrap();
        hub.signal(&name, position(7));
        let listener = hub.listen(&name);
        let mut signals = listener.signals();
        for signal in [
            receipt(wire::Party::Customer, 3, 1),
            receipt(wire::Party::Customer, 2, 1),
            receipt(wire::Party::Agent, 1, 1),
            position(3),
            position(2),
            typing(wire::Party::Agent),
            typing(wire::Party::Agent),
        ] {
            hub.signal(&name, signal);
        }
        let expected: Vec<_> = [
            typing(wire::Party::Agent),
            receipt(wire::Party::Customer, 3, 1),
            receipt(wire::Party::Agent, 1, 1),
            position(2),
        ]
        .iter()
        .map(Signal::event)
        .collect();
        assert_eq!(signals.next().await, expected);
        hub.signal(&name, position(2));
        hub.signal(&name, receipt(wire::Party::Agent, 1, 0));
        hub.signal(&name, receipt(wire::Party::Agent, 4, 1));
        assert_eq!(signals.next().await, [receipt(wire::Party::Agent, 4, 1).event()]);
        // Who comes later learns the place in the queue, and nothing that is past.
        let mut late = listener.signals();
        assert!(late.next().await.contains(&position(2).event()));
    }

    #[tokio::test]
    async fn typing_is_told_once_in_its_time_for_each_side() {
        let name = SessionName::parse("s").unwrap();
        for (interval, told) in [(Duration::from_hours(1), 1), (Duration::ZERO, 2)] {
            let hub = Hub::new(1, interval, switchboard_coord::Coord::alone().bus().clone());
            let listener = hub.listen(&name);
            let mut signals = listener.signals();
            hub.signal(&name, typing(wire::Party::Customer));
            assert_eq!(signals.next().await, [typing(wire::Party::Customer).event()]);
            hub.signal(&name, typing(wire::Party::Customer));
            hub.signal(&name, typing(wire::Party::Agent));
            assert_eq!(signals.next().await.len(), told, "the other side has its own time");
        }
    }
}
