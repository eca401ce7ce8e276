//! A channel over TCP. The only place that makes an `Endpoint`.

use crate::{Channel, Outgoing, status::to_status};
use std::time::Duration;
use switchboard_domain::{ErrorKind, Failure, ServiceName};
use tonic::transport::Endpoint;
use tower::{ServiceBuilder, util::BoxCloneSyncService};

/// Small streams keep one slow reader from filling the connection that all share; the large connection window keeps
/// h2's own guard from closing it (measured: 64 stalled readers beside a healthy one).
pub(crate) const STREAM_WINDOW: u32 = 16 * 1024;
/// See [`STREAM_WINDOW`].
pub(crate) const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// How peers are called.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteSettings {
    /// Longest wait for a response head, whatever the request's own deadline says.
    #[serde(with = "humantime_serde")]
    pub call_timeout: Duration,
    /// Longest wait for a TCP connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How often an idle connection is probed.
    #[serde(with = "humantime_serde")]
    pub keep_alive_interval: Duration,
    /// How long a probe may stay unanswered before the connection is given up.
    #[serde(with = "humantime_serde")]
    pub keep_alive_timeout: Duration,
}

/// A peer's address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the address of {peer} is no http URL")]
pub struct RemoteError {
    peer: ServiceName,
    source: tonic::transport::Error,
}

/// Makes a channel to a peer at `address` (`http://host:port`). Connects when first used and again when it broke.
///
/// # Errors
/// [`RemoteError`] when the address is no URL.
pub fn remote(
    me: ServiceName,
    peer: ServiceName,
    address: &str,
    settings: &RemoteSettings,
) -> Result<Channel, RemoteError> {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes an endpoint")]
    let endpoint =
        Endpoint::from_shared(address.to_owned()).map_err(|source| RemoteError { peer, source })?;
    let transport = endpoint
        .connect_timeout(settings.connect_timeout)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(settings.keep_alive_interval)
        .keep_alive_timeout(settings.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .connect_lazy();
    let timeout = settings.call_timeout;
    Ok(BoxCloneSyncService::new(
        ServiceBuilder::new()
            .layer_fn(|inner| Outgoing::new(inner, me, timeout))
            .map_err(move |error: tonic::transport::Error| {
                tracing::debug!(peer = %peer, error = crate::reply::chain(&error), "peer cannot be reached");
                to_status(&Failure::new(
                    ErrorKind::Unavailable,
                    "UNAVAILABLE",
                    "a part of the service is away, try again",
                ))
            })
            .service(transport),
    ))
}
