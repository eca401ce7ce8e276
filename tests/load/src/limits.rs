//! The limit programs: each does the least that a path of the platform can do, so that its figure is what the real system
//! is held against. They run as children of the bench, from the same binary.

pub(crate) mod edge;
pub(crate) mod fake_openai;
pub(crate) mod service;
pub(crate) mod store;

use crate::error::Error;
use axum::{Router, serve::ListenerExt as _};
use std::{future::Future, net::SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

/// Messages of the limit programs.
#[expect(unreachable_pub, clippy::pedantic, clippy::allow_attributes, reason = "generated code")]
pub(crate) mod pb {
    tonic::include_proto!("limits");
}

/// Connections that may wait to be accepted: tokio's own 1,024 makes a storm of clients wait for repeated SYNs.
const BACKLOG: u32 = 4096;

/// Runs a limit program to its end; one thread is the leanest for a process that only relays.
///
/// # Errors
/// What the program gives, or that no runtime can be had.
pub(crate) fn run<T>(threads: usize, program: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads);
        builder
    };
    let runtime = builder.enable_all().build().map_err(|error| Error::io("no runtime", error))?;
    runtime.block_on(program)
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listening = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error| Error::io("a limit program cannot listen", error))
}

/// Serves HTTP without Nagle's delay, which holds the second frame of a stream back for 40 ms.
async fn serve(address: SocketAddr, router: Router) -> Result<(), Error> {
    let listener = listen(address)?.tap_io(|socket| {
        // A socket that cannot be set is gone already.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await.map_err(|error| Error::io("a limit program failed", error))
}
