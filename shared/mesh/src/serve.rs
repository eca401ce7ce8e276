//! A service on a socket, with health and reflection beside it.

use crate::{
    Guarded, ServerStack, guard,
    remote::{CONNECTION_WINDOW, STREAM_WINDOW},
};
use std::{fmt, future::Future, time::Duration};
use tonic::{
    server::NamedService,
    service::{Routes, RoutesBuilder},
    transport::server::{Server, TcpIncoming},
};
use tonic_health::server::HealthReporter;

/// A service ready to be called: guarded routes and the switch of its health.
#[derive(Clone)]
pub struct Mounted {
    /// The service behind its guard.
    pub guarded: Guarded,
    /// Says whether it serves; see gRPC health checking.
    pub health: HealthReporter,
    stack: ServerStack,
    routes: Routes,
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted").field("stack", &self.stack).finish_non_exhaustive()
    }
}

/// A socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptor set cannot be read.
    #[error("the descriptor set cannot be read")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC server failed")]
    Transport(#[source] tonic::transport::Error),
}

/// How a service is served over TCP.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeSettings {
    /// After this long a connection is told to go away, so that clients find new replicas.
    #[serde(with = "humantime_serde")]
    pub max_connection_age: Duration,
    /// How often an idle connection is probed.
    #[serde(with = "humantime_serde")]
    pub keep_alive_interval: Duration,
    /// How long a probe may stay unanswered before the connection is given up.
    #[serde(with = "humantime_serde")]
    pub keep_alive_timeout: Duration,
    /// Calls that one connection may have open at once.
    pub max_streams_per_connection: u32,
}

/// The gRPC services of one part, gathered before they are mounted.
#[derive(Debug, Default)]
pub struct Services(RoutesBuilder);

impl Services {
    /// With one service.
    pub fn of<S: Grpc>(service: S) -> Self
    where
        S::Future: Send + 'static,
    {
        Self::default().and(service)
    }

    /// With one more.
    pub fn and<S: Grpc>(mut self, service: S) -> Self
    where
        S::Future: Send + 'static,
    {
        self.0.add_service(service);
        self
    }
}

/// Any generated gRPC server.
pub trait Grpc:
    tower::Service<
        http::Request<tonic::body::Body>,
        Response = http::Response<tonic::body::Body>,
        Error = std::convert::Infallible,
    > + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Grpc for S where
    S: tower::Service<
            http::Request<tonic::body::Body>,
            Response = http::Response<tonic::body::Body>,
            Error = std::convert::Infallible,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Puts a part's services, their health and their reflection behind the guard.
///
/// # Errors
/// [`ServeError::Reflection`] when `descriptors` is no descriptor set.
pub fn mount(
    stack: ServerStack,
    services: Services,
    descriptors: &'static [u8],
) -> Result<Mounted, ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflection)?;
    let Services(mut builder) = services;
    builder.add_service(health_service).add_service(reflection);
    let routes = builder.routes();
    Ok(Mounted { guarded: guard(stack.clone(), routes.clone()), health, stack, routes })
}

/// Serves until `stop` completes, then lets open calls finish.
///
/// # Errors
/// [`ServeError::Transport`] when the server fails.
pub async fn serve(
    mounted: Mounted,
    listener: tokio::net::TcpListener,
    settings: &ServeSettings,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let stack = mounted.stack;
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(settings.keep_alive_interval))
        .http2_keepalive_timeout(Some(settings.keep_alive_timeout))
        .max_concurrent_streams(settings.max_streams_per_connection)
        .max_connection_age(settings.max_connection_age)
        .layer(tower::layer::layer_fn(move |routes: Routes| guard(stack.clone(), routes)))
        .add_routes(mounted.routes)
        // Without it small frames wait for the peer's acknowledgement: 4 ms a call instead of 0.2.
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stop)
        .await
        .map_err(ServeError::Transport)
}
