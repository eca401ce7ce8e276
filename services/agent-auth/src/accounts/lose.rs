//! Taking accounts, or what proves them, away.

use super::{
    Accounts, append,
    guard::{self, guarded, object, within},
};
use crate::{
    AgentAuthError,
    account::AgentRow,
    denial::{self, Caller, Loss},
    login::remove_totp,
    permissions::permissions_in,
    presence,
    revocation::{revoke_api_key, revoke_logins},
    roster,
    store::{
        accounts::{agent_in, changed, lock_agent},
        throttle::forgive,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::time::Duration;
use switchboard_boot::audit::record;
use switchboard_db::{DbError, Tx, sql};
use switchboard_domain::{AgentId, ApiKeyId, Permission, Timestamp};
use switchboard_proto::agentauth::v1::{AgentResponse, ResetPasswordRequest};

impl Accounts {
    /// Deletes an account; see [`super`] for what stays.
    ///
    /// # Errors
    /// `AGENT_NOT_FOUND`, `PERMISSION_ESCALATION`, `LAST_ADMIN`; [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn delete(&self, caller: Caller, agent: &str) -> Result<(), AgentAuthError> {
        let id = self.named(agent).await?;
        let (now, keep) = (self.clock.now(), self.revocation_keep);
        let record = record(&*self.clock, "agent.delete", &object(id), None, None, &json!({}));
        self.store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mine = guarded(tx, caller, Permission::AgentsManage).await?;
                    let before = lock_agent(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    within(mine, permissions_in(tx, &before.role).await?)?;
                    presence::leave(tx, &id.to_string(), now).await?;
                    roster::bump(tx, &id.to_string(), now).await?;
                    erase(tx, id, now).await?;
                    revoke_logins(tx, id, now, keep).await?;
                    revoke_keys(tx, id, now, keep).await?;
                    guard::still_managed(tx, Loss::Deletion).await?;
                    let detail = json!({"username": before.username, "name": before.display_name});
                    let record = switchboard_db::audit::NewRecord { detail: detail.to_string(), ..record };
                    append(tx, record, Some(&before), None).await
                })
            })
            .await?;
        self.changes.tell();
        Ok(())
    }

    /// Gives another's account a new password that has to be changed at the next login, and forgives the failed attempts
    /// to log in to it. One's own password is changed by who knows it.
    ///
    /// # Errors
    /// `AGENT_NOT_FOUND`, `OWN_PASSWORD`, `INVALID_PASSWORD`, `PERMISSION_ESCALATION`; [`AgentAuthError::Db`] and what hashing can fail
    /// with.
    pub(crate) async fn reset_password(
        &self,
        caller: Caller,
        request: ResetPasswordRequest,
    ) -> Result<AgentResponse, AgentAuthError> {
        let target = self.store.agent_named(&request.agent).await?.ok_or_else(denial::agent_not_found)?;
        let id = target.id()?;
        if id == caller.id {
            return Err(denial::own_password().into());
        }
        let password = SecretString::from(request.new_password);
        let hash = self.hashed(password, &[&target.username, &target.display_name]).await?;
        let (now, keep, without_totp) = (self.clock.now(), self.revocation_keep, request.remove_totp);
        let detail = json!({"totp_removed": without_totp});
        let record = record(&*self.clock, "agent.reset_password", &object(id), None, None, &detail);
        let row = self
            .store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mine = guarded(tx, caller, Permission::AgentsManage).await?;
                    let before = lock_agent(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    within(mine, permissions_in(tx, &before.role).await?)?;
                    set_password(tx, id, &hash, now).await?;
                    if without_totp {
                        remove_totp(tx, id, now).await?;
                    }
                    forgive(tx, &id.to_string()).await?;
                    presence::leave(tx, &id.to_string(), now).await?;
                    revoke_logins(tx, id, now, keep).await?;
                    let after: AgentRow = agent_in(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    append(tx, record, Some(&before), Some(&after)).await?;
                    Ok::<_, AgentAuthError>(after)
                })
            })
            .await?;
        self.changes.tell();
        self.answer(row).await
    }
}

/// Leaves the row as a memory of its id and its names.
async fn erase(tx: &mut Tx, id: AgentId, now: Timestamp) -> Result<(), AgentAuthError> {
    // No username has a number sign: the name is free again, and nobody can take this one.
    const ERASE: &str =
        "UPDATE agent SET deleted_at = $2, username_key = $3, password_hash = '', avatar_url = '',
        made_key = NULL, made_fingerprint = NULL, version = version + 1, updated_at = $2 WHERE id = $1";
    const DEVICES: &str = "DELETE FROM known_device WHERE agent_id = $1";
    let freed = format!("#{id}");
    tx.execute(sql(ERASE).bind(id.to_string()).bind(now.millis()).bind(freed)).await?;
    tx.execute(sql(DEVICES).bind(id.to_string())).await?;
    remove_totp(tx, id, now).await
}

async fn set_password(tx: &mut Tx, id: AgentId, hash: &SecretString, now: Timestamp) -> Result<(), DbError> {
    const SET: &str =
        "UPDATE agent SET password_hash = $2, must_change_password = 1, password_changed_at = $3
        WHERE id = $1";
    tx.execute(sql(SET).bind(id.to_string()).bind(hash.expose_secret()).bind(now.millis())).await?;
    changed(tx, id, now).await
}

async fn revoke_keys(tx: &mut Tx, id: AgentId, now: Timestamp, keep: Duration) -> Result<(), AgentAuthError> {
    const REVOKE: &str =
        "UPDATE api_key SET revoked_at = $2 WHERE agent_id = $1 AND revoked_at IS NULL RETURNING id";
    let keys = tx.fetch_all::<(String,)>(sql(REVOKE).bind(id.to_string()).bind(now.millis())).await?;
    for (key,) in keys {
        let key =
            ApiKeyId::parse(&key).map_err(|_| AgentAuthError::Stored { what: "the id of an API key" })?;
        revoke_api_key(tx, key, now, keep).await?;
    }
    Ok(())
}
