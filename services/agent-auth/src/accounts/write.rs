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
    presence::{self, Note, rules::Status},
    repeatable::Repeatable,
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
    /// Makes an account, once for each key.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `INVALID_PASSWORD`, `USERNAME_EXISTS`, `IDEMPOTENCY_MISMATCH`, `UNKNOWN_ROLE`, `PERMISSION_ESCALATION`;
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
        let password = new.password.clone();
        let (row, is_new) = self
            .store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mine = guarded(tx, caller, Permission::AgentsManage).await?;
                    within(mine, role_in(tx, &new.role).await?)?;
                    if !insert(tx, caller, id, &new, &hash, now).await? {
                        let made = made_before(tx, caller, new.repeatable.as_ref()).await?;
                        return Ok((made.ok_or_else(denial::username_exists)?, false));
                    }
                    roster::bump(tx, &id.to_string(), now).await?;
                    let row = agent_in(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    append(tx, record, None, Some(&row)).await?;
                    Ok::<_, AgentAuthError>((row, true))
                })
            })
            .await?;
        if is_new {
            self.changes.tell();
        } else {
            self.same_password(password, &row).await?;
        }
        self.answer(row).await
    }

    /// The fingerprint of a repeat says nothing of the password; its hash does.
    async fn same_password(&self, password: SecretString, row: &AgentRow) -> Result<(), AgentAuthError> {
        let hash = SecretString::from(row.password_hash.as_str());
        let verdict = self.hasher.verify(password, Some(hash)).await?;
        if verdict.is_right { Ok(()) } else { Err(denial::key_reused().into()) }
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
                    apply(tx, id, &before, &edit, Changing { mine, is_self: id == caller.id }, times).await?;
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
    /// `VALIDATION_ERROR`, `AGENT_NOT_FOUND`, `PERMISSION_ESCALATION`; [`AgentAuthError::Db`] or
    /// [`AgentAuthError::Stored`].
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
                    let mine = guarded(tx, caller, Permission::AgentsManage).await?;
                    let before = lock_agent(tx, id).await?.ok_or_else(denial::agent_not_found)?;
                    if id != caller.id {
                        within(mine, permissions_in(tx, &before.role).await?)?;
                    }
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
    caller: Caller,
    id: AgentId,
    new: &NewAgent,
    hash: &SecretString,
    now: Timestamp,
) -> Result<bool, AgentAuthError> {
    const INSERT: &str = "INSERT INTO agent (id, username, username_key, display_name, password_hash, role,
            max_sessions, avatar_url, must_change_password, created_at, updated_at, password_changed_at, status_at,
            made_by, made_key, made_fingerprint)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $10, $11, $12, $13) ON CONFLICT DO NOTHING";
    let made = new.repeatable.as_ref();
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
        .bind(now.millis())
        .bind(made.map(|_| caller.id.to_string()))
        .bind(made.map(|made| made.key.clone()))
        .bind(made.map(|made| made.fingerprint.clone()));
    Ok(tx.execute(insert).await? == 1)
}

/// The account that an earlier call with this key made, as it is now.
async fn made_before(
    tx: &mut Tx,
    caller: Caller,
    repeatable: Option<&Repeatable>,
) -> Result<Option<AgentRow>, AgentAuthError> {
    const MADE: &str = "SELECT id, made_fingerprint FROM agent WHERE made_by = $1 AND made_key = $2";
    let Some(repeatable) = repeatable else { return Ok(None) };
    let made = sql(MADE).bind(caller.id.to_string()).bind(repeatable.key.as_str());
    let Some((id, said)) = tx.fetch_optional::<(String, Option<String>)>(made).await? else {
        return Ok(None);
    };
    if said.as_ref() != Some(&repeatable.fingerprint) {
        return Err(denial::key_reused().into());
    }
    let id = AgentId::parse(&id).map_err(|_| AgentAuthError::Stored { what: "the id of an account" })?;
    Ok(agent_in(tx, id).await?)
}

/// Who changes an account.
#[derive(Debug, Clone, Copy)]
struct Changing {
    /// What he may do.
    mine: Permissions,
    /// Whether it is his own.
    is_self: bool,
}

/// Makes the changes, and everything that follows from them. Nobody changes anything of an account that may do more than
/// he; of his own he changes what his token does not cover too, except for what it may do.
async fn apply(
    tx: &mut Tx,
    id: AgentId,
    before: &AgentRow,
    edit: &Edit,
    Changing { mine, is_self }: Changing,
    times: Times,
) -> Result<(), AgentAuthError> {
    const EDIT: &str = "UPDATE agent SET display_name = $2, role = $3, max_sessions = $4, avatar_url = $5,
        disabled_at = $6 WHERE id = $1";
    let old = permissions_in(tx, &before.role).await?;
    let role = edit.role.as_ref().filter(|role| **role != before.role);
    let is_disabled = before.disabled_at.is_some();
    let turned = edit.disabled.filter(|disabled| *disabled != is_disabled);
    if !is_self || role.is_some() || turned.is_some() {
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
    if disabled_at.is_some() && edit.status.is_some_and(|status| status != Status::Offline) {
        return Err(denial::invalid("status", "offline while the account is disabled").into());
    }
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
