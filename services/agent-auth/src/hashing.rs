//! Where passwords are hashed and compared: as many at once as there are cores, a few more wait, the rest is refused, so
//! that logins cannot take the processor from everybody else.

use crate::{
    AgentAuthError,
    config::Settings,
    password::{self, Policy, Verdict},
};
use secrecy::SecretString;
use std::{num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};
use switchboard_domain::{ErrorKind, Failure, Rng};
use tokio::sync::Semaphore;

/// Hashes, compares and judges passwords. Clones share the bounds.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    running: Arc<Semaphore>,
    /// Those that run and those that wait.
    present: Arc<Semaphore>,
    retry: Duration,
    policy: Arc<Policy>,
    rng: Arc<dyn Rng>,
    #[cfg(test)]
    compared: Arc<std::sync::atomic::AtomicU64>,
}

impl Hasher {
    /// With the bounds of the settings.
    pub(crate) fn new(settings: &Settings, rng: Arc<dyn Rng>) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let concurrency = if settings.hash_concurrency == 0 { cores } else { settings.hash_concurrency };
        let present = concurrency.saturating_add(settings.hash_queue).min(Semaphore::MAX_PERMITS);
        Self {
            running: Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS))),
            present: Arc::new(Semaphore::new(present)),
            retry: settings.hash_retry,
            policy: Arc::new(settings.policy()),
            rng,
            #[cfg(test)]
            compared: Arc::default(),
        }
    }

    /// How many passwords were compared.
    #[cfg(test)]
    pub(crate) fn compared(&self) -> u64 {
        self.compared.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Hashes a password to a PHC string.
    ///
    /// # Errors
    /// `BUSY` when too many wait; [`AgentAuthError::Hash`]; [`AgentAuthError::HashTask`] when the process ends meanwhile.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<SecretString, AgentAuthError> {
        let salt = password::salt(&*self.rng);
        Ok(self.run(move || password::hash(&password, &salt)).await??)
    }

    /// Compares a password with a PHC string. For an account that does not exist, `None`: takes as long.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        phc: Option<SecretString>,
    ) -> Result<Verdict, AgentAuthError> {
        #[cfg(test)]
        let compared = Arc::clone(&self.compared);
        let compare = move || {
            #[cfg(test)]
            compared.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            password::verify(&password, phc.as_ref())
        };
        Ok(self.run(compare).await??)
    }

    /// Judges a password that somebody chose; `about` are his username and name.
    ///
    /// # Errors
    /// `INVALID_PASSWORD`; as [`Self::hash`].
    pub(crate) async fn judge(
        &self,
        password: SecretString,
        about: Vec<String>,
    ) -> Result<(), AgentAuthError> {
        let policy = Arc::clone(&self.policy);
        let verdict = self.run(move || policy.judge(&password, &about)).await?;
        verdict.map_err(|weakness| AgentAuthError::Refused(weakness.into()))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AgentAuthError> {
        let present = Arc::clone(&self.present).try_acquire_owned().map_err(|_| self.busy())?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| self.busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            // The work cannot be cancelled: its place is free when it is done, not when its caller leaves.
            drop((running, present));
            outcome
        });
        Ok(done.await?)
    }

    fn busy(&self) -> AgentAuthError {
        metrics::counter!("switchboard_agent_auth_hash_refused_total").increment(1);
        let told = "too many passwords are being checked right now, try again";
        Failure::new(ErrorKind::Unavailable, "BUSY", told).retry_after(self.retry).into()
    }
}
