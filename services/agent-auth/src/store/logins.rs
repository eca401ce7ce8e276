//! Tables `login` and `refresh_token`.

use crate::{AgentAuthError, account::AgentRow, rejection, secret, store::Store};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use switchboard_db::{DbError, Statement, Tx, sql};
use switchboard_domain::{AgentId, LoginId, Timestamp};

/// Which logins of account $1 can still be used at $2: none that was last used at $3 or before.
macro_rules! open_login {
    () => {
        "agent_id = $1 AND ended_at IS NULL AND expires_at > $2 AND last_used_at > $3"
    };
}

/// A row of `login`. Has no `Debug`: it holds a secret.
#[derive(Clone, sqlx::FromRow)]
pub(crate) struct LoginRow {
    pub(crate) id: String,
    pub(crate) agent_id: String,
    pub(crate) family_key: String,
    pub(crate) device_id: String,
    pub(crate) amr: String,
    pub(crate) expires_at: i64,
    pub(crate) ended_at: Option<i64>,
}

/// A login about to be opened.
#[derive(Debug, Clone)]
pub(crate) struct NewLogin {
    pub(crate) id: LoginId,
    pub(crate) agent: AgentId,
    pub(crate) family_key: SecretString,
    pub(crate) device_id: String,
    pub(crate) user_agent: String,
    pub(crate) ip: String,
    /// How the person proved who he is, by the names of RFC 8176.
    pub(crate) amr: Vec<String>,
}

/// A login as its owner sees it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct ToldLogin {
    pub(crate) id: String,
    pub(crate) device_id: String,
    pub(crate) user_agent: String,
    pub(crate) ip: String,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: i64,
}

/// How long tokens last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) grace: Duration,
}

/// A refresh token that counts.
#[derive(Debug, Clone)]
pub(crate) struct Refreshing {
    pub(crate) token: SecretString,
    /// When its login ends, however much it is used. It lasts until then if each token is used within [`Lives::idle`].
    pub(crate) login_expires_at: Timestamp,
}

/// What somebody who proved himself gets.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) agent: AgentRow,
    pub(crate) login: String,
    pub(crate) amr: Vec<String>,
    /// What the role may do.
    pub(crate) role: switchboard_domain::Permissions,
    pub(crate) refreshing: Refreshing,
}

impl LoginRow {
    /// # Errors
    /// [`AgentAuthError::Stored`] when the row cannot be read.
    pub(crate) fn amr(&self) -> Result<Vec<String>, AgentAuthError> {
        serde_json::from_str(&self.amr).map_err(|_| AgentAuthError::Stored { what: "a login" })
    }

    /// Whether it has neither ended nor expired.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now.millis() < self.expires_at
    }
}

impl Store {
    /// The open logins of an account, newest first.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn logins(
        &self,
        agent: AgentId,
        now: Timestamp,
        idle: Duration,
        limit: i64,
    ) -> Result<Vec<ToldLogin>, DbError> {
        const OPEN: &str = concat!(
            "SELECT id, device_id, user_agent, ip, created_at, last_used_at FROM login WHERE ",
            open_login!(),
            " ORDER BY created_at DESC, id DESC LIMIT $4"
        );
        let agent = agent.to_string();
        let open = sql(OPEN).bind(agent).bind(now.millis()).bind(unused_since(now, idle)).bind(limit);
        self.db.fetch_all(open).await
    }
}

/// Whether an account has a login that can still be used.
///
/// # Errors
/// Any [`DbError`] of the statement.
pub(crate) async fn is_any_open(
    tx: &mut Tx,
    agent: &str,
    now: Timestamp,
    idle: Duration,
) -> Result<bool, DbError> {
    const OPEN: &str = concat!("SELECT id FROM login WHERE ", open_login!(), " LIMIT 1");
    let open = sql(OPEN).bind(agent).bind(now.millis()).bind(unused_since(now, idle));
    Ok(tx.fetch_optional::<(String,)>(open).await?.is_some())
}

/// Who has not used a login since then cannot use it any more.
fn unused_since(now: Timestamp, idle: Duration) -> i64 {
    now.millis().saturating_sub(i64::try_from(idle.as_millis()).unwrap_or(i64::MAX))
}

/// Opens a login with its first refresh token.
///
/// # Errors
/// [`AgentAuthError::Db`].
pub(crate) async fn open(
    tx: &mut Tx,
    new: &NewLogin,
    first: SecretString,
    now: Timestamp,
    lives: Lives,
) -> Result<Refreshing, AgentAuthError> {
    const OPEN: &str =
        "INSERT INTO login (id, agent_id, family_key, device_id, user_agent, ip, amr, created_at,
        last_used_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)";
    let expires_at = now.plus(lives.absolute);
    let amr = serde_json::to_string(&new.amr).map_err(|_| AgentAuthError::Stored { what: "a login" })?;
    let open = sql(OPEN)
        .bind(new.id.to_string())
        .bind(new.agent.to_string())
        .bind(new.family_key.expose_secret())
        .bind(new.device_id.as_str())
        .bind(new.user_agent.as_str())
        .bind(new.ip.as_str())
        .bind(amr)
        .bind(now.millis())
        .bind(expires_at.millis());
    tx.execute(open).await?;
    add_token(tx, &new.id.to_string(), expires_at, first, now, lives).await
}

/// The login under lock until the transaction ends.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<LoginRow>, DbError> {
    const LOCK: &str = "UPDATE login SET last_used_at = last_used_at WHERE id = $1
        RETURNING id, agent_id, family_key, device_id, amr, expires_at, ended_at";
    tx.fetch_optional(sql(LOCK).bind(id)).await
}

/// Opens a login again that ended in this transaction with all others of its account, with a new refresh token; the
/// ones before are forgotten.
///
/// # Errors
/// [`AgentAuthError::Db`].
pub(crate) async fn go_on(
    tx: &mut Tx,
    login: &LoginRow,
    token: SecretString,
    now: Timestamp,
    lives: Lives,
) -> Result<Refreshing, AgentAuthError> {
    const REOPEN: &str = "UPDATE login SET ended_at = NULL, last_used_at = $2 WHERE id = $1";
    const FORGET: &str = "DELETE FROM refresh_token WHERE login_id = $1";
    tx.execute(sql(REOPEN).bind(login.id.as_str()).bind(now.millis())).await?;
    tx.execute(sql(FORGET).bind(login.id.as_str())).await?;
    add_token(tx, &login.id, Timestamp::from_millis(login.expires_at), token, now, lives).await
}

/// What became of a refresh token that was given.
pub(crate) enum Rotation {
    /// It was used now; this one follows.
    Next(Refreshing),
    /// It was used within the grace, and what follows was not: the same again.
    Again(Refreshing),
    /// It does not count.
    Expired,
    /// It was used before.
    Reused,
}

/// Uses `token` of a locked login that is open.
///
/// # Errors
/// [`AgentAuthError::Db`].
pub(crate) async fn rotate(
    tx: &mut Tx,
    login: &LoginRow,
    token: &SecretString,
    now: Timestamp,
    lives: Lives,
) -> Result<Rotation, AgentAuthError> {
    const USE: &str =
        "UPDATE refresh_token SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2";
    const TOUCH: &str = "UPDATE login SET last_used_at = $2 WHERE id = $1";
    let hash = secret::fingerprint(token.expose_secret());
    let next = secret::successor(&login.family_key.as_str().into(), token);
    if tx.execute(sql(USE).bind(hash.as_str()).bind(now.millis())).await? == 1 {
        tx.execute(sql(TOUCH).bind(login.id.as_str()).bind(now.millis())).await?;
        let expires_at = Timestamp::from_millis(login.expires_at);
        return Ok(Rotation::Next(add_token(tx, &login.id, expires_at, next, now, lives).await?));
    }
    // Gone: forgotten since it was looked up.
    let found: Option<(i64, Option<i64>)> = tx.fetch_optional(state(&hash)).await?;
    let Some(used) = found.and_then(|(_, used)| used) else { return Ok(Rotation::Expired) };
    if now.since(Timestamp::from_millis(used)) <= lives.grace {
        let after: Option<(i64, Option<i64>)> =
            tx.fetch_optional(state(&secret::fingerprint(next.expose_secret()))).await?;
        if let Some((expires_at, None)) = after
            && now.millis() < expires_at
        {
            let login_expires_at = Timestamp::from_millis(login.expires_at);
            return Ok(Rotation::Again(Refreshing { token: next, login_expires_at }));
        }
    }
    Ok(Rotation::Reused)
}

/// Uses up a recovery code.
///
/// # Errors
/// `INVALID_TOTP` when it is none, or was used; [`AgentAuthError::Db`].
pub(crate) async fn use_recovery_code(
    tx: &mut Tx,
    agent: AgentId,
    hash: &str,
    now: Timestamp,
) -> Result<(), AgentAuthError> {
    const USE: &str =
        "UPDATE recovery_code SET used_at = $3 WHERE agent_id = $1 AND hash = $2 AND used_at IS NULL";
    let used = tx.execute(sql(USE).bind(agent.to_string()).bind(hash).bind(now.millis())).await?;
    if used == 1 { Ok(()) } else { Err(rejection::invalid_totp()) }
}

/// Uses up the code of a step: neither it nor an earlier one counts again.
///
/// # Errors
/// `INVALID_TOTP` when somebody was faster; [`AgentAuthError::Db`].
pub(crate) async fn use_step(tx: &mut Tx, agent: AgentId, step: i64) -> Result<(), AgentAuthError> {
    const USE: &str = "UPDATE agent SET totp_step = $2 WHERE id = $1 AND totp_step < $2";
    let used = tx.execute(sql(USE).bind(agent.to_string()).bind(step)).await?;
    if used == 1 { Ok(()) } else { Err(rejection::invalid_totp()) }
}

async fn add_token(
    tx: &mut Tx,
    login: &str,
    login_expires_at: Timestamp,
    token: SecretString,
    now: Timestamp,
    lives: Lives,
) -> Result<Refreshing, AgentAuthError> {
    const ADD: &str =
        "INSERT INTO refresh_token (hash, login_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
    let expires_at = now.plus(lives.idle).min(login_expires_at);
    let add = sql(ADD)
        .bind(secret::fingerprint(token.expose_secret()))
        .bind(login)
        .bind(now.millis())
        .bind(expires_at.millis());
    tx.execute(add).await?;
    Ok(Refreshing { token, login_expires_at })
}

/// When a token expires, and when it was used.
fn state(hash: &str) -> Statement {
    const STATE: &str = "SELECT expires_at, used_at FROM refresh_token WHERE hash = $1";
    sql(STATE).bind(hash)
}
