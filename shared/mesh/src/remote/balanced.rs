//! A call to one of several replicas. What surely never left goes to another one; what may have arrived is never sent
//! twice here.

use super::replicas::{Replica, Replicas};
use crate::{
    context::{TIMEOUT, parse_timeout},
    reply::chain,
    status::to_status,
};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use switchboard_domain::{ErrorKind, Failure, ServiceName};
use tonic::{ConnectError, Status, body::Body};
use tower::Service;

/// Replicas that one call tries at most while it surely has not left. More would mean that all of them are going away.
const PLACES: usize = 4;

/// Calls one of the replicas of a peer.
#[derive(Debug, Clone)]
pub(super) struct Balanced {
    replicas: Arc<Replicas>,
    patience: Duration,
    /// Longest wait for a replica.
    bound: Duration,
}

impl Balanced {
    pub(super) fn new(replicas: Arc<Replicas>, patience: Duration, bound: Duration) -> Self {
        Self { replicas, patience, bound }
    }
}

impl Service<Request<Body>> for Balanced {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(call(self.clone(), request))
    }
}

async fn call(way: Balanced, request: Request<Body>) -> Result<Response<Body>, Status> {
    let replicas = &way.replicas;
    let (head, body) = request.into_parts();
    // The caller waits no longer than it says.
    let budget = head.headers.get(TIMEOUT).and_then(|text| parse_timeout(text.to_str().ok()?));
    let bound = budget.map_or(way.bound, |budget| way.bound.min(budget));
    // Every request of the mesh is one message (only answers are streams), so it is in memory already.
    let body = body.collect().await?.to_bytes();
    for _ in 0..PLACES {
        let Some(replica) = replicas.pick(way.patience, bound).await else { break };
        let _busy = replica.enter();
        let request = Request::from_parts(head.clone(), Body::new(Full::new(body.clone())));
        match send(&replica, request).await {
            Ok(response) => return Ok(response),
            Err(error) if never_left(&error) => {
                tracing::debug!(
                    peer = %replicas.peer, address = %replica.address, error = chain(&error), "replica is gone"
                );
                replicas.give_up(&replica);
            }
            Err(error) => {
                tracing::debug!(
                    peer = %replicas.peer, address = %replica.address, error = chain(&error), "call was cut off"
                );
                break;
            }
        }
    }
    Err(away(replicas.peer))
}

async fn send(replica: &Replica, request: Request<Body>) -> Result<Response<Body>, tonic::transport::Error> {
    let mut channel = replica.channel.clone();
    poll_fn(|context| channel.poll_ready(context)).await?;
    channel.call(request).await
}

/// Whether the peer surely has not seen the call: there was no connection, the connection ended before the call was
/// written, or the peer said so (REFUSED_STREAM, or GOAWAY without an error: RFC 9113 sections 8.7 and 6.8).
fn never_left(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let refused = error.downcast_ref::<h2::Error>().is_some_and(|error| {
            let reason = error.reason();
            reason == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away() && error.is_remote() && reason == Some(h2::Reason::NO_ERROR))
        });
        let unsent = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        if refused || unsent || error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn away(peer: ServiceName) -> Status {
    metrics::counter!("switchboard_mesh_away", "peer" => peer.as_str()).increment(1);
    to_status(&Failure::new(
        ErrorKind::Unavailable,
        "UNAVAILABLE",
        "a part of the service is away, try again",
    ))
}
