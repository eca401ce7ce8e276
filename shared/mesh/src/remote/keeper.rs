//! Keeps a connection to every replica and listens there to its health: a replica is called from its first word that it
//! serves until it says that it does not, or until the connection breaks.

use super::{
    CONNECTION_WINDOW, RemoteSettings, STREAM_WINDOW,
    address::{Place, resolve},
    replicas::{Replica, Replicas},
};
use crate::reply::chain;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use switchboard_domain::{Rng, backoff};
use tokio::task::{AbortHandle, JoinSet};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// Looks the places up again and again and has a keeper for each address. Never ends.
pub(super) async fn keep_all(
    replicas: Arc<Replicas>,
    places: Vec<Place>,
    settings: RemoteSettings,
    rng: Arc<dyn Rng>,
) {
    let mut keepers = JoinSet::new();
    let mut kept: BTreeMap<SocketAddr, AbortHandle> = BTreeMap::new();
    loop {
        if let Some(found) = resolve(&places).await {
            kept.retain(|address, keeper| {
                let still = found.contains(address);
                if !still {
                    keeper.abort();
                }
                still
            });
            replicas.keep(found.len());
            for address in found {
                kept.entry(address).or_insert_with(|| {
                    let keeper = Keeper {
                        address,
                        replicas: Arc::clone(&replicas),
                        settings: settings.clone(),
                        rng: Arc::clone(&rng),
                    };
                    keepers.spawn(keeper.run())
                });
            }
        }
        // Keepers end only when they are aborted; what is left of them is taken away here.
        while keepers.try_join_next().is_some() {}
        tokio::time::sleep(settings.resolve_interval).await;
    }
}

struct Keeper {
    address: SocketAddr,
    replicas: Arc<Replicas>,
    settings: RemoteSettings,
    rng: Arc<dyn Rng>,
}

/// Takes a replica out of the choice however its keeper ends.
struct Serving<'a> {
    replicas: &'a Replicas,
    replica: Arc<Replica>,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.replicas.remove(&self.replica);
    }
}

impl Keeper {
    async fn run(self) {
        let (mut failures, mut wanted) = (0_u32, self.replicas.wanted());
        loop {
            wanted.borrow_and_update();
            match self.connect().await {
                Ok(channel) => {
                    if self.serve(channel).await {
                        failures = 0;
                    } else {
                        failures = failures.saturating_add(1);
                    }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::debug!(
                        peer = %self.replicas.peer, address = %self.address, error = chain(&error),
                        "replica cannot be reached"
                    );
                }
            }
            if failures > 0 {
                let (min, max) = (self.settings.reconnect_min, self.settings.reconnect_max);
                self.replicas.not_reached();
                let pause = backoff(failures, min, max, &*self.rng);
                tokio::time::sleep(pause.min(min)).await;
                tokio::select! {
                    () = tokio::time::sleep(pause.saturating_sub(min)) => {}
                    // A call waits for the outcome.
                    _ = wanted.changed() => {}
                }
            }
        }
    }

    async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        let settings = &self.settings;
        #[expect(clippy::disallowed_methods, reason = "the one place that makes an endpoint")]
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
        endpoint
            .connect_timeout(settings.connect_timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(settings.keep_alive_interval)
            .keep_alive_timeout(settings.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .connect()
            .await
    }

    /// Follows the replica's health until the connection ends. Tells whether it ever served.
    async fn serve(&self, channel: Channel) -> bool {
        let mut client = HealthClient::new(channel.clone());
        let asked = client.watch(HealthCheckRequest::default());
        let Ok(Ok(answer)) = tokio::time::timeout(self.settings.connect_timeout, asked).await else {
            return false;
        };
        let mut health = answer.into_inner();
        let mut serving: Option<Serving<'_>> = None;
        let mut served = false;
        loop {
            let told = match &serving {
                Some(serving) => tokio::select! {
                    told = health.message() => told,
                    () = serving.replica.broken.cancelled() => return served,
                },
                None => health.message().await,
            };
            let Ok(Some(told)) = told else { return served };
            if told.status() == ServingStatus::Serving {
                served = true;
                if serving.is_none() {
                    let replica = Replica::new(self.address, channel.clone());
                    self.replicas.add(Arc::clone(&replica));
                    serving = Some(Serving { replicas: &self.replicas, replica });
                }
            } else {
                serving = None;
            }
        }
    }
}
