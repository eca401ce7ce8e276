//! Budgets by the generic cell rate algorithm (GCRA): so many a minute, of which some may come at once. Shared by all
//! replicas through one script in Redis; while that is away each process counts for itself, at its share.

use crate::redis::Redis;
use ::redis::Script;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use governor::{
    RateLimiter, clock::Clock as _, clock::DefaultClock, middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, LazyLock},
    time::Duration,
};

/// KEYS[1]: the client. ARGV: microseconds between two requests, requests that may come at once. Answers: 1 or 0, how many
/// are left, microseconds to wait. Time is Redis', so that replicas need not agree on it.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
         local now = time[1] * 1000000 + time[2]
         local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
         local due = tonumber(redis.call('GET', KEYS[1]) or now)
         if due < now then due = now end
         local early = due - interval * (burst - 1) - now
         if early > 0 then return {0, 0, early} end
         due = due + interval
         redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000))
         return {1, math.floor((interval * burst - (due - now)) / interval), 0}",
    )
});

/// How much a client may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests a minute.
    pub per_minute: NonZeroU32,
    /// Requests that may come at once.
    pub burst: NonZeroU32,
}

/// What came of asking for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Whether it may go on.
    pub allowed: bool,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// How long to wait before the next attempt.
    pub wait: Duration,
}

type Counter = RateLimiter<[u8; 16], DashMapStateStore<[u8; 16]>, DefaultClock, StateInformationMiddleware>;

/// One budget for each client.
#[derive(Clone)]
pub struct Limit {
    name: &'static str,
    quota: Quota,
    /// Counts here, at the share of one process when there are others.
    here: Arc<Counter>,
    redis: Option<Arc<Redis>>,
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("name", &self.name).field("quota", &self.quota).finish_non_exhaustive()
    }
}

impl Limit {
    pub(crate) fn new(name: &'static str, quota: Quota, redis: Option<Arc<Redis>>, replicas: u32) -> Self {
        let here = Arc::new(RateLimiter::dashmap(share(quota, replicas)).with_middleware());
        Self { name, quota, here, redis }
    }

    /// How much a client may have.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Takes one request from a client's budget. Never fails: without Redis it is counted here.
    pub async fn draw(&self, client: &str) -> Draw {
        let client = fingerprint(client);
        if let Some(redis) = &self.redis {
            match self.shared(redis, &client).await {
                Ok(draw) => return draw,
                Err(error) => tracing::trace!(error = %error, "counted in this process"),
            }
        }
        match self.here.check_key(&client) {
            Ok(state) => {
                Draw { allowed: true, remaining: state.remaining_burst_capacity(), wait: Duration::ZERO }
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                Draw { allowed: false, remaining: 0, wait }
            }
        }
    }

    async fn shared(&self, redis: &Redis, client: &[u8; 16]) -> Result<Draw, crate::Error> {
        let key = redis.key(&format!("limit:{}:{}", self.name, URL_SAFE_NO_PAD.encode(client)));
        let interval = 60_000_000 / u64::from(self.quota.per_minute.get());
        let (allowed, remaining, wait): (i64, u32, u64) =
            redis.run(SCRIPT.key(key).arg(interval.max(1)).arg(self.quota.burst.get())).await?;
        Ok(Draw { allowed: allowed == 1, remaining, wait: Duration::from_micros(wait) })
    }

    /// Forgets clients whose budget is full again.
    pub fn clean(&self) {
        self.here.retain_recent();
        self.here.shrink_to_fit();
    }
}

/// What one of so many processes gives: all together never more than the budget, each at least one at once.
fn share(quota: Quota, replicas: u32) -> governor::Quota {
    let replicas = replicas.max(1);
    let burst = NonZeroU32::new(quota.burst.get() / replicas).unwrap_or(NonZeroU32::MIN);
    let pause = Duration::from_mins(1) / quota.per_minute.get() * replicas;
    // A minute divided by a number of requests is never zero.
    let paced = governor::Quota::with_period(pause).unwrap_or(governor::Quota::per_minute(quota.per_minute));
    paced.allow_burst(burst)
}

/// Clients are known by addresses and names; what is kept tells nobody who they are.
fn fingerprint(client: &str) -> [u8; 16] {
    let digest = Sha256::digest(client.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(replicas: u32) -> Limit {
        let quota = Quota { per_minute: NonZeroU32::new(60).unwrap(), burst: NonZeroU32::new(6).unwrap() };
        Limit::new("test", quota, None, replicas)
    }

    async fn allowed(limit: &Limit, client: &str) -> usize {
        let mut allowed = 0;
        for _ in 0..20 {
            allowed += usize::from(limit.draw(client).await.allowed);
        }
        allowed
    }

    #[tokio::test]
    async fn a_budget_is_one_clients_own() {
        let limit = limit(1);
        let first = limit.draw("a").await;
        assert_eq!(first, Draw { allowed: true, remaining: 5, wait: Duration::ZERO });
        assert_eq!(allowed(&limit, "a").await, 5);
        let refused = limit.draw("a").await;
        assert!(!refused.allowed && refused.wait > Duration::ZERO && refused.wait <= Duration::from_secs(1));
        assert_eq!(allowed(&limit, "b").await, 6);
    }

    #[tokio::test]
    async fn a_process_among_others_gives_its_share() {
        assert_eq!(allowed(&limit(3), "a").await, 2);
        assert_eq!(allowed(&limit(100), "a").await, 1, "never nothing");
    }
}
