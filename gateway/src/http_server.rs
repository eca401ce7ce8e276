//! The server itself: sockets, connections, and how it stops. HTTP/1.1 and HTTP/2 on one port.

use crate::{
    config::{Connections, Settings},
    error::GatewayError,
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
/// Pause after a failed accept: the usual cause, too many open files, does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that listens and does not accept yet.
#[derive(Debug)]
pub(crate) struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    settings: Settings,
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
        Ok(Self { listener, address, settings: settings.clone() })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the soft stop, then a little longer for those who have not heard of it, then lets open requests
    /// finish.
    pub(crate) async fn serve(self, router: Router, tasks: Lifecycle) {
        let Self { listener, settings, .. } = self;
        let builder = Arc::new(builder(&settings.server));
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
            let connection = Connection { builder: Arc::clone(&builder), stream, peer, place };
            tasks.spawn(
                "http-connection",
                connection.serve(router.clone(), tasks.clone(), settings.drain.clone()),
            );
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
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

fn builder(settings: &Connections) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Half a head must not hold a connection for ever.
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

struct Connection {
    builder: Arc<auto::Builder<TokioExecutor>>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    async fn serve(self, router: Router, tasks: Lifecycle, drain: crate::config::Drain) {
        let Self { builder, stream, peer, place } = self;
        let service: MapRequest<Router, _> =
            router.map_request(move |request: http::Request<hyper::body::Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(Peer(peer));
                request
            });
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        tokio::pin!(connection);
        let stop = stop_at(tasks, drain.announce);
        tokio::pin!(stop);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = &mut stop => None,
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
