//! Making and changing accounts.

use super::{
    Accounts, append,
    fields::{Edit, NewAgent},
    guard::{self, guarded, object, role_in, within},
};
use crate::{
    AgentAuthError,
    account::AgentRow,
    denial::{self, Caller, Loss},
    permissions::permissions_in,
    presence::{self, Note},
    revocation::{revoke_logins, revoke_tokens},
    roster, skills,
    store::accounts::{agent_in, changed, lock_agent},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::time::Duration;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, sql};
use switchboard_domain::{AgentId, Permission, Permissions, Timestamp};
use switchboard_proto::agentauth::v1::{
    AgentResponse, CreateAgentRequest, SetSkillsRequest, UpdateAgentRequest,
};

impl Accounts {
    /// Makes an account.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `INVALID_PASSWORD`, `USERNAME_EXISTS`, `UNKNOWN_ROLE`, `PERMISSION_ESCALATION`;
    /// [`AgentAuthError::Db`] and what hashing can fail with.
    pub(crate) async fn create(
        &self,
        caller: Caller,
        request: CreateAgentRequest,
    ) -> Result<AgentResponse, AgentAuthError> {
        let new = NewAgent::try_from(request)?;
        let hash = self.hashed(new.password.clone(), &[new.username.as_str(), &new.name]).await?;
        let (id, now) = (AgentId::mint(&*self.clock, &*self.rng), self.clock.now());
        let detail = json!({"username": new.username.as_str(), "role": new.role});
        let record = record(&*self.clock, "agent.create", &object(id), None, None, &detail);
        let row = self
            .store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mine = guarded(tx, caller, Permission::AgentsManage).await?;
                    within(mine, role_in(tx, &new.role).await?)?;
                    if !insert(tx, id, &new, &hash, now).await? {
                        return Err(AgentAuthError::from(denial::username_exists()));
                    }
                    roster::bump(tx, &id.to_string(), now).await?;
                    let row = agent_in(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    append(tx, record, None, Some(&row)).await?;
                    Ok(row)
                })
            })
            .await?;
        self.changes.tell();
        self.answer(row).await
    }

    /// Changes an account.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `AGENT_NOT_FOUND`, `UNKNOWN_ROLE`, `PERMISSION_ESCALATION`, `LAST_ADMIN`;
    /// [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn update(
        &self,
        caller: Caller,
        request: UpdateAgentRequest,
    ) -> Result<AgentResponse, AgentAuthError> {
        let id = self.named(&request.agent).await?;
        let edit = Edit::try_from(request)?;
        let detail = json!({"fields": edit.fields(), "role": edit.role, "disabled": edit.disabled});
        let record = record(&*self.clock, "agent.update", &object(id), None, None, &detail);
        let times = Times { now: self.clock.now(), lease: self.presence.lease(), keep: self.revocation_keep };
        let row = self
            .store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mine = guarded(tx, caller, Permission::AgentsManage).await?;
                    let before = lock_agent(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    apply(tx, id, &before, &edit, mine, times).await?;
                    let after = agent_in(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    append(tx, record, Some(&before), Some(&after)).await?;
                    Ok::<_, AgentAuthError>(after)
                })
            })
            .await?;
        self.changes.tell();
        self.answer(row).await
    }

    /// Sets what somebody is good at.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `AGENT_NOT_FOUND`; [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn set_skills(
        &self,
        caller: Caller,
        request: SetSkillsRequest,
    ) -> Result<AgentResponse, AgentAuthError> {
        const SET: &str = "UPDATE agent SET skills = $2 WHERE id = $1";
        let id = self.named(&request.agent).await?;
        let skills = skills::normalised(request.skills)?;
        let stored = json!(skills).to_string();
        let detail = json!({"skills": skills});
        let record = record(&*self.clock, "agent.set_skills", &object(id), None, None, &detail);
        let now = self.clock.now();
        let row = self
            .store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    guarded(tx, caller, Permission::AgentsManage).await?;
                    let before = lock_agent(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    tx.execute(sql(SET).bind(id.to_string()).bind(stored)).await?;
                    changed(tx, id, now).await?;
                    roster::bump(tx, &id.to_string(), now).await?;
                    let after = agent_in(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    append(tx, record, Some(&before), Some(&after)).await?;
                    Ok::<_, AgentAuthError>(after)
                })
            })
            .await?;
        self.changes.tell_roster();
        self.answer(row).await
    }
}

/// The times that a change needs.
#[derive(Debug, Clone, Copy)]
struct Times {
    now: Timestamp,
    lease: Duration,
    keep: Duration,
}

async fn insert(
    tx: &mut Tx,
    id: AgentId,
    new: &NewAgent,
    hash: &SecretString,
    now: Timestamp,
) -> Result<bool, AgentAuthError> {
    const INSERT: &str = "INSERT INTO agent (id, username, username_key, display_name, password_hash, role,
            max_sessions, avatar_url, must_change_password, created_at, updated_at, password_changed_at, status_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $10) ON CONFLICT (username_key) DO NOTHING";
    let insert = sql(INSERT)
        .bind(id.to_string())
        .bind(new.username.as_str())
        .bind(new.username.key())
        .bind(new.name.as_str())
        .bind(hash.expose_secret())
        .bind(new.role.as_str())
        .bind(new.max_sessions)
        .bind(new.avatar_url.as_str())
        .bind(new.must_change_password)
        .bind(now.millis());
    Ok(tx.execute(insert).await? == 1)
}

/// Makes the changes, and everything that follows from them. `mine` is what the caller may do.
async fn apply(
    tx: &mut Tx,
    id: AgentId,
    before: &AgentRow,
    edit: &Edit,
    mine: Permissions,
    times: Times,
) -> Result<(), AgentAuthError> {
    const EDIT: &str = "UPDATE agent SET display_name = $2, role = $3, max_sessions = $4, avatar_url = $5,
        disabled_at = $6 WHERE id = $1";
    let old = permissions_in(tx, &before.role).await?;
    let role = edit.role.as_ref().filter(|role| **role != before.role);
    let is_disabled = before.disabled_at.is_some();
    let turned = edit.disabled.filter(|disabled| *disabled != is_disabled);
    if role.is_some() || turned.is_some() {
        within(mine, old)?;
    }
    let new = match role {
        Some(role) => role_in(tx, role).await?,
        None => old,
    };
    within(mine, if role.is_some() { new } else { Permissions::NONE })?;
    let disabled_at = match turned {
        Some(true) => Some(times.now.millis()),
        Some(false) => None,
        None => before.disabled_at,
    };
    let write = sql(EDIT)
        .bind(id.to_string())
        .bind(edit.name.as_ref().unwrap_or(&before.display_name))
        .bind(edit.role.as_ref().unwrap_or(&before.role))
        .bind(edit.max_sessions.map_or(before.max_sessions, i64::from))
        .bind(edit.avatar_url.as_ref().unwrap_or(&before.avatar_url))
        .bind(disabled_at);
    tx.execute(write).await?;
    changed(tx, id, times.now).await?;
    if let Some(status) = edit.status {
        presence::enter(tx, &id.to_string(), status, &Note::Say(String::new()), times.now, times.lease)
            .await?;
    }
    roster::bump(tx, &id.to_string(), times.now).await?;
    let is_demoted = old.limited_to(new) != old;
    if is_demoted || turned == Some(true) {
        presence::leave(tx, &id.to_string(), times.now).await?;
        revoke_logins(tx, id, times.now, times.keep).await?;
        let loss = if is_demoted { Loss::Demotion } else { Loss::Disabling };
        guard::still_managed(tx, loss).await?;
    } else if new != old {
        // What he may do in addition counts at once.
        revoke_tokens(tx, id, times.now, times.keep).await?;
    }
    Ok(())
}
