//! What replicas tell each other and share beside the database: hints that something happened ([`Bus`]) and budgets
//! ([`Limit`]). In one process without anything else, between processes through Redis (one node, Sentinel or Cluster).
//!
//! *Invariant: nothing here is the truth.* Redis may be flushed, killed, paused or absent at any time: a hint that is lost
//! delays until the next poll of whoever waits for it, and a budget is then counted in each process at a share.

pub mod bus;
mod error;
pub mod limit;
mod redis;
mod settings;

pub use bus::{Bus, Hint, Subscription};
pub use error::Error;
pub use limit::{Draw, Limit, Quota};
pub use settings::Settings;

use crate::redis::Redis;
use std::{future::Future, pin::Pin, sync::Arc};
use switchboard_domain::{Rng, ServiceName};

/// The way to the other replicas. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Coord {
    bus: Bus,
    redis: Option<Arc<Redis>>,
    replicas: u32,
}

/// Carries hints to and from Redis; has to run as long as the [`Coord`] is used.
pub type Upkeep = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Coord {
    /// Opens the way for a process that runs `parts`. Nothing is connected yet: Redis may come later than this process.
    ///
    /// # Errors
    /// [`Error::Url`] when `coord.url` is no address of a Redis.
    pub fn open(
        settings: &Settings,
        parts: &[ServiceName],
        rng: &dyn Rng,
    ) -> Result<(Self, Option<Upkeep>), Error> {
        let Some(redis) = Redis::new(settings)? else {
            return Ok((Self { bus: Bus::local(), redis: None, replicas: 1 }, None));
        };
        let redis = Arc::new(redis);
        let (bus, upkeep) = Bus::over(Arc::clone(&redis), settings, parts, rng);
        let coord = Self { bus, redis: Some(redis), replicas: settings.replicas.get() };
        Ok((coord, Some(Box::pin(upkeep))))
    }

    /// A process that is alone.
    pub fn alone() -> Self {
        Self { bus: Bus::local(), redis: None, replicas: 1 }
    }

    /// The hints.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// A budget for each client, shared by all replicas. `name` is unique among budgets.
    pub fn limit(&self, name: &'static str, quota: Quota) -> Limit {
        Limit::new(name, quota, self.redis.clone(), self.replicas)
    }
}
