//! Customers with a good page and a bad server: each message is sent again, with the same id, until its fate is known.

use crate::ANSWER;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use switchboard_tests::{
    client::{Client, Message, Visitor},
    patience::try_within,
    sse::answer,
    world::World,
};

/// Longest time that a message may stay without an answer, a notice or a refusal: some kills and restarts.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the server said of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Acknowledged.
    Kept,
    /// Refused, because a human has the session.
    Refused,
}

/// Id, text and fate of a message.
pub(crate) type Written = (String, String, Fate);

/// One session, and what was sent in it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) customer: Visitor,
    /// In the order of sending.
    pub(crate) messages: Vec<Written>,
    /// How often a message was sent again.
    pub(crate) repeats: usize,
}

/// All customers.
#[derive(Debug)]
pub(crate) struct Customers {
    client: Client,
    seed: u64,
    stop: AtomicBool,
}

impl Customers {
    pub(crate) fn new(world: &World, seed: u64) -> Self {
        Self { client: world.client(), seed, stop: AtomicBool::new(false) }
    }

    /// No further messages.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Writes until told to stop. When a human is called, the customer begins another session.
    pub(crate) async fn write(&self, number: usize) -> Vec<Sent> {
        let mut sessions = Vec::new();
        let mut count = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let customer = self.client.visitor(&format!("c{number}-s{}", sessions.len()));
            let mut sent = Sent { customer, messages: Vec::new(), repeats: 0 };
            while !self.stop.load(Ordering::Relaxed) {
                count += 1;
                let (id, text) = (format!("{:016x}-{number}-{count}", self.seed), format!("第{count}个问题"));
                let message = Message::new(&text).id(&id);
                let fate = deliver(&mut sent, &message, count % 2 == 0).await;
                sent.messages.push((id, text, fate));
                if fate == Fate::Refused {
                    break;
                }
            }
            sessions.push(sent);
        }
        sessions
    }
}

/// Sends a message until its fate is known.
async fn deliver(sent: &mut Sent, message: &Message, streamed: bool) -> Fate {
    let (mut attempts, mut acknowledged) = (0_usize, false);
    let customer = sent.customer.clone();
    let known = try_within(PATIENCE, async || {
        attempts += 1;
        if streamed {
            by_stream(&customer, message, &mut acknowledged).await
        } else {
            by_chat(&customer, message).await
        }
    });
    let fate = known.await.unwrap_or_else(|| panic!("{message:?} of {} has no fate", customer.session));
    assert!(fate == Fate::Kept || !acknowledged, "{message:?} was acknowledged, and then refused");
    sent.repeats += attempts - 1;
    fate
}

async fn by_chat(customer: &Visitor, message: &Message) -> Option<Fate> {
    let answer = customer.try_chat(message).await.ok()?;
    fate(answer.status, &answer.text)
}

/// The head of the stream is the acknowledgement; the last frame tells that nothing more comes.
async fn by_stream(customer: &Visitor, message: &Message, acknowledged: &mut bool) -> Option<Fate> {
    let stream = customer.try_stream(message).await.ok()?;
    if stream.head.status != 200 {
        return fate(stream.head.status, &stream.head.text);
    }
    let mut frames = stream.frames();
    let mut told = Vec::new();
    while let Some(frame) = frames.next().await {
        told.push(frame);
    }
    let last = told.last()?;
    if last.kind() == "error" && last.data["code"] == "SESSION_IN_MANUAL_MODE" {
        return Some(Fate::Refused);
    }
    let (text, finished) = (answer(&told), last.kind() == "done" && last.data["interrupted"] == false);
    assert!(
        !finished || text == ANSWER || !ANSWER.starts_with(&text),
        "half an answer looks finished: {told:#?}"
    );
    *acknowledged = true;
    (last.kind() == "done").then_some(Fate::Kept)
}

fn fate(status: u16, text: &str) -> Option<Fate> {
    match status {
        200 => Some(Fate::Kept),
        409 => Some(Fate::Refused),
        500.. => None,
        _ => panic!("{status}: {text}"),
    }
}
