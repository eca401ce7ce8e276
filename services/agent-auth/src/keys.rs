//! The keys of this replica: what it signs with and what it publishes, kept in step with the table.

use crate::{
    AgentAuthError,
    key::{Jwk, NewKey, SigningKey},
    schedule::Schedule,
    store::Store,
};
use parking_lot::RwLock;
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_domain::{Clock, Timestamp};
use switchboard_mesh::reply::chain;

/// See the module.
#[derive(Debug)]
pub(crate) struct Keys {
    store: Store,
    schedule: Schedule,
    clock: Arc<dyn Clock>,
    /// Oldest first.
    ring: RwLock<Arc<[SigningKey]>>,
}

#[derive(Serialize)]
struct JwkSet<'a> {
    keys: Vec<Jwk<'a>>,
}

impl Keys {
    /// Loads the keys.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`]; [`AgentAuthError::Key`] when a stored key cannot be used.
    pub(crate) async fn open(
        store: Store,
        schedule: Schedule,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AgentAuthError> {
        let keys = Self { store, schedule, clock, ring: RwLock::new(Arc::new([])) };
        keys.refresh().await?;
        Ok(keys)
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// [`AgentAuthError::NoKey`] when there is none.
    pub(crate) fn signing(&self) -> Result<SigningKey, AgentAuthError> {
        let (ring, now) = (self.ring(), self.clock.now());
        let signing = ring.iter().rev().find(|key| key.life.not_before <= now);
        // A clock that is behind the one that made the first key sees none that signs yet.
        signing.or(ring.first()).cloned().ok_or(AgentAuthError::NoKey)
    }

    /// The public keys as an RFC 7517 JWK set, fresh from the table if that can be read.
    ///
    /// # Errors
    /// [`AgentAuthError::Jwks`] when they cannot be written as JSON.
    pub(crate) async fn jwks(&self) -> Result<String, AgentAuthError> {
        if let Err(error) = self.refresh().await {
            tracing::warn!(error = chain(&error), "public keys are answered from memory");
        }
        let (ring, now) = (self.ring(), self.clock.now());
        let needed = ring.iter().filter(|key| self.schedule.is_needed(key.life, now));
        Ok(serde_json::to_string(&JwkSet { keys: needed.map(SigningKey::jwk).collect() })?)
    }

    /// Learns what other replicas did, makes the next key when it is time, and deletes keys that nobody needs.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`], [`AgentAuthError::Key`] or [`AgentAuthError::NewKey`]; what could be read stays in use.
    pub(crate) async fn tend(&self) -> Result<(), AgentAuthError> {
        self.refresh().await?;
        let (ring, now) = (self.ring(), self.clock.now());
        let newest = ring.last();
        if let Some(not_before) = self.schedule.next_key(newest.map(|key| key.life), now) {
            let generation = newest.map_or(1, |key| key.generation + 1);
            self.succeed(generation, now, not_before).await?;
        }
        for key in ring.iter().filter(|key| !self.schedule.is_needed(key.life, now)) {
            self.store.forget(&key.kid).await?;
            tracing::info!(key.kid = key.kid, "signing key forgotten: its last token has expired");
        }
        self.refresh().await
    }

    async fn succeed(
        &self,
        generation: i64,
        now: Timestamp,
        not_before: Timestamp,
    ) -> Result<(), AgentAuthError> {
        let key = NewKey::make(now, not_before)?;
        let kid = key.kid.clone();
        if self.store.succeed(key, generation).await? {
            let signs_in_ms = not_before.millis() - now.millis();
            tracing::info!(key.kid = kid, signs_in_ms, "signing key made");
        }
        Ok(())
    }

    async fn refresh(&self) -> Result<(), AgentAuthError> {
        let rows = self.store.keys().await?;
        let ring: Result<Arc<[SigningKey]>, AgentAuthError> =
            rows.into_iter().map(TryInto::try_into).collect();
        *self.ring.write() = ring?;
        Ok(())
    }

    fn ring(&self) -> Arc<[SigningKey]> {
        Arc::clone(&self.ring.read())
    }
}

/// Tends the keys now and then every `interval`, until the soft stop.
pub(crate) async fn tend(keys: Arc<Keys>, interval: Duration, life: Lifecycle) {
    let stopping = life.stopping();
    tokio::pin!(stopping);
    loop {
        if let Err(error) = keys.tend().await {
            metrics::counter!("switchboard_agent_auth_key_failures_total").increment(1);
            tracing::warn!(error = chain(&error), "signing keys could not be tended, trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = &mut stopping => return,
        }
    }
}
