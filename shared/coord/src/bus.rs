//! Hints: something was committed, look. Whoever tells one does not wait, whoever misses one looks a little later.

mod relay;

use crate::{Settings, redis::Redis};
use relay::Relay;
use serde::{Deserialize, Serialize};
use std::{future::Future, sync::Arc};
use switchboard_domain::{Rng, ServiceName};
use tokio::sync::{broadcast, mpsc};

/// Hints that a slow listener may be behind; then it is told to look at everything ([`Hint::Gap`]).
const BEHIND: usize = 1024;

/// What replicas tell each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// A session's log has grown.
    Session {
        /// Whose.
        name: String,
        /// Its last number.
        seq: i64,
    },
    /// An agent's log has grown.
    Agent {
        /// Whose, as UUID.
        id: String,
        /// Its last number.
        seq: i64,
    },
    /// Somebody writes in a session, or has read it.
    Signal {
        /// In which.
        name: String,
        /// What the session service tells its listeners; coded by it.
        signal: String,
    },
    /// Somebody began or ceased to wait, or an agent came or went.
    Floor,
    /// An offer was made or has ended.
    Offers,
    /// The outbox has something.
    Outbox,
    /// Working hours were published.
    Hours,
    /// Tokens were withdrawn.
    Revocations,
    /// A rule set was published, or its shadow changed.
    Rules,
    /// Hints were lost, nobody knows which: look at everything.
    Gap,
}

/// Hints that go the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    Session,
    Auth,
    Rules,
}

impl Area {
    const ALL: [Self; 3] = [Self::Session, Self::Auth, Self::Rules];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Auth => "auth",
            Self::Rules => "rules",
        }
    }

    /// Who wants to hear of it.
    const fn listener(self) -> ServiceName {
        match self {
            Self::Session => ServiceName::Session,
            Self::Auth => ServiceName::Gateway,
            Self::Rules => ServiceName::Regulator,
        }
    }
}

impl Hint {
    fn area(&self) -> Option<Area> {
        match self {
            Self::Session { .. }
            | Self::Agent { .. }
            | Self::Signal { .. }
            | Self::Floor
            | Self::Offers
            | Self::Outbox
            | Self::Hours => Some(Area::Session),
            Self::Revocations => Some(Area::Auth),
            Self::Rules => Some(Area::Rules),
            Self::Gap => None,
        }
    }
}

/// Tells and hears hints. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Bus {
    here: broadcast::Sender<Hint>,
    out: Option<mpsc::Sender<Hint>>,
}

impl Bus {
    /// Between the parts of this process only.
    pub(crate) fn local() -> Self {
        Self { here: broadcast::Sender::new(BEHIND), out: None }
    }

    /// Between all processes at one Redis. The future carries the hints.
    pub(crate) fn over(
        redis: Arc<Redis>,
        settings: &Settings,
        parts: &[ServiceName],
        rng: &dyn Rng,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let here = broadcast::Sender::new(BEHIND);
        let (out, outgoing) = mpsc::channel(settings.queue);
        let areas = Area::ALL.into_iter().filter(|area| parts.contains(&area.listener())).collect();
        let relay = Relay::new(redis, here.clone(), areas, settings, rng);
        (Self { here, out: Some(out) }, relay.run(outgoing))
    }

    /// Tells all replicas but for what listens in this process: that knows already.
    pub fn tell_others(&self, hint: Hint) {
        let Some(out) = &self.out else { return };
        if out.try_send(hint).is_err() {
            metrics::counter!("switchboard_coord_hints_dropped").increment(1);
        }
    }

    /// Tells everybody who listens, here and elsewhere.
    pub fn tell(&self, hint: Hint) {
        // Nobody may be listening here.
        let _ = self.here.send(hint.clone());
        self.tell_others(hint);
    }

    /// Hears hints from here on.
    pub fn listen(&self) -> Subscription {
        Subscription { hints: self.here.subscribe() }
    }
}

/// A listener's end of the bus.
#[derive(Debug)]
pub struct Subscription {
    hints: broadcast::Receiver<Hint>,
}

impl Subscription {
    /// The next hint. Waits for ever when the bus has ended.
    pub async fn next(&mut self) -> Hint {
        match self.hints.recv().await {
            Ok(hint) => hint,
            Err(broadcast::error::RecvError::Lagged(_)) => Hint::Gap,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_is_told_to_look_at_everything() {
        let bus = Bus::local();
        let mut slow = bus.listen();
        for _ in 0..=BEHIND {
            bus.tell(Hint::Floor);
        }
        assert_eq!(slow.next().await, Hint::Gap);
        assert_eq!(slow.next().await, Hint::Floor);
    }

    #[tokio::test]
    async fn others_means_others() {
        let bus = Bus::local();
        let mut here = bus.listen();
        bus.tell_others(Hint::Outbox);
        bus.tell(Hint::Rules);
        assert_eq!(here.next().await, Hint::Rules);
    }
}
