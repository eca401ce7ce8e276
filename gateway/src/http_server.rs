//! The server itself: sockets, connections, and how it stops. HTTP/1.1 and HTTP/2 on one port.

use crate::{
    config::{Connections, Settings},
    error::GatewayError,
    head_timer::{Arrivals, CountedStream, HeadTimer},
    request::Peer,
};
use axum::{Router, body::Body};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::{ServiceExt as _, util::MapRequest};

/// Room for the head of one request; what the settings allow is checked after it was read.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// After so many bytes it is known which HTTP a connection speaks: the length of HTTP/2's first words.
const PREFACE_BYTES: usize = 24;
/// Pause after a failed accept: the usual cause, too many open files, does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that listens and does not accept yet.
#[derive(Debug)]
pub(crate) struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    settings: Arc<Settings>,
}

impl HttpServer {
    /// Takes the port.
    ///
    /// # Errors
    /// [`GatewayError::Listen`] when it is taken or not allowed.
    pub(crate) fn bind(settings: &Settings) -> Result<Self, GatewayError> {
        let failed = |source| GatewayError::Listen { address: settings.listen, source };
        let socket = if settings.listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(failed)?;
        // A restart must not wait for the connections of the last run.
        socket.set_reuseaddr(true).map_err(failed)?;
        socket.bind(settings.listen).map_err(failed)?;
        let listener = socket.listen(settings.server.backlog).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, settings: Arc::new(settings.clone()) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the soft stop, then a little longer for those who have not heard of it, then lets open requests
    /// finish.
    pub(crate) async fn serve(self, router: Router, tasks: Lifecycle) {
        let Self { listener, settings, .. } = self;
        let most = if settings.server.max_connections == 0 {
            Semaphore::MAX_PERMITS
        } else {
            settings.server.max_connections
        };
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let stop = stop_at(tasks.clone(), settings.drain.announce);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accept(&listener, &places) => accepted,
            };
            let (stream, peer, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let connection = Connection { settings: Arc::clone(&settings), stream, peer, place };
            tasks.spawn("http-connection", connection.serve(router.clone(), tasks.clone()));
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, Option<OwnedSemaphorePermit>)> {
    // Never closed; without a place nobody is accepted and the kernel's queue fills.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let (stream, peer) = listener.accept().await?;
    // Without it a small frame waits for the acknowledgement of the one before: 40 ms instead of 0.2.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
    }
    Ok((stream, peer, place))
}

fn builder(settings: &Connections, arrivals: &Arc<Arrivals>) -> auto::Builder<TokioExecutor> {
    let timer = HeadTimer::new(Arc::clone(arrivals), settings.header_timeout, settings.idle_timeout);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(timer)
        // Switches the timer on; how long it waits is its own matter.
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(MAX_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(settings.keep_alive_interval)
        .keep_alive_timeout(settings.keep_alive_timeout)
        .max_concurrent_streams(settings.max_streams_per_connection)
        .max_header_list_size(u32::try_from(MAX_BUFFER_BYTES).unwrap_or(u32::MAX));
    builder
}

/// Completes when nothing more is accepted: the soft stop, and the time in which load balancers notice it.
async fn stop_at(tasks: Lifecycle, announce: Duration) {
    tasks.stopping().await;
    tokio::time::sleep(announce).await;
}

/// Completes when a new connection has not said in time which HTTP it speaks.
async fn silence(arrivals: &Arrivals, patience: Duration) {
    tokio::time::sleep(patience).await;
    if arrivals.bytes() >= PREFACE_BYTES {
        std::future::pending::<()>().await;
    }
}

struct Connection {
    settings: Arc<Settings>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    async fn serve(self, router: Router, tasks: Lifecycle) {
        let Self { settings, stream, peer, place } = self;
        let (server, drain) = (&settings.server, &settings.drain);
        let arrivals = Arc::new(Arrivals::default());
        let builder = builder(server, &arrivals);
        let service: MapRequest<Router, _> =
            router.map_request(move |request: http::Request<hyper::body::Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(Peer(peer));
                request
            });
        let connection = builder.serve_connection(
            TokioIo::new(CountedStream::new(stream, Arc::clone(&arrivals))),
            TowerToHyperService::new(service),
        );
        tokio::pin!(connection);
        let stop = stop_at(tasks, drain.announce);
        tokio::pin!(stop);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = &mut stop => None,
            () = silence(&arrivals, server.header_timeout) => Some(Ok(())),
        };
        let ended = if let Some(ended) = ended {
            Ok(ended)
        } else {
            // No further requests on this connection; those that are open may finish, streams say bye.
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(drain.finish, connection).await
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection broke off"),
            Err(_elapsed) => tracing::warn!("a connection did not finish in time"),
        }
        drop(place);
    }
}
