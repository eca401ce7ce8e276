//! Logging in.

use super::{Logins, refreshing::text_within};
use crate::{
    AgentAuthError,
    account::{AgentRow, Username},
    permissions::permissions_in,
    presence, rejection, secret,
    store::{
        accounts::{agent_in, lock_agent},
        logins::{self, Granted, Lives, NewLogin, Refreshing},
        throttle::{Counted, know_device, succeeded},
    },
    throttle::{Subject, device_hash, is_worth_a_record},
    totp,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::time::Duration;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, audit, audit::NewRecord, sql};
use switchboard_domain::{AgentId, LoginId, Timestamp, limits::CLIENT_KEY_STRONG};
use switchboard_mesh::{CallContext, Fail as _, reply::chain};
use switchboard_proto::{
    agentauth::v1::{LogInRequest, LogInResponse},
    convert::WireError,
};

/// Longest device id, in characters.
pub(super) const DEVICE_MAX: usize = 128;
/// Longest username or id that is looked up, in characters.
const NAME_MAX: usize = 128;
/// Longest password that is compared, in bytes: 128 characters of four.
const PASSWORD_MAX: usize = 512;
/// Longest code, in characters.
const CODE_MAX: usize = 64;
/// What is kept of a user agent, in characters.
const USER_AGENT_MAX: usize = 256;

/// What proves who somebody is, beside the password.
#[derive(Debug, Clone)]
pub(super) enum Factor {
    /// There is none.
    None,
    /// The code of a step.
    Step(i64),
    /// The hash of a recovery code.
    Recovery(String),
}

/// Everything that opening a login writes.
struct Opening {
    new: NewLogin,
    first: SecretString,
    factor: Factor,
    /// The hash that the password was compared with, and a new one if that is outdated.
    compared: String,
    rehashed: Option<SecretString>,
    device: Option<String>,
    counted: Counted,
    record: NewRecord,
    now: Timestamp,
    lives: Lives,
    lease: Duration,
}

impl Logins {
    pub(crate) async fn log_in(&self, request: LogInRequest) -> Result<LogInResponse, AgentAuthError> {
        check(&request)?;
        let now = self.clock.now();
        let agent = self.store.agent_named(&request.username).await?;
        let device = device(agent.as_ref(), &request.device_id);
        let subjects = self.subjects(agent.as_ref(), device.as_deref(), &request.username, now).await?;
        let counted = self.store.count_attempt(subjects, now).await?;
        let password: SecretString = request.password.as_str().into();
        let phc = agent.as_ref().map(|agent| agent.password_hash.as_str().into());
        let verdict = match self.hasher.verify(password.clone(), phc).await {
            Ok(verdict) => verdict,
            Err(error) => return Err(self.unheard(counted, error).await),
        };
        let Some(agent) = agent.filter(|_| verdict.is_right) else {
            return Err(self.failed(&counted, None, rejection::invalid_credentials()).await);
        };
        if agent.disabled_at.is_some() {
            return Err(self.failed(&counted, Some(&agent), rejection::account_disabled()).await);
        }
        let factor = match factor(&agent, &request.totp, now) {
            Ok(Some(factor)) => factor,
            Ok(None) => {
                self.store.half_succeeded(counted).await?;
                return Err(rejection::totp_required());
            }
            Err(error) => return Err(self.failed(&counted, Some(&agent), error).await),
        };
        // With no place to hash there is no hurry to do so.
        let rehashed = if verdict.is_outdated { self.hasher.hash(password).await.ok() } else { None };
        let new = self.new_login(agent.id()?, &request, &factor);
        let opening = Opening {
            record: self.login_record(&new),
            new,
            first: secret::refresh_token(&*self.rng),
            factor,
            compared: agent.password_hash.clone(),
            rehashed,
            device,
            counted: counted.clone(),
            now,
            lives: self.lives(),
            lease: self.presence.lease(),
        };
        let opened =
            self.store.db.transaction(move |tx| Box::pin(async move { open(tx, opening).await })).await;
        match opened {
            Ok(granted) => {
                self.presence.changed();
                metrics::counter!("switchboard_agent_auth_logins_total").increment(1);
                self.answer(&granted)
            }
            // The code was used meanwhile, or the password changed.
            Err(error @ AgentAuthError::Refused(_)) => Err(self.failed(&counted, Some(&agent), error).await),
            Err(error) => Err(error),
        }
    }

    fn new_login(&self, agent: AgentId, request: &LogInRequest, factor: &Factor) -> NewLogin {
        let address = CallContext::current().and_then(|context| context.client);
        NewLogin {
            id: LoginId::mint(&*self.clock, &*self.rng),
            agent,
            family_key: secret::random(&*self.rng),
            device_id: request.device_id.clone(),
            user_agent: request.user_agent.chars().take(USER_AGENT_MAX).collect(),
            ip: address.map(|address| address.to_string()).unwrap_or_default(),
            amr: amr(factor),
        }
    }

    async fn subjects(
        &self,
        agent: Option<&AgentRow>,
        device: Option<&str>,
        username: &str,
        now: Timestamp,
    ) -> Result<Vec<Subject>, AgentAuthError> {
        let name = match agent {
            Some(agent) => agent.id.clone(),
            None => Username::parse(username).map_or_else(|| username.to_owned(), |name| name.key()),
        };
        // Asked for unknown names too: the answer takes as long.
        if let Some(device) = device
            && self.store.knows_device(&name, device, now, self.settings.device_memory).await?
        {
            return Ok(vec![Subject::device(&self.settings, device)]);
        }
        let address = CallContext::current().and_then(|context| context.client);
        let address = address.map(|address| Subject::address(&self.settings, address));
        Ok([Subject::account(&self.settings, &name)].into_iter().chain(address).collect())
    }

    /// Counts and records a failed login; gives `error` back.
    async fn failed(
        &self,
        counted: &Counted,
        agent: Option<&AgentRow>,
        error: AgentAuthError,
    ) -> AgentAuthError {
        metrics::counter!("switchboard_agent_auth_login_failures_total").increment(1);
        if is_worth_a_record(counted.failures) {
            let code = error.failure().code;
            // A name that nobody has may be a password in the wrong field: it is not written down.
            let object = agent.map(|agent| format!("agent:{}", agent.id)).unwrap_or_default();
            let detail = json!({ "code": code, "failures": counted.failures });
            let record = record(&*self.clock, "login.fail", &object, None, None, &detail);
            let appended = self
                .store
                .db
                .transaction(move |tx| Box::pin(async move { audit::append(tx, record).await }))
                .await;
            if let Err(error) = appended {
                tracing::warn!(error = chain(&error), "a failed login could not be recorded");
            }
        }
        error
    }

    fn login_record(&self, new: &NewLogin) -> NewRecord {
        let detail = json!({ "login": new.id.to_string(), "amr": new.amr });
        let actor = format!("agent:{}", new.agent);
        NewRecord { actor: actor.clone(), ..record(&*self.clock, "login.open", &actor, None, None, &detail) }
    }
}

async fn open(tx: &mut Tx, opening: Opening) -> Result<Granted, AgentAuthError> {
    const LOG_IN: &str = "UPDATE agent SET last_login_at = $2, password_hash = $3, version = version + 1
        WHERE id = $1 AND password_hash = $4 AND disabled_at IS NULL AND deleted_at IS NULL";
    let Opening { new, now, .. } = opening;
    let hash = opening.rehashed.as_ref().map_or(opening.compared.as_str(), |hash| hash.expose_secret());
    let log_in = sql(LOG_IN).bind(new.agent.to_string()).bind(now.millis()).bind(hash);
    if tx.execute(log_in.bind(opening.compared.as_str())).await? == 0 {
        return Err(rejection::invalid_credentials());
    }
    let mut agent = lock_agent(tx, new.agent).await?.ok_or_else(rejection::invalid_credentials)?;
    use_factor(tx, &agent, new.agent, &opening.factor, now).await?;
    let role = permissions_in(tx, &agent.role).await?;
    if presence::arrive(tx, &agent.id, agent.may(role), now, opening.lease).await? {
        agent = agent_in(tx, new.agent).await?.ok_or_else(rejection::invalid_credentials)?;
    }
    let refreshing: Refreshing = logins::open(tx, &new, opening.first, now, opening.lives).await?;
    if let Some(device) = &opening.device {
        know_device(tx, &agent.id, device, now).await?;
    }
    succeeded(tx, &opening.counted).await?;
    audit::append(tx, opening.record).await?;
    Ok(Granted { agent, login: new.id.to_string(), amr: new.amr, role, refreshing })
}

/// Uses up the second factor that was given; refuses when one was enrolled since.
pub(super) async fn use_factor(
    tx: &mut Tx,
    agent: &AgentRow,
    id: AgentId,
    factor: &Factor,
    now: Timestamp,
) -> Result<(), AgentAuthError> {
    match factor {
        Factor::None if agent.totp_secret.is_some() => Err(rejection::totp_required()),
        Factor::None => Ok(()),
        Factor::Step(step) => logins::use_step(tx, id, *step).await,
        Factor::Recovery(hash) => logins::use_recovery_code(tx, id, hash, now).await,
    }
}

/// What was given as second factor; `None` when one is needed and nothing was given.
pub(super) fn factor(agent: &AgentRow, code: &str, now: Timestamp) -> Result<Option<Factor>, AgentAuthError> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    match &agent.totp_secret {
        None => Ok(Some(Factor::None)),
        Some(_) if code.is_empty() => Ok(None),
        Some(secret) if totp::is_code(&code) => {
            let step = totp::matching_step(secret, &code, agent.totp_step, now);
            step.map(|step| Some(Factor::Step(step))).ok_or_else(rejection::invalid_totp)
        }
        Some(_) => Ok(Some(Factor::Recovery(super::second_factor::recovery_hash(&agent.id, &code)))),
    }
}

/// The device as it is remembered. A name that anybody could guess means nothing.
fn device(agent: Option<&AgentRow>, device_id: &str) -> Option<String> {
    let owner = agent.map_or("", |agent| agent.id.as_str());
    (device_id.len() >= CLIENT_KEY_STRONG).then(|| device_hash(owner, device_id))
}

fn amr(factor: &Factor) -> Vec<String> {
    let names: &[&str] = match factor {
        Factor::None => &["pwd"],
        Factor::Step(_) | Factor::Recovery(_) => &["pwd", "otp"],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn check(request: &LogInRequest) -> Result<(), AgentAuthError> {
    text_within(&request.username, NAME_MAX, "username")?;
    text_within(&request.totp, CODE_MAX, "totp")?;
    text_within(&request.device_id, DEVICE_MAX, "device_id")?;
    if request.password.len() > PASSWORD_MAX {
        return Err(WireError::new("password").into());
    }
    Ok(())
}
