//! Providers and receivers that can be told to misbehave: real servers on 127.0.0.1 that keep the vendors' rules, and break
//! them on request while they run. Each stops, with all its connections, when it is dropped.

pub mod coze;
pub mod openai;
pub mod smtp;
pub mod time;
pub mod webhook;

mod script;
mod serve;

pub use coze::FakeCoze;
pub use openai::FakeOpenAi;
pub use smtp::FakeSmtp;
pub use time::{CountingRng, ManualClock};
pub use webhook::FakeWebhook;

use parking_lot::Mutex;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// How a fake misbehaves. Where a fault has no meaning for a route or a vendor, it is ignored there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is accepted, no answer ever comes.
    Hang,
    /// An HTTP status with the vendor's error body; 401 comes with the vendor's code for a bad token.
    Status(u16),
    /// HTTP 200 with a JSON error of this code instead of a stream.
    JsonError(i64),
    /// HTTP 200 with a page of HTML.
    Page,
    /// The stream reports that the answer failed, with this code, before any text.
    Failed(i64),
    /// The stream has an error event, with or without a code, before any text.
    ErrorEvent(Option<i64>),
    /// The same in the middle of the answer.
    ErrorEventLater(Option<i64>),
    /// The stream asks for a tool.
    RequiresAction,
    /// The answer is canceled at the vendor's side in the middle.
    Canceled,
    /// So long until the first text.
    SlowFirst(Duration),
    /// So long before each text.
    SlowDeltas(Duration),
    /// Silence in the middle of the answer.
    Stall,
    /// The connection breaks in the middle of the answer.
    Cut,
    /// The stream ends properly in the middle of the answer.
    EndEarly,
    /// Bytes that are no event stream.
    Garbage,
    /// An event whose data is no JSON, in the middle of the answer.
    BrokenJson,
    /// The same good answer in pieces of three bytes, which cuts characters apart.
    SplitUtf8,
    /// Text without end, at least so many bytes.
    Flood(usize),
    /// One line without end, at least so many bytes.
    FloodLine(usize),
    /// Events without text, at least so many bytes.
    FloodIgnored(usize),
    /// Control characters around every text.
    ControlCharacters,
    /// A complete answer without text.
    Empty,
    /// No text pieces; the whole text comes with the event that completes the message.
    NoDeltas,
    /// `event:name` and `data:{}` without the space.
    NoSpace,
    /// No `event:` lines.
    Nameless,
}

/// Sets the fault of one route while the fake runs.
#[derive(Debug, Clone)]
pub struct Switch<F = Fault>(Arc<Mutex<Option<Set<F>>>>);

#[derive(Debug)]
struct Set<F> {
    fault: F,
    /// Calls that will still meet it; `None` for all.
    left: Option<u32>,
}

impl<F> Default for Switch<F> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<F: Clone> Switch<F> {
    /// Every call from now on meets this fault.
    pub fn set(&self, fault: F) {
        *self.0.lock() = Some(Set { fault, left: None });
    }

    /// The next `times` calls meet this fault.
    pub fn set_times(&self, fault: F, times: u32) {
        *self.0.lock() = (times > 0).then_some(Set { fault, left: Some(times) });
    }

    /// Calls are answered properly again.
    pub fn heal(&self) {
        *self.0.lock() = None;
    }

    /// The fault of the present call.
    fn take(&self) -> Option<F> {
        let mut slot = self.0.lock();
        let set = slot.as_mut()?;
        let fault = set.fault.clone();
        if let Some(left) = &mut set.left {
            *left -= 1;
            if *left == 0 {
                *slot = None;
            }
        }
        Some(fault)
    }
}

/// An address at which nobody listens: connections are refused.
pub async fn refused_address() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("the listener's address")
}
