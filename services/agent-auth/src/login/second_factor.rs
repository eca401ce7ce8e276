//! The second factor: enrolling, confirming, removing.

use super::{
    Logins,
    opening::{Factor, factor, use_factor},
};
use crate::{
    AgentAuthError, password, rejection, secret,
    store::{
        accounts::{changed, lock_agent},
        throttle::{Counted, succeeded},
    },
    throttle::Subject,
    totp,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, audit, audit::NewRecord, sql};
use switchboard_domain::{AgentId, Timestamp};
use switchboard_proto::agentauth::v1::{
    BeginTotpRequest, BeginTotpResponse, ConfirmTotpRequest, ConfirmTotpResponse, DisableTotpRequest,
    DisableTotpResponse,
};

/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// Characters of one, without hyphens: 79 bits.
const RECOVERY_LENGTH: usize = 16;

/// What a command on the second factor writes about.
struct Command {
    agent: AgentId,
    counted: Counted,
    record: NewRecord,
    now: Timestamp,
}

impl Logins {
    pub(crate) async fn begin_totp(
        &self,
        request: BeginTotpRequest,
    ) -> Result<BeginTotpResponse, AgentAuthError> {
        let agent = self.me().await?;
        if agent.totp_secret.is_some() {
            return Err(rejection::totp_enabled());
        }
        let counted = self.prove(&agent, request.password.into(), rejection::password_incorrect).await?;
        let secret = totp::make_secret(&*self.rng);
        let uri = totp::uri(&self.settings.totp_issuer, &agent.username, &secret);
        let (command, pending) = (self.command(agent.id()?, counted, "agent.begin_totp"), secret.clone());
        self.store.db.transaction(move |tx| Box::pin(begin(tx, command, pending))).await?;
        Ok(BeginTotpResponse { secret, uri })
    }

    pub(crate) async fn confirm_totp(
        &self,
        request: ConfirmTotpRequest,
    ) -> Result<ConfirmTotpResponse, AgentAuthError> {
        let (agent, now) = (self.me().await?, self.clock.now());
        let id = agent.id()?;
        let Some(pending) = agent.totp_pending.clone() else {
            return Err(rejection::totp_not_enabled());
        };
        let counted = self.store.count_attempt(vec![Subject::own(&self.settings, id)], now).await?;
        let code = request.code.trim();
        let step = totp::matching_step(&pending, code, 0, now).ok_or_else(rejection::invalid_totp)?;
        let codes: Vec<SecretString> =
            (0..RECOVERY_CODES).map(|_| password::words(&*self.rng, RECOVERY_LENGTH)).collect();
        let hashes: Vec<String> =
            codes.iter().map(|code| recovery_hash(&agent.id, code.expose_secret())).collect();
        let command = self.command(id, counted, "agent.enable_totp");
        self.store.db.transaction(move |tx| Box::pin(confirm(tx, command, pending, step, hashes))).await?;
        let recovery_codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
        Ok(ConfirmTotpResponse { recovery_codes })
    }

    pub(crate) async fn disable_totp(
        &self,
        request: DisableTotpRequest,
    ) -> Result<DisableTotpResponse, AgentAuthError> {
        let (agent, now) = (self.me().await?, self.clock.now());
        if agent.totp_secret.is_none() {
            return Err(rejection::totp_not_enabled());
        }
        let counted = self.prove(&agent, request.password.into(), rejection::password_incorrect).await?;
        let factor = factor(&agent, &request.code, now)?.ok_or_else(rejection::totp_required)?;
        let command = self.command(agent.id()?, counted, "agent.disable_totp");
        self.store.db.transaction(move |tx| Box::pin(disable(tx, command, factor))).await?;
        Ok(DisableTotpResponse {})
    }

    fn command(&self, agent: AgentId, counted: Counted, action: &str) -> Command {
        let record = record(&*self.clock, action, &format!("agent:{agent}"), None, None, &json!({}));
        Command { agent, counted, record, now: self.clock.now() }
    }
}

async fn begin(tx: &mut Tx, command: Command, pending: String) -> Result<(), AgentAuthError> {
    const BEGIN: &str = "UPDATE agent SET totp_pending = $2 WHERE id = $1 AND totp_secret IS NULL";
    let Command { agent, counted, record, .. } = command;
    if tx.execute(sql(BEGIN).bind(agent.to_string()).bind(pending)).await? == 0 {
        return Err(rejection::totp_enabled());
    }
    succeeded(tx, &counted).await?;
    Ok(audit::append(tx, record).await?)
}

async fn confirm(
    tx: &mut Tx,
    command: Command,
    pending: String,
    step: i64,
    hashes: Vec<String>,
) -> Result<(), AgentAuthError> {
    const CONFIRM: &str = "UPDATE agent SET totp_secret = totp_pending, totp_pending = NULL, totp_step = $3
        WHERE id = $1 AND totp_pending = $2 AND totp_secret IS NULL";
    const FORGET: &str = "DELETE FROM recovery_code WHERE agent_id = $1";
    const ADD: &str = "INSERT INTO recovery_code (agent_id, hash) VALUES ($1, $2)";
    let Command { agent, counted, record, now } = command;
    let id = agent.to_string();
    if tx.execute(sql(CONFIRM).bind(id.as_str()).bind(pending).bind(step)).await? == 0 {
        return Err(rejection::account_changed());
    }
    changed(tx, agent, now).await?;
    tx.execute(sql(FORGET).bind(id.as_str())).await?;
    for hash in hashes {
        tx.execute(sql(ADD).bind(id.as_str()).bind(hash)).await?;
    }
    succeeded(tx, &counted).await?;
    Ok(audit::append(tx, record).await?)
}

async fn disable(tx: &mut Tx, command: Command, factor: Factor) -> Result<(), AgentAuthError> {
    let Command { agent: id, counted, record, now } = command;
    let agent = lock_agent(tx, id).await?.ok_or_else(rejection::agent_not_found)?;
    if agent.totp_secret.is_none() {
        return Err(rejection::totp_not_enabled());
    }
    use_factor(tx, &agent, id, &factor, now).await?;
    remove(tx, id, now).await?;
    succeeded(tx, &counted).await?;
    Ok(audit::append(tx, record).await?)
}

/// Removes the second factor of an account, with its recovery codes.
///
/// # Errors
/// [`AgentAuthError::Db`].
pub(crate) async fn remove(tx: &mut Tx, agent: AgentId, now: Timestamp) -> Result<(), AgentAuthError> {
    const REMOVE: &str =
        "UPDATE agent SET totp_secret = NULL, totp_pending = NULL, totp_step = 0 WHERE id = $1";
    const FORGET: &str = "DELETE FROM recovery_code WHERE agent_id = $1";
    tx.execute(sql(REMOVE).bind(agent.to_string())).await?;
    tx.execute(sql(FORGET).bind(agent.to_string())).await?;
    Ok(changed(tx, agent, now).await?)
}

/// What is kept of a recovery code: of its letters and digits, however they are grouped and written.
pub(super) fn recovery_hash(agent: &str, code: &str) -> String {
    let code: String = code.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    secret::fingerprint(&format!("recovery\n{agent}\n{code}"))
}
