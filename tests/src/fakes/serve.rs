//! An HTTP server that dies with its handle, open connections included.

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use std::net::SocketAddr;
use tokio::{net::TcpListener, task::JoinSet};

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl Server {
    /// Binds first, so that the routes may know the address.
    pub(super) async fn start(address: SocketAddr, routes: impl FnOnce(SocketAddr) -> Router) -> Self {
        let listener = TcpListener::bind(address).await.expect("the fake's address is free");
        let address = listener.local_addr().expect("the listener's address");
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, routes(address)));
        Self { address, _tasks: tasks }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let _ = socket.set_nodelay(true);
                let service = TowerToHyperService::new(router.clone());
                connections.spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
