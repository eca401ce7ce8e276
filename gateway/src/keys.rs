//! The keys that visitor tokens are verified with: fetched from agent-auth, kept, fetched again when a token names one
//! that is not there.

use crate::{config::Visitor, error::Problem, jwt::KeySet, state::Peers};
use parking_lot::RwLock;
use std::{sync::Arc, time::Duration};
use switchboard_domain::{ErrorKind, Principal, ServiceName};
use switchboard_mesh::{CallContext, reply::chain};
use switchboard_proto::agentauth::v1::GetJwksRequest;
use tokio::time::Instant;

/// The keys, as last seen.
#[derive(Debug)]
pub(crate) struct Keys {
    peers: Peers,
    refetch: Duration,
    timeout: Duration,
    current: RwLock<Option<Fetched>>,
    /// When a fetch was last tried; held while one runs, so that there is one at a time.
    attempt: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug, Clone)]
struct Fetched {
    json: Arc<str>,
    keys: Arc<KeySet>,
    until: Instant,
}

impl Keys {
    /// Keeps keys; none are fetched yet.
    pub(crate) fn new(settings: &Visitor, peers: Peers) -> Self {
        Self {
            peers,
            refetch: settings.jwks_refetch,
            timeout: settings.jwks_timeout,
            current: RwLock::new(None),
            attempt: tokio::sync::Mutex::new(None),
        }
    }

    /// The keys. Old ones are better than none: if they cannot be fetched again, they stay.
    ///
    /// # Errors
    /// A 503 problem when there are none and none can be had.
    pub(crate) async fn current(&self, context: &CallContext) -> Result<Arc<KeySet>, Problem> {
        match self.known() {
            Some(fetched) if Instant::now() < fetched.until => Ok(fetched.keys),
            Some(_) => {
                self.fetch(context, self.refetch).await;
                self.known().map(|fetched| fetched.keys).ok_or_else(unavailable)
            }
            None => {
                self.fetch(context, self.timeout).await;
                self.known().map(|fetched| fetched.keys).ok_or_else(unavailable)
            }
        }
    }

    /// The keys after a look for new ones; `None` when it is too early to look again.
    pub(crate) async fn newer(&self, context: &CallContext) -> Option<Arc<KeySet>> {
        let looked = self.fetch(context, self.refetch).await;
        if looked { self.known().map(|fetched| fetched.keys) } else { None }
    }

    fn known(&self) -> Option<Fetched> {
        self.current.read().clone()
    }

    /// Fetches, unless a fetch was tried less than `gap` ago. Returns whether the keys may have changed meanwhile.
    async fn fetch(&self, context: &CallContext, gap: Duration) -> bool {
        let asked = Instant::now();
        let mut attempt = self.attempt.lock().await;
        if let Some(last) = *attempt {
            // Somebody else looked while we waited for our turn.
            if last >= asked {
                return true;
            }
            if last.elapsed() < gap {
                return false;
            }
        }
        *attempt = Some(Instant::now());
        let mine = context.acting_as(Principal::Service(ServiceName::Gateway));
        let mut auth = self.peers.auth();
        let answer = mine.scope(tokio::time::timeout(self.timeout, auth.get_jwks(GetJwksRequest {}))).await;
        let response = match answer {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => {
                tracing::warn!(error = chain(&status), "the keys of visitor tokens cannot be fetched");
                return false;
            }
            Err(_elapsed) => {
                tracing::warn!("fetching the keys of visitor tokens took too long");
                return false;
            }
        };
        let json = response.jwks_json;
        // The same keys stay the same set: what was verified with them stays verified.
        let same = self.known().filter(|fetched| *fetched.json == *json).map(|fetched| fetched.keys);
        let new = || KeySet::parse(&json).filter(|keys| !keys.is_empty()).map(Arc::new);
        let Some(keys) = same.or_else(new) else {
            tracing::error!("agent-auth gave no usable key");
            return false;
        };
        let age = Duration::from_millis(u64::try_from(response.max_age_ms).unwrap_or(0)).max(self.refetch);
        let now = Instant::now();
        let until = now.checked_add(age).unwrap_or(now);
        *self.current.write() = Some(Fetched { json: json.into(), keys, until });
        true
    }
}

fn unavailable() -> Problem {
    Problem::new(ErrorKind::Unavailable, "UNAVAILABLE", "tokens cannot be verified right now, try again")
}
