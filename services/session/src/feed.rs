//! An agent's own log from a position on, by the same rule as a session's: register, then read, then give what is after
//! the last one given. Hints that the floor changed come in between.

use crate::{
    error::SessionError,
    hub::{AgentListener, FloorCounts},
    store::{Store, feed::AgentEntry},
};
use switchboard_boot::Lifecycle;
use switchboard_domain::{AgentId, limits::PAGE_MAX};
use switchboard_mesh::reply::{chain, explain};
use switchboard_proto::session::v1::{
    self as wire,
    subscribe_agent_response::{Event, Opened},
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

type Item = Result<wire::SubscribeAgentResponse, Status>;

/// Opens an agent's log.
pub(crate) async fn open(
    store: &Store,
    tasks: &Lifecycle,
    agent: AgentId,
    after: Option<wire::Position>,
) -> Result<ReceiverStream<Item>, SessionError> {
    let listener = store.hub.listen_agent(agent);
    let hints = store.hub.floor_hints();
    let (head, oldest) = store.agent_head(agent).await?;
    let from = match after {
        None => Some(head),
        Some(position) => {
            let known = position.epoch == store.epoch.get() && (0..=head).contains(&position.seq);
            // What comes after the position must still be there.
            let kept =
                position.seq == head || oldest.is_some_and(|oldest| oldest <= position.seq.saturating_add(1));
            (known && kept).then_some(position.seq)
        }
    };
    let opened = Opened { epoch: store.epoch.get(), head, reset: from.is_none() };
    let (sender, receiver) = mpsc::channel(store.settings.subscriber_queue);
    let last = from.unwrap_or(head);
    let pump = Pump { store: store.clone(), agent, listener, hints, sender, last };
    let stopping = tasks.stopping();
    tasks.spawn("session.agent_subscription", async move {
        tokio::select! {
            () = pump.run(opened) => {}
            () = stopping => {}
        }
    });
    Ok(ReceiverStream::new(receiver))
}

struct Pump {
    store: Store,
    agent: AgentId,
    listener: AgentListener,
    hints: watch::Receiver<Option<FloorCounts>>,
    sender: mpsc::Sender<Item>,
    last: i64,
}

impl Pump {
    async fn run(mut self, opened: Opened) {
        let behind = opened.head > self.last;
        let mut alive = self.send(Event::Opened(opened)).await;
        if alive.is_some() && behind {
            alive = self.give().await;
        }
        while alive.is_some() {
            alive = self.live().await;
        }
    }

    async fn live(&mut self) -> Option<()> {
        tokio::select! {
            () = self.listener.beyond(self.last) => self.give().await,
            // What another replica commits wakes nobody here.
            () = tokio::time::sleep(self.store.settings.poll_interval) => self.give().await,
            Ok(()) = self.hints.changed() => {
                let hint = *self.hints.borrow_and_update();
                match hint {
                    Some(FloorCounts { waiting, live }) => {
                        self.send(Event::Floor(wire::FloorChanged { waiting, live })).await
                    }
                    None => Some(()),
                }
            }
            () = self.sender.closed() => None,
        }
    }

    /// Gives what comes after the last one given. `None`: the reader has gone, the store failed, or what comes next has
    /// been deleted; whoever comes back with his position is told.
    async fn give(&mut self) -> Option<()> {
        let entries = match self.store.agent_entries(self.agent, self.last, PAGE_MAX).await {
            Ok(entries) => entries,
            Err(error) => {
                let _ = self.sender.send(Err(explain(&error))).await;
                return None;
            }
        };
        for entry in entries {
            if entry.seq != self.last + 1 {
                return None;
            }
            self.last = entry.seq;
            self.send(Event::Entry(told(entry))).await?;
        }
        Some(())
    }

    async fn send(&self, event: Event) -> Option<()> {
        self.sender.send(Ok(wire::SubscribeAgentResponse { event: Some(event) })).await.ok()
    }
}

fn told(entry: AgentEntry) -> wire::AgentEntry {
    wire::AgentEntry {
        seq: entry.seq,
        at_ms: entry.at,
        kind: entry.kind,
        session: entry.session,
        payload_json: entry.payload,
    }
}

/// Tells agents who listen here that the floor changed, several changes at once as one, until the soft stop.
pub(crate) async fn hint(store: Store, tasks: Lifecycle) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    let mut changes = store.hub.floor();
    let mut before = None;
    loop {
        let here = tokio::select! {
            changed = changes.changed() => changed.is_ok(),
            // What another replica does is seen when somebody looks.
            () = tokio::time::sleep(store.settings.poll_interval) => false,
            () = &mut stopping => return,
        };
        if store.hub.agents_listening() > 0 {
            match store.floor_counts().await {
                Ok(counts) if here || before != Some(counts) => {
                    before = Some(counts);
                    store.hub.hint_floor(counts);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(error = chain(&error), "the floor cannot be counted"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(store.settings.floor_hint_interval) => {}
            () = &mut stopping => return,
        }
    }
}
