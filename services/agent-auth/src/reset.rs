//! What an operator does when nobody knows a password any more: he has the database, so he needs no proof.

use crate::{
    AgentAuthError, Config, MIGRATIONS, NAME,
    account::AgentRow,
    hashing::Hasher,
    login::remove_totp,
    password, presence, rejection,
    revocation::revoke_logins,
    store::{Store, accounts::lock_agent, throttle::forgive},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use switchboard_boot::{BuildError, Deps, audit::record};
use switchboard_db::{Tx, audit, audit::NewRecord, sql};
use switchboard_domain::Timestamp;
use switchboard_mesh::CallContext;

/// Gives the account of `username` (or id) a random password that must be changed at the next login, and ends its logins;
/// with `without_totp` its second factor is removed too. Nothing else changes: a disabled account stays disabled. Answers
/// the line for the operator's terminal, the only place where the password is told.
///
/// # Errors
/// [`BuildError`] when the database cannot be used or has no such account.
pub async fn reset_password(
    config: Config,
    deps: Deps,
    username: String,
    without_totp: bool,
) -> Result<String, BuildError> {
    let store = Store::new(deps.open_db(&MIGRATIONS).await?);
    let hasher = Hasher::new(&config.agent_auth, Arc::clone(&deps.rng));
    let keep = config.agent_auth.revocation_keep();
    // The record's actor is the service.
    CallContext::background(NAME, &*deps.clock, &*deps.rng)
        .scope(reset(&store, &hasher, &deps, keep, &username, without_totp))
        .await
        .map_err(|error| BuildError::new("the password cannot be reset", error))
}

async fn reset(
    store: &Store,
    hasher: &Hasher,
    deps: &Deps,
    keep: Duration,
    username: &str,
    without_totp: bool,
) -> Result<String, AgentAuthError> {
    let agent = store.agent_named(username).await?.ok_or_else(rejection::agent_not_found)?;
    let password = password::random(&*deps.rng);
    let resetting = Resetting {
        hash: hasher.hash(password.clone()).await?,
        without_totp,
        record: record(
            &*deps.clock,
            "agent.reset_password",
            &format!("agent:{}", agent.id),
            None,
            None,
            &json!({ "without_totp": without_totp }),
        ),
        now: deps.clock.now(),
        keep,
    };
    let name = agent.username.clone();
    store.db.transaction(move |tx| Box::pin(write(tx, agent, resetting))).await?;
    Ok(format!("{name}  one-time password: {}  (change it at first login)", password.expose_secret()))
}

struct Resetting {
    hash: SecretString,
    without_totp: bool,
    record: NewRecord,
    now: Timestamp,
    keep: Duration,
}

async fn write(tx: &mut Tx, agent: AgentRow, resetting: Resetting) -> Result<(), AgentAuthError> {
    const RESET: &str =
        "UPDATE agent SET password_hash = $2, password_changed_at = $3, must_change_password = 1,
        updated_at = $3, version = version + 1 WHERE id = $1";
    let (id, now) = (agent.id()?, resetting.now);
    lock_agent(tx, id).await?.ok_or_else(rejection::agent_not_found)?;
    let hash = resetting.hash.expose_secret();
    tx.execute(sql(RESET).bind(agent.id.as_str()).bind(hash).bind(now.millis())).await?;
    if resetting.without_totp {
        remove_totp(tx, id, now).await?;
    }
    forgive(tx, &agent.id).await?;
    // Lines of the roster come before heads of the logs.
    presence::leave(tx, &agent.id, now).await?;
    revoke_logins(tx, id, now, resetting.keep).await?;
    Ok(audit::append(tx, resetting.record).await?)
}
