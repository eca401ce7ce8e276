//! Refreshing, and ending logins.

use super::{Logins, caller, opening::DEVICE_MAX};
use crate::{
    AgentAuthError,
    permissions::permissions_in,
    presence, rejection,
    revocation::{self, revoke_login, revoke_logins},
    secret,
    store::{
        accounts::{agent_in, lock_agent},
        logins::{self, Granted, Lives, Rotation},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::time::Duration;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, audit, audit::NewRecord, sql};
use switchboard_domain::{AgentId, LoginId, Timestamp};
use switchboard_proto::{
    agentauth::v1::{LogInResponse, LogOutRequest, LogOutResponse, RefreshRequest},
    convert::WireError,
};

/// What a refresh came to. A reused token is no error inside: the end of its login has to be stored.
enum Outcome {
    Granted(Box<Granted>),
    Reused,
}

/// One refresh.
struct Refreshing {
    token: SecretString,
    device_id: String,
    /// Appended if the token was used before.
    reuse: NewRecord,
    now: Timestamp,
    lives: Lives,
    keep: Duration,
}

impl Logins {
    pub(crate) async fn refresh(&self, request: RefreshRequest) -> Result<LogInResponse, AgentAuthError> {
        text_within(&request.device_id, DEVICE_MAX, "device_id")?;
        let token: SecretString = request.refresh_token.into();
        if !secret::is_refresh_token(token.expose_secret()) {
            return Err(rejection::invalid_refresh_token());
        }
        let refreshing = Refreshing {
            token,
            device_id: request.device_id,
            reuse: record(&*self.clock, "login.detect_reuse", "", None, None, &json!({})),
            now: self.clock.now(),
            lives: self.lives(),
            keep: self.settings.revocation_keep(),
        };
        let outcome = self
            .store
            .db
            .transaction(move |tx| Box::pin(async move { refresh(tx, refreshing).await }))
            .await?;
        match outcome {
            Outcome::Granted(granted) => self.answer(&granted),
            Outcome::Reused => {
                metrics::counter!("switchboard_agent_auth_refresh_reuses_total").increment(1);
                Err(rejection::refresh_token_reused())
            }
        }
    }

    pub(crate) async fn log_out(&self, request: LogOutRequest) -> Result<LogOutResponse, AgentAuthError> {
        let (agent, now, keep) = (caller()?, self.clock.now(), self.settings.revocation_keep());
        let object = format!("agent:{agent}");
        if request.everywhere {
            let record = record(&*self.clock, "login.end_all", &object, None, None, &json!({}));
            self.store
                .db
                .transaction::<_, AgentAuthError, _>(move |tx| {
                    Box::pin(async move {
                        // Lines of the roster come before heads of the logs.
                        presence::leave(tx, &agent.to_string(), now).await?;
                        revoke_logins(tx, agent, now, keep).await?;
                        Ok(audit::append(tx, record).await?)
                    })
                })
                .await?;
        } else if !request.login.is_empty() {
            let login = LoginId::parse(&request.login).map_err(|_| WireError::new("login"))?;
            let detail = json!({ "login": login.to_string() });
            let record = record(&*self.clock, "login.end", &object, None, None, &detail);
            let ending = Ending { agent, login, now, idle: self.settings.refresh_idle, keep, record };
            self.store.db.transaction(move |tx| Box::pin(end_login(tx, ending))).await?;
        }
        self.presence.changed();
        Ok(LogOutResponse {})
    }
}

/// The end of one login.
struct Ending {
    agent: AgentId,
    login: LoginId,
    now: Timestamp,
    idle: Duration,
    keep: Duration,
    record: NewRecord,
}

async fn end_login(tx: &mut Tx, ending: Ending) -> Result<(), AgentAuthError> {
    let Ending { agent, login, now, idle, keep, record } = ending;
    lock_agent(tx, agent).await?;
    if revocation::end_login(tx, agent, login, now).await? {
        // Lines of the roster come before heads of the logs.
        presence::leave_if_logged_out(tx, &agent.to_string(), now, idle).await?;
        revocation::note_login(tx, login, now, keep).await?;
        audit::append(tx, record).await?;
    }
    Ok(())
}

async fn refresh(tx: &mut Tx, refreshing: Refreshing) -> Result<Outcome, AgentAuthError> {
    const FAMILY: &str = "SELECT login_id FROM refresh_token WHERE hash = $1";
    let Refreshing { token, device_id, reuse, now, lives, keep } = refreshing;
    let hash = secret::fingerprint(token.expose_secret());
    let family: Option<(String,)> = tx.fetch_optional(sql(FAMILY).bind(hash)).await?;
    let Some((family,)) = family else { return Err(rejection::invalid_refresh_token()) };
    // Those who refresh at once come one after the other.
    let login = logins::lock(tx, &family).await?;
    let is_from_here = |bound: &str| bound.is_empty() || secret::is_same(bound, &device_id);
    let Some(login) = login.filter(|login| login.is_open(now) && is_from_here(&login.device_id)) else {
        return Err(rejection::invalid_refresh_token());
    };
    let stored = AgentAuthError::Stored { what: "a login" };
    let Ok(id) = AgentId::parse(&login.agent_id) else { return Err(stored) };
    let agent = agent_in(tx, id).await?.filter(|agent| agent.disabled_at.is_none());
    let agent = agent.ok_or_else(rejection::invalid_refresh_token)?;
    let refreshing = match logins::rotate(tx, &login, &token, now, lives).await? {
        Rotation::Next(refreshing) | Rotation::Again(refreshing) => refreshing,
        Rotation::Expired => return Err(rejection::invalid_refresh_token()),
        Rotation::Reused => {
            let Ok(family) = LoginId::parse(&login.id) else { return Err(stored) };
            revoke_login(tx, id, family, now, keep).await?;
            let detail = json!({ "login": login.id }).to_string();
            audit::append(tx, NewRecord { object: format!("agent:{id}"), detail, ..reuse }).await?;
            return Ok(Outcome::Reused);
        }
    };
    let role = permissions_in(tx, &agent.role).await?;
    let amr = login.amr()?;
    Ok(Outcome::Granted(Box::new(Granted { agent, login: login.id, amr, role, refreshing })))
}

/// Refuses a field that is too long.
pub(super) fn text_within(text: &str, max: usize, field: &'static str) -> Result<(), AgentAuthError> {
    // Characters have at most four bytes: what is far too long is not counted.
    let fits = text.len() <= max.saturating_mul(4) && text.chars().count() <= max;
    if fits { Ok(()) } else { Err(WireError::new(field).into()) }
}
