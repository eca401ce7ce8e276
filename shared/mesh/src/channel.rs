//! A way to call a peer.

use crate::{Outgoing, guard::Guarded, status::to_status};
use std::{convert::Infallible, time::Duration};
use switchboard_domain::{Failure, ServiceName};
use tonic::{Status, body::Body};
use tower::{ServiceBuilder, util::BoxCloneSyncService};

/// A way to call a peer: TCP in the mesh, a function call in one process. Callers cannot tell.
///
/// The error is concrete: a boxed one makes every future around a call fail to be `Send` (rustc 1.95).
pub type Channel = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// A channel to a service in this process. Everything but the socket is as over TCP: metadata, guard, protobuf.
/// `call_timeout` is the longest wait for a response head.
pub fn loopback(me: ServiceName, call_timeout: Duration, server: Guarded) -> Channel {
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            // Context and deadline go onto the call here, exactly as before a socket.
            .layer_fn(|inner| Outgoing::new(inner, me, call_timeout))
            .map_err(|never: Infallible| match never {})
            .service(server),
    )
}

/// A channel that leads nowhere: every call fails as unavailable. What a peer without an address is.
pub fn nowhere(peer: ServiceName) -> Channel {
    BoxCloneSyncService::new(tower::service_fn(move |_request: http::Request<Body>| async move {
        let failure = Failure::new(
            switchboard_domain::ErrorKind::Unavailable,
            "UNAVAILABLE",
            format!("no address is configured for {peer}"),
        );
        Err(to_status(&failure))
    }))
}
