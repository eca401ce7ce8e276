//! Table `agent`: reading accounts.

use crate::{
    account::{AgentRow, Username},
    store::Store,
};
use switchboard_db::{DbError, Statement, Tx, sql};
use switchboard_domain::{AgentId, Timestamp};

/// The columns of [`AgentRow`].
macro_rules! agent_columns {
    () => {
        "id, username, display_name, password_hash, must_change_password, role, pv, \
         valid_after, status, status_note, status_at, last_active_at, max_sessions, avatar_url, skills, totp_secret, \
         totp_pending, totp_step, created_at, last_login_at, disabled_at, deleted_at, version"
    };
}
pub(crate) use agent_columns;

impl Store {
    /// The account of this id, unless it was deleted.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn agent(&self, id: AgentId) -> Result<Option<AgentRow>, DbError> {
        self.db.fetch_optional(by_id(id)).await
    }

    /// The account of this id or username, unless it was deleted.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn agent_named(&self, text: &str) -> Result<Option<AgentRow>, DbError> {
        if let Ok(id) = AgentId::parse(text.trim())
            && let Some(agent) = self.agent(id).await?
        {
            return Ok(Some(agent));
        }
        const BY_NAME: &str = concat!(
            "SELECT ",
            agent_columns!(),
            " FROM agent WHERE username_key = $1 AND deleted_at IS NULL"
        );
        let Some(name) = Username::parse(text) else { return Ok(None) };
        self.db.fetch_optional(sql(BY_NAME).bind(name.key())).await
    }
}

/// The account under lock until the transaction ends, unless it was deleted. Locks are taken in this order: account,
/// login, refresh token, head of the revocations, head of the audit log.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn lock_agent(tx: &mut Tx, id: AgentId) -> Result<Option<AgentRow>, DbError> {
    const LOCK: &str = concat!(
        "UPDATE agent SET version = version WHERE id = $1 AND deleted_at IS NULL RETURNING ",
        agent_columns!()
    );
    tx.fetch_optional(sql(LOCK).bind(id.to_string())).await
}

/// The account as it stands in this transaction, not locked.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn agent_in(tx: &mut Tx, id: AgentId) -> Result<Option<AgentRow>, DbError> {
    tx.fetch_optional(by_id(id)).await
}

/// Counts a change of an account.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn changed(tx: &mut Tx, id: AgentId, now: Timestamp) -> Result<(), DbError> {
    const CHANGED: &str = "UPDATE agent SET version = version + 1, updated_at = $2 WHERE id = $1";
    tx.execute(sql(CHANGED).bind(id.to_string()).bind(now.millis())).await.map(drop)
}

fn by_id(id: AgentId) -> Statement {
    const BY_ID: &str =
        concat!("SELECT ", agent_columns!(), " FROM agent WHERE id = $1 AND deleted_at IS NULL");
    sql(BY_ID).bind(id.to_string())
}
