//! API keys: `Authorization: Bearer swb_…`. What a key is and may do is agent-auth's to say; its answer is remembered for a
//! moment under the key's digest.

use super::{Agent, Carrier, Revocations, invalid_credentials};
use crate::{
    config::Settings,
    error::Problem,
    identity::Caller,
    limits::{Class, Limits},
    state::Peers,
};
use sha2::{Digest as _, Sha256};
use std::{sync::Arc, time::Duration};
use switchboard_domain::{AgentId, ApiKeyId, Clock, ErrorKind, Failure, Permissions, Principal, ServiceName};
use switchboard_mesh::{CallContext, status::from_status};
use switchboard_proto::{
    agentauth::v1::{VerifyApiKeyRequest, VerifyApiKeyResponse},
    convert::WireError,
};
use tokio::time::Instant;

/// What every API key begins with.
pub(super) const PREFIX: &str = "swb_";
/// Longest API key that is looked at, in bytes.
const MAX_BYTES: usize = 256;

/// What was found out about API keys.
#[derive(Debug)]
pub(super) struct ApiKeys {
    peers: Peers,
    known: moka::future::Cache<[u8; 32], Found>,
    max_age: Duration,
    wrong_age: Duration,
    session: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone)]
struct Found {
    until: Instant,
    outcome: Outcome,
}

#[derive(Debug, Clone)]
enum Outcome {
    Right(Arc<Agent>),
    Wrong,
    /// Nobody knows; not remembered.
    Failed(Failure),
}

impl ApiKeys {
    /// Nothing is known yet.
    pub(super) fn new(settings: &Settings, peers: Peers, clock: Arc<dyn Clock>) -> Self {
        let agents = &settings.agent;
        Self {
            peers,
            known: moka::future::Cache::new(agents.api_key_entries),
            max_age: agents.api_key_max_age,
            wrong_age: agents.api_key_wrong_age,
            session: agents.max_lifetime,
            clock,
        }
    }

    /// Whose key it is. Requests with the same key wait for one answer.
    ///
    /// # Errors
    /// 401 for a wrong one, 429 when an address has too many looked up, 503 when agent-auth is away.
    pub(super) async fn verify(
        &self,
        key: &str,
        caller: &Caller,
        limits: &Limits,
        revocations: &Revocations,
        context: &CallContext,
    ) -> Result<Agent, Problem> {
        let well_formed = key.len() <= MAX_BYTES
            && key.len() > PREFIX.len()
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !well_formed {
            return Err(invalid_credentials());
        }
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let is_old = |found: &Found| {
            Instant::now() >= found.until
                || matches!(&found.outcome, Outcome::Right(agent) if revocations.is_revoked(agent))
        };
        let asked = async {
            match limits.draw(Class::ApiKey, caller).await {
                Ok(_) => self.ask(key, context).await,
                Err(refused) => Found::failed(refused.into_failure()),
            }
        };
        let found = self.known.entry(digest).or_insert_with_if(asked, is_old).await.into_value();
        match found.outcome {
            Outcome::Right(agent) => Ok((*agent).clone()),
            Outcome::Wrong => Err(invalid_credentials()),
            Outcome::Failed(failure) => Err(failure.into()),
        }
    }

    async fn ask(&self, key: &str, context: &CallContext) -> Found {
        let mine = context.acting_as(Principal::Service(ServiceName::Gateway));
        let request = VerifyApiKeyRequest { key: key.to_owned() };
        let mut login = self.peers.login();
        match mine.scope(login.verify_api_key(request)).await {
            Ok(answer) => match self.read(answer.into_inner()) {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "agent-auth's answer about an API key cannot be read");
                    Found::failed(Failure::internal())
                }
            },
            Err(status) => {
                let failure = from_status(&status);
                match failure.kind {
                    ErrorKind::Unauthenticated | ErrorKind::Invalid | ErrorKind::NotFound => {
                        Found { until: after(self.wrong_age), outcome: Outcome::Wrong }
                    }
                    ErrorKind::Mismatch
                    | ErrorKind::TooLarge
                    | ErrorKind::Forbidden
                    | ErrorKind::Conflict
                    | ErrorKind::RateLimited
                    | ErrorKind::Timeout
                    | ErrorKind::Unavailable
                    | ErrorKind::Internal => Found::failed(failure),
                }
            }
        }
    }

    fn read(&self, answer: VerifyApiKeyResponse) -> Result<Found, WireError> {
        let wrong = |field| move |_| WireError::new(field);
        let now = self.clock.now();
        let agent = Agent {
            id: AgentId::parse(&answer.agent_id).map_err(wrong("api_key.agent_id"))?,
            key: Some(ApiKeyId::parse(&answer.key_id).map_err(wrong("api_key.key_id"))?),
            login: None,
            name: answer.agent_name,
            username: answer.username,
            role: answer.role,
            permissions: Permissions::parse(&answer.permissions)
                .ok_or(WireError::new("api_key.permissions"))?,
            carrier: Carrier::ApiKey,
            issued: now,
            expires: now.plus(self.session),
        };
        let age = Duration::from_millis(u64::try_from(answer.max_age_ms).unwrap_or(0)).min(self.max_age);
        Ok(Found { until: after(age), outcome: Outcome::Right(Arc::new(agent)) })
    }
}

impl Found {
    fn failed(failure: Failure) -> Self {
        Self { until: Instant::now(), outcome: Outcome::Failed(failure) }
    }
}

fn after(age: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(age).unwrap_or(now)
}
