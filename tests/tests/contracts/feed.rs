//! One subscription, read with patience.

use crate::world::Line;
use std::time::Duration;
use switchboard_domain::Failure;
use switchboard_proto::session::v1::{
    self as wire,
    subscribe_response::{CaughtUp, Event, Opened},
};
use tokio_stream::StreamExt as _;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open subscription.
pub(crate) struct Feed {
    stream: tonic::Streaming<wire::SubscribeResponse>,
    pub(crate) opened: Opened,
}

/// `None`: from the beginning.
pub(crate) fn after(session: &str, position: Option<(i64, i64)>) -> wire::SubscribeRequest {
    let after = position.map(|(epoch, seq)| wire::Position { epoch, seq });
    wire::SubscribeRequest { session: session.into(), after }
}

impl Feed {
    pub(crate) async fn open(line: &Line, request: wire::SubscribeRequest) -> Result<Self, Failure> {
        let stream = line.subscribe(request).await?;
        let mut feed = Self { stream, opened: Opened::default() };
        match feed.next().await {
            Some(Event::Opened(opened)) => feed.opened = opened,
            other => panic!("the stream begins with its head: {other:?}"),
        }
        Ok(feed)
    }

    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let next =
            tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("something happens in time");
        next.map(|event| event.unwrap().event.unwrap())
    }

    /// The next event, which is an entry.
    pub(crate) async fn entry(&mut self) -> wire::Entry {
        match self.next().await {
            Some(Event::Entry(entry)) => entry,
            other => panic!("an entry was expected: {other:?}"),
        }
    }

    /// The next `count` events, which are entries.
    pub(crate) async fn entries(&mut self, count: usize) -> Vec<wire::Entry> {
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(self.entry().await);
        }
        entries
    }

    /// What was written before the stream opened.
    pub(crate) async fn catch_up(&mut self) -> (Vec<wire::Entry>, CaughtUp) {
        let mut entries = Vec::new();
        loop {
            match self.next().await {
                Some(Event::Entry(entry)) => entries.push(entry),
                Some(Event::CaughtUp(caught_up)) => return (entries, caught_up),
                other => panic!("an entry or the end of the past was expected: {other:?}"),
            }
        }
    }
}
