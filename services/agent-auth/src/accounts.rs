//! Other people's accounts: who they are, what they may do, what they are good at.
//!
//! A deleted account keeps its row, so that its id is never given again and the log has a name for it; its username is
//! free again. Nobody changes an account that may do more than he does himself, nor gives it such a role.

pub(crate) mod fields;
pub(crate) mod guard;
mod lose;
mod write;

use crate::{
    AgentAuthError,
    account::AgentRow,
    changes::Changes,
    denial::{self, Caller},
    hashing::Hasher,
    permissions::{names, permissions_of},
    presence::Presence,
    store::{Store, accounts::agent_columns},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use switchboard_db::{Tx, audit, sql};
use switchboard_domain::{AgentId, Clock, Rng, limits::PAGE_MAX};
use switchboard_proto::agentauth::v1::{
    AgentResponse, HeartbeatRequest, HeartbeatResponse, ListAgentsRequest, ListAgentsResponse,
    SetStatusRequest,
};

/// Lines of a page when no number is asked for.
const PAGE: u32 = 20;
/// Most colleagues who are told to be available; the total counts all.
const AVAILABLE_MAX: i64 = 500;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    pub(crate) store: Store,
    pub(crate) presence: Presence,
    pub(crate) hasher: Hasher,
    pub(crate) changes: Changes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    /// How long verifiers have to remember what was revoked.
    pub(crate) revocation_keep: Duration,
}

impl Accounts {
    /// Accounts by filter, newest first.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn list(
        &self,
        request: ListAgentsRequest,
    ) -> Result<ListAgentsResponse, AgentAuthError> {
        const PAGE_OF: &str = concat!(
            "SELECT ",
            agent_columns!(),
            " FROM agent WHERE deleted_at IS NULL AND ($1 = '' OR status = $1) AND ($2 = '' OR role = $2)
            ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
        );
        const COUNT: &str = "SELECT COUNT(*) FROM agent WHERE deleted_at IS NULL AND ($1 = '' OR status = $1)
            AND ($2 = '' OR role = $2)";
        let size = if request.page_size == 0 { PAGE } else { request.page_size };
        let size = i64::from(size).min(i64::try_from(PAGE_MAX).unwrap_or(i64::MAX));
        let offset = i64::from(request.page.max(1) - 1) * size;
        let page = sql(PAGE_OF).bind(&request.status).bind(&request.role).bind(size).bind(offset);
        let rows: Vec<AgentRow> = self.store.db.fetch_all(page).await?;
        let count = sql(COUNT).bind(&request.status).bind(&request.role);
        let (total,) = self.store.db.fetch_one::<(i64,)>(count).await?;
        Ok(ListAgentsResponse { agents: told(&rows)?, total })
    }

    /// Colleagues who are online at this moment, without the caller.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn available(&self, caller: Caller) -> Result<ListAgentsResponse, AgentAuthError> {
        const ONLINE: &str = concat!(
            "SELECT ",
            agent_columns!(),
            " FROM agent WHERE status = 'online' AND status <> 'offline' AND lease_until > $1 AND id <> $2
            AND disabled_at IS NULL AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT $3"
        );
        const COUNT: &str = "SELECT COUNT(*) FROM agent WHERE status = 'online' AND status <> 'offline'
            AND lease_until > $1 AND id <> $2 AND disabled_at IS NULL AND deleted_at IS NULL";
        let (now, me) = (self.clock.now().millis(), caller.id.to_string());
        let online = sql(ONLINE).bind(now).bind(&me).bind(AVAILABLE_MAX);
        let rows: Vec<AgentRow> = self.store.db.fetch_all(online).await?;
        let (total,) = self.store.db.fetch_one::<(i64,)>(sql(COUNT).bind(now).bind(me)).await?;
        Ok(ListAgentsResponse { agents: told(&rows)?, total })
    }

    /// One account, by id or username.
    ///
    /// # Errors
    /// `AGENT_NOT_FOUND`; [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn get(&self, agent: &str) -> Result<AgentResponse, AgentAuthError> {
        let row = self.store.agent_named(agent).await?.ok_or_else(denial::agent_not_found)?;
        self.answer(row).await
    }

    /// Sets the caller's own status.
    ///
    /// # Errors
    /// [`AgentAuthError::Refused`], [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn set_status(
        &self,
        caller: Caller,
        request: SetStatusRequest,
    ) -> Result<AgentResponse, AgentAuthError> {
        let status = fields::status(&request.status)?;
        let note = fields::note(request.note)?;
        if !self.presence.set(caller.id, status, note).await? {
            return Err(denial::agent_not_found().into());
        }
        let row = self.store.agent(caller.id).await?.ok_or_else(denial::agent_not_found)?;
        self.answer(row).await
    }

    /// Renews the caller's lease.
    ///
    /// # Errors
    /// `AGENT_NOT_FOUND`; [`AgentAuthError::Db`].
    pub(crate) async fn heartbeat(
        &self,
        caller: Caller,
        request: HeartbeatRequest,
    ) -> Result<HeartbeatResponse, AgentAuthError> {
        let beat = self.presence.beat(caller.id, request.active).await?;
        let present = beat.ok_or_else(denial::agent_not_found)?;
        Ok(HeartbeatResponse {
            last_active_at_ms: Some(present.active_at.millis()),
            lease_until_ms: present.lease_until.millis(),
            status: present.status.as_str().to_owned(),
        })
    }

    /// The account that a command is about.
    async fn named(&self, agent: &str) -> Result<AgentId, AgentAuthError> {
        self.store.agent_named(agent).await?.ok_or_else(denial::agent_not_found)?.id()
    }

    /// The hash of a password that somebody chose for the owner of `about`.
    async fn hashed(&self, password: SecretString, about: &[&str]) -> Result<SecretString, AgentAuthError> {
        let about = about.iter().map(|name| (*name).to_owned()).collect();
        self.hasher.judge(password.clone(), about).await?;
        self.hasher.hash(password).await
    }

    async fn answer(&self, row: AgentRow) -> Result<AgentResponse, AgentAuthError> {
        let role = permissions_of(&self.store.db, &row.role).await?;
        Ok(AgentResponse { agent: Some(row.told()?), permissions: names(row.may(role)) })
    }
}

fn told(rows: &[AgentRow]) -> Result<Vec<switchboard_proto::agentauth::v1::Agent>, AgentAuthError> {
    rows.iter().map(AgentRow::told).collect()
}

/// Digest of an account, for the audit log. The hash of the password is in it, so that a reset shows.
fn digest(row: &AgentRow) -> String {
    let face: Value = json!({
        "id": row.id,
        "username": row.username,
        "name": row.display_name,
        "role": row.role,
        "status": row.status,
        "max_sessions": row.max_sessions,
        "avatar_url": row.avatar_url,
        "skills": row.skills,
        "must_change_password": row.must_change_password,
        "password": audit::digest(&row.password_hash),
        "totp": row.totp_secret.is_some(),
        "disabled_at": row.disabled_at,
        "deleted_at": row.deleted_at,
    });
    audit::digest(&face.to_string())
}

/// Completes the record of a command about an account and appends it: the last statement of the command.
async fn append(
    tx: &mut Tx,
    mut record: audit::NewRecord,
    before: Option<&AgentRow>,
    after: Option<&AgentRow>,
) -> Result<(), AgentAuthError> {
    record.before_digest = before.map(digest).unwrap_or_default();
    record.after_digest = after.map(digest).unwrap_or_default();
    Ok(audit::append(tx, record).await?)
}
