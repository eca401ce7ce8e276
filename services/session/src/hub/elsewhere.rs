//! What other replicas of this service tell: the same hints as at home, told on to those who listen here.

use super::{Hub, signals::Signal};
use std::sync::Arc;
use switchboard_boot::Lifecycle;
use switchboard_coord::{Hint, Subscription};
use switchboard_domain::{Seq, SessionName};

/// Hears the other replicas until the process stops.
pub(crate) async fn hear(hub: Arc<Hub>, mut hints: Subscription, tasks: Lifecycle) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            hint = hints.next() => hub.told_by_another(hint),
            () = &mut stopping => return,
        }
    }
}

impl Hub {
    fn told_by_another(&self, hint: Hint) {
        match hint {
            Hint::Session { name, seq } => {
                let tail =
                    SessionName::parse(&name).ok().and_then(|name| self.tails.lock().get(&name).cloned());
                if let Some(tail) = tail {
                    tail.advance(Seq::new(seq));
                }
            }
            Hint::Agent { id, seq } => {
                if let Ok(agent) = id.parse() {
                    self.told_elsewhere(&[(agent, seq)]);
                }
            }
            Hint::Signal { name, signal } => {
                if let (Ok(name), Some(signal)) = (SessionName::parse(&name), Signal::from_hint(&signal)) {
                    self.signal_here(&name, signal);
                }
            }
            Hint::Floor => self.look_at_floor(),
            Hint::Offers => self.offers.notify_one(),
            Hint::Outbox => self.outbox.notify_waiters(),
            // Listeners look into the database soon by themselves; what waits longer is woken.
            Hint::Gap => {
                self.look_at_floor();
                self.offers.notify_one();
                self.outbox.notify_waiters();
            }
            // Hours are read again every few seconds; the rest is for others.
            Hint::Hours | Hint::Revocations | Hint::Rules => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::alone;
    use switchboard_proto::session::v1 as wire;

    #[tokio::test]
    async fn what_another_replica_commits_wakes_listeners_who_then_read() {
        let hub = alone(8);
        let name = SessionName::parse("s").unwrap();
        let mut listener = hub.listen(&name);
        hub.told_by_another(Hint::Session { name: "s".to_owned(), seq: 3 });
        listener.beyond(Seq::new(2)).await;
        assert_eq!(listener.after(Seq::new(2)), None, "memory knows nothing of it");
    }

    #[tokio::test]
    async fn signals_travel_as_they_are() {
        let hub = alone(8);
        let name = SessionName::parse("s").unwrap();
        let listener = hub.listen(&name);
        let mut signals = listener.signals();
        let typing = wire::Typing { party: wire::Party::Agent.into(), agent: None };
        let (there, home) = (switchboard_coord::Coord::alone(), Signal::Typing(typing.clone()));
        let mut bus = there.bus().listen();
        there.bus().tell(home.to_hint(&name).unwrap());
        hub.told_by_another(bus.next().await);
        let told = signals.next().await;
        assert_eq!(told, [wire::subscribe_response::Event::Typing(typing)]);
        hub.told_by_another(Hint::Signal { name: "s".to_owned(), signal: "nonsense".to_owned() });
    }
}
