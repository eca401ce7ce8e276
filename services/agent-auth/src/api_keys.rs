//! Keys of programs that act for an account, as the edge asks about them. `swb_<32 hexadecimal digits>_<secret>`: the
//! digits are those of the key's id, of the secret only a hash is kept.

use crate::{
    AgentAuthError, config::Settings, permissions, permissions::permissions_of, rejection, secret,
    store::Store,
};
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use std::{collections::BTreeMap, mem, sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_db::{DbError, Statement, sql};
use switchboard_domain::{AgentId, ApiKeyId, Clock};
use switchboard_mesh::reply::chain;
use switchboard_proto::agentauth::v1::VerifyApiKeyResponse;

/// What a key begins with: scanners find leaked ones by it.
const PREFIX: &str = "swb_";
/// Longest key that is looked at, in bytes.
const KEY_MAX: usize = 200;
/// Most keys whose last use waits to be written; the use of more is not.
const SEEN_MAX: usize = 10_000;

/// Verifies keys and remembers when they were used last. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct ApiKeys {
    store: Store,
    max_age: Duration,
    clock: Arc<dyn Clock>,
    seen: Arc<Mutex<BTreeMap<ApiKeyId, i64>>>,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    agent_id: String,
    secret_hash: String,
    permissions: String,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

/// The text of a key about to be made, told once, and what is kept of its secret.
pub(crate) fn make(id: ApiKeyId, secret: &SecretString) -> (SecretString, String) {
    let id = id.to_string();
    let digits = id.rsplit('_').next().unwrap_or_default();
    let hash = secret::fingerprint(secret.expose_secret());
    (format!("{PREFIX}{digits}_{}", secret.expose_secret()).into(), hash)
}

/// Takes a key apart.
fn parse(key: &str) -> Option<(ApiKeyId, &str)> {
    let rest = key.strip_prefix(PREFIX).filter(|rest| rest.len() <= KEY_MAX)?;
    // With the id's own prefix or without.
    let (digits, secret) = rest.strip_prefix("key_").unwrap_or(rest).split_once('_')?;
    let id = ApiKeyId::parse(&format!("{}_{digits}", ApiKeyId::PREFIX)).ok()?;
    Some((id, secret))
}

impl ApiKeys {
    /// Over the store.
    pub(crate) fn new(store: Store, settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        Self { store, max_age: settings.api_key_max_age, clock, seen: Arc::default() }
    }

    /// Whose key this is, and what it may do now.
    ///
    /// # Errors
    /// `INVALID_API_KEY`; [`AgentAuthError::Db`].
    pub(crate) async fn verify(&self, key: &str) -> Result<VerifyApiKeyResponse, AgentAuthError> {
        const KEY: &str =
            "SELECT agent_id, secret_hash, permissions, expires_at, revoked_at FROM api_key WHERE id = $1";
        let (id, secret) = parse(key).ok_or_else(rejection::invalid_api_key)?;
        let now = self.clock.now().millis();
        let row: Option<KeyRow> = self.store.db.fetch_optional(sql(KEY).bind(id.to_string())).await?;
        let row = row
            .filter(|row| secret::is_same(&row.secret_hash, &secret::fingerprint(secret)))
            .filter(|row| row.revoked_at.is_none() && row.expires_at.is_none_or(|at| now < at))
            .ok_or_else(rejection::invalid_api_key)?;
        let owner =
            AgentId::parse(&row.agent_id).map_err(|_| AgentAuthError::Stored { what: "an API key" })?;
        let agent = self.store.agent(owner).await?.filter(|agent| agent.disabled_at.is_none());
        let agent = agent.ok_or_else(rejection::invalid_api_key)?;
        let role = permissions_of(&self.store.db, &agent.role).await?;
        let allowed = permissions::stored(&row.permissions)?.limited_to(agent.may(role));
        self.saw(id, now);
        let max_age = row.expires_at.map_or(i64::MAX, |at| at.saturating_sub(now));
        Ok(VerifyApiKeyResponse {
            key_id: id.to_string(),
            agent_id: agent.id,
            agent_name: agent.display_name,
            username: agent.username,
            role: agent.role,
            permissions: allowed.to_string(),
            max_age_ms: max_age.min(i64::try_from(self.max_age.as_millis()).unwrap_or(i64::MAX)),
        })
    }

    fn saw(&self, id: ApiKeyId, now: i64) {
        let mut seen = self.seen.lock();
        if seen.len() < SEEN_MAX || seen.contains_key(&id) {
            seen.insert(id, now);
        }
    }

    /// Writes down which keys were used since the last time.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction; then this use of the keys is not written.
    pub(crate) async fn touch(&self) -> Result<(), DbError> {
        let seen = mem::take(&mut *self.seen.lock());
        if seen.is_empty() {
            return Ok(());
        }
        let statements: Vec<Statement> = seen.into_iter().map(|(id, at)| touched(id, at)).collect();
        self.store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    for statement in statements {
                        tx.execute(statement).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

fn touched(id: ApiKeyId, at: i64) -> Statement {
    const TOUCH: &str =
        "UPDATE api_key SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
    sql(TOUCH).bind(id.to_string()).bind(at)
}

/// Writes down the use of keys every `interval`, and once more at the soft stop.
pub(crate) async fn tend(keys: ApiKeys, interval: Duration, life: Lifecycle) {
    let stopping = life.stopping();
    tokio::pin!(stopping);
    loop {
        let is_last = tokio::select! {
            () = tokio::time::sleep(interval) => false,
            () = &mut stopping => true,
        };
        if let Err(error) = keys.touch().await {
            tracing::warn!(error = chain(&error), "the last use of API keys could not be written down");
        }
        if is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_boot::system::{SystemClock, SystemRng};

    #[test]
    fn keys_are_taken_apart() {
        let id = ApiKeyId::mint(&SystemClock, &SystemRng);
        let digits = id.to_string().replace("key_", "");
        let key = format!("swb_{digits}_one_two-three");
        for key in [&key, &format!("swb_{id}_one_two-three")] {
            assert_eq!(parse(key), Some((id, "one_two-three")));
        }
        for bad in
            ["", "swb_", "swb_1_2", "key_0_0", &key.replace("swb_", "SWB_"), &format!("{key}{key:0200}")]
        {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
