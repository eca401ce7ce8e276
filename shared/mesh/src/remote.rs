//! A channel over TCP to all replicas of a peer: connections are kept to each, calls go to those that say they serve, and
//! what may be repeated is repeated elsewhere. The only place that makes an `Endpoint`.

mod address;
mod balanced;
mod keeper;
mod repeat;
mod replicas;

pub use address::AddressError;

use crate::{Channel, Outgoing};
use address::Place;
use balanced::Balanced;
use repeat::Repeat;
use replicas::Replicas;
use std::{fmt, future::Future, sync::Arc, time::Duration};
use switchboard_domain::{Access, Rng, ServiceName};
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
    /// Longest wait for a TCP connection, and for the replica's first word on its health.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How often an idle connection is probed.
    #[serde(with = "humantime_serde")]
    pub keep_alive_interval: Duration,
    /// How long a probe may stay unanswered before the connection is given up.
    #[serde(with = "humantime_serde")]
    pub keep_alive_timeout: Duration,
    /// For so long after the last replica of a peer went away calls wait for one; later they fail with the next attempt
    /// to connect, at most `connect_timeout`.
    #[serde(with = "humantime_serde")]
    pub failover_wait: Duration,
    /// How often the names of peers are looked up.
    #[serde(with = "humantime_serde")]
    pub resolve_interval: Duration,
    /// Shortest and longest pause before a replica that is away is tried again.
    #[serde(with = "humantime_serde")]
    pub reconnect_min: Duration,
    /// See `reconnect_min`.
    #[serde(with = "humantime_serde")]
    pub reconnect_max: Duration,
    /// Attempts at a call that may be repeated, the first included.
    pub attempts: u32,
    /// Shortest and longest pause before a repetition, of which a random part is waited.
    #[serde(with = "humantime_serde")]
    pub repeat_min: Duration,
    /// See `repeat_min`.
    #[serde(with = "humantime_serde")]
    pub repeat_max: Duration,
    /// Failures in a row, without successes between them, after which half of the budget is gone and nothing is
    /// repeated any more.
    pub repeat_budget: u32,
    /// Share of a failure that each success gives back to the budget, in percent.
    pub repeat_refill_percent: u32,
}

/// The part that calls: who it is, what may be repeated, and chance.
#[derive(Debug, Clone)]
pub struct CallerSide {
    /// Who calls.
    pub me: ServiceName,
    /// What every method declares.
    pub access: &'static [Access],
    /// Chance, for choosing replicas and for pauses.
    pub rng: Arc<dyn Rng>,
}

/// Keeps the connections of one channel; it has to run as long as the channel is used.
pub type Upkeep = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes a channel to a peer whose replicas are at `addresses`, `http://host:port`, several separated by commas. A name
/// stands for all addresses that it resolves to.
///
/// # Errors
/// [`AddressError`] when one of them is no such URL.
pub fn remote(
    side: &CallerSide,
    peer: ServiceName,
    addresses: &str,
    settings: &RemoteSettings,
) -> Result<(Channel, Upkeep), AddressError> {
    let places = Place::parse_list(peer, addresses)?;
    let replicas = Arc::new(Replicas::new(peer, Arc::clone(&side.rng)));
    let upkeep = keeper::keep_all(Arc::clone(&replicas), places, settings.clone(), Arc::clone(&side.rng));
    let (me, timeout) = (side.me, settings.call_timeout);
    let balanced = ServiceBuilder::new()
        .layer_fn(|inner| Outgoing::new(inner, me, timeout))
        .service(Balanced::new(replicas, settings.failover_wait, settings.connect_timeout));
    // One layer on a way repeats, the outermost: otherwise a failure multiplies.
    let channel = if me == ServiceName::Gateway {
        BoxCloneSyncService::new(Repeat::new(balanced, side, settings))
    } else {
        BoxCloneSyncService::new(balanced)
    };
    Ok((channel, Box::pin(upkeep)))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
