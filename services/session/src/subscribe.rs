//! A log from a position on: what is written, then what comes, with nothing lost and nothing doubled in between.
//!
//! The listener is registered before the first read, so whatever is committed later wakes it; from then on the only rule
//! is "give what is after the last one given", from memory when it reaches back that far, else from the database. There
//! is no second source to merge with, hence no seam.
//!
//! Signals come between the entries, after the past: the latest of a kind, whatever was missed.

use crate::{
    error::SessionError,
    hub::{Listener, Signals},
    insight,
    store::{
        Page, Store,
        receipts::{Progress, Reached},
    },
};
use std::sync::Arc;
use switchboard_boot::Lifecycle;
use switchboard_domain::{
    Entry, Seq, Session, SessionName, Status as SessionStatus,
    limits::{HISTORY_TAIL, PAGE_MAX},
};
use switchboard_mesh::reply::explain;
use switchboard_proto::{
    convert::entries_to_wire,
    session::v1::{
        self as wire,
        subscribe_response::{CaughtUp, Event, Opened},
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

type Item = Result<wire::SubscribeResponse, Status>;

/// Opens a subscription. The head of the stream is an error when the session does not exist.
pub(crate) async fn open(
    store: &Store,
    tasks: &Lifecycle,
    name: SessionName,
    after: Option<wire::Position>,
) -> Result<ReceiverStream<Item>, SessionError> {
    let listener = store.hub.listen(&name);
    let signals = listener.signals();
    let session = store.session(&name).await?;
    let from = start(store, &session, after.as_ref());
    let tail = match from {
        Some(_) => Vec::new(),
        None => store.entries(&name, Page::Before(session.head.next()), HISTORY_TAIL, true).await?.0,
    };
    let insight = match from {
        Some(_) => None,
        None => insight::of(store, &session).await?,
    };
    let opened = Opened {
        insight,
        session: Some((&session).into()),
        epoch: store.epoch.get(),
        reset: from.is_none(),
        tail: entries_to_wire(&tail),
    };
    let (sender, receiver) = mpsc::channel(store.settings.subscriber_queue);
    if session.status == SessionStatus::PendingManual {
        // Whoever reckons the places in the queue does so for this listener, too.
        store.hub.look_at_floor();
    }
    let last = from.unwrap_or(session.head);
    let pump = Pump { store: store.clone(), name, listener, signals, sender, last, told: None };
    let stopping = tasks.stopping();
    tasks.spawn("session.subscription", async move {
        tokio::select! {
            () = pump.run(opened, session) => {}
            () = stopping => {}
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// Where to begin; `None` when the position means nothing in this log (restored, or from somewhere else).
fn start(store: &Store, session: &Session, after: Option<&wire::Position>) -> Option<Seq> {
    match after {
        None => Some(Seq::ZERO),
        Some(position) => {
            let known =
                position.epoch == store.epoch.get() && (0..=session.head.get()).contains(&position.seq);
            known.then(|| Seq::new(position.seq))
        }
    }
}

struct Pump {
    store: Store,
    name: SessionName,
    listener: Listener,
    signals: Signals,
    sender: mpsc::Sender<Item>,
    last: Seq,
    /// How far both sides had come when it was last told from the database.
    told: Option<(Reached, Reached)>,
}

impl Pump {
    async fn run(mut self, opened: Opened, session: Session) {
        if self.send(Event::Opened(opened)).await.is_none() {
            return;
        }
        // Until the head that the snapshot showed; then the reader knows that it is up to date.
        while self.last < session.head {
            if self.give().await.is_none() {
                return;
            }
        }
        let turn = session.turn.map(|turn| turn.to_string());
        let caught_up = CaughtUp { seq: self.last.get(), turn };
        if self.send(Event::CaughtUp(caught_up)).await.is_none() {
            return;
        }
        if self.look().await.is_none() {
            return;
        }
        while self.live().await.is_some() {}
    }

    /// Waits for what comes next and gives it.
    async fn live(&mut self) -> Option<()> {
        tokio::select! {
            () = self.listener.beyond(self.last) => self.give().await,
            events = self.signals.next() => {
                for event in events {
                    self.send(event).await?;
                }
                Some(())
            }
            // What another replica does wakes nobody here.
            () = tokio::time::sleep(self.store.settings.poll_interval) => self.look().await,
            () = self.sender.closed() => None,
        }
    }

    /// Looks into the database for what nobody has told of.
    async fn look(&mut self) -> Option<()> {
        let progress = match self.store.progress(&self.name).await {
            Ok(progress) => progress,
            Err(error) => return self.fail(&error).await,
        };
        self.tell_progress(progress).await?;
        if progress.head > self.last { self.give().await } else { Some(()) }
    }

    async fn tell_progress(&mut self, Progress { customer, agent, .. }: Progress) -> Option<()> {
        let (knew_customer, knew_agent) = self.told.unwrap_or_default();
        self.told = Some((customer, agent));
        for (party, now, before) in
            [(wire::Party::Customer, customer, knew_customer), (wire::Party::Agent, agent, knew_agent)]
        {
            if now != before {
                self.send(Event::Receipt(now.to_wire(party))).await?;
            }
        }
        Some(())
    }

    /// Gives a batch of what comes after the last one given. `None`: the reader has gone, or the store failed.
    async fn give(&mut self) -> Option<()> {
        let entries = match self.listener.after(self.last) {
            Some(entries) if !entries.is_empty() => entries,
            _ => self.read().await?,
        };
        for entry in entries {
            if entry.seq != self.last.next() {
                // Memory or database show a hole: the log has none, so read again.
                return Some(());
            }
            self.last = entry.seq;
            self.send(Event::Entry((&*entry).into())).await?;
        }
        Some(())
    }

    async fn read(&mut self) -> Option<Vec<Arc<Entry>>> {
        match self.store.entries(&self.name, Page::After(self.last), PAGE_MAX, false).await {
            Ok((entries, _)) => Some(entries.into_iter().map(Arc::new).collect()),
            Err(error) => self.fail(&error).await,
        }
    }

    /// The reader resumes where it is, at another replica or later.
    async fn fail<T>(&self, error: &SessionError) -> Option<T> {
        let _ = self.sender.send(Err(explain(error))).await;
        None
    }

    async fn send(&self, event: Event) -> Option<()> {
        self.sender.send(Ok(wire::SubscribeResponse { event: Some(event) })).await.ok()
    }
}
