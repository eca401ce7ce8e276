//! Two waits that hyper takes for one: for a client that is idle between two requests, and for one that has begun to send
//! the head of a request and does not go on. The first may be long, so that proxies can keep connections; the second
//! must be short, or a few slow clients hold all of them.

use hyper::rt::{Sleep, Timer};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

/// What has arrived on one connection.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(AtomicUsize);

impl Arrivals {
    /// Bytes so far.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A socket that counts what arrives.
#[derive(Debug)]
pub(crate) struct CountedStream {
    inner: TcpStream,
    arrivals: Arc<Arrivals>,
}

impl CountedStream {
    /// Wraps a socket.
    pub(crate) fn new(inner: TcpStream, arrivals: Arc<Arrivals>) -> Self {
        Self { inner, arrivals }
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.arrivals.0.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        outcome
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, parts)
    }
}

/// The timer that hyper starts when it begins to wait for a head.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    arrivals: Arc<Arrivals>,
    head: Duration,
    idle: Duration,
    is_first: AtomicBool,
}

impl HeadTimer {
    /// A timer for one connection: `idle` until a head begins, then `head`.
    pub(crate) fn new(arrivals: Arc<Arrivals>, head: Duration, idle: Duration) -> Self {
        Self { arrivals, head, idle, is_first: AtomicBool::new(true) }
    }

    fn start(&self) -> HeadSleep {
        let seen = self.arrivals.bytes();
        // What came before the first wait was read to find out which HTTP it is: the first head has begun.
        let has_begun = self.is_first.swap(false, Ordering::Relaxed) && seen > 0;
        let wait = if has_begun { self.head } else { self.idle };
        let arrivals = Arc::clone(&self.arrivals);
        HeadSleep { arrivals, seen, has_begun, head: self.head, inner: Box::pin(tokio::time::sleep(wait)) }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.start())
    }

    fn sleep_until(&self, _: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.start())
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, _: std::time::Instant) {
        *sleep = Box::pin(self.start());
    }
}

#[derive(Debug)]
struct HeadSleep {
    arrivals: Arc<Arrivals>,
    /// Bytes that had arrived when the wait began.
    seen: usize,
    has_begun: bool,
    head: Duration,
    inner: Pin<Box<tokio::time::Sleep>>,
}

impl Future for HeadSleep {
    type Output = ();

    /// hyper looks at the socket before it looks here, so what has arrived is counted already.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun && self.arrivals.bytes() > self.seen {
            self.has_begun = true;
            let deadline = Instant::now() + self.head;
            self.inner.as_mut().reset(deadline);
        }
        self.inner.as_mut().poll(context)
    }
}

impl Sleep for HeadSleep {}
