//! Logins, and one's own account: what the calls of `LoginService` do. `service_login.rs` is their gRPC side.

mod opening;
mod own;
mod password;
mod refreshing;
mod second_factor;

pub(crate) use second_factor::remove as remove_totp;

use crate::{
    AgentAuthError,
    account::AgentRow,
    agent_token::{self, Holder},
    config::Settings,
    hashing::Hasher,
    keys::Keys,
    permissions::names,
    presence::Presence,
    rejection,
    store::{
        Store,
        logins::{Granted, Lives},
        throttle::Counted,
    },
    throttle::Subject,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use switchboard_domain::{AgentId, Clock, Rng};
use switchboard_mesh::{CallContext, reply::chain};
use switchboard_proto::agentauth::v1::LogInResponse;

/// See the module. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Logins {
    pub(crate) store: Store,
    pub(crate) keys: Arc<Keys>,
    pub(crate) hasher: Hasher,
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    /// Who logs in is there; who logs out for good is not.
    pub(crate) presence: Presence,
}

impl Logins {
    fn lives(&self) -> Lives {
        Lives {
            idle: self.settings.refresh_idle,
            absolute: self.settings.refresh_absolute,
            grace: self.settings.refresh_grace,
        }
    }

    /// Signs an access token for what was granted.
    fn answer(&self, granted: &Granted) -> Result<LogInResponse, AgentAuthError> {
        let now = self.clock.now();
        let permissions = granted.agent.may(granted.role);
        let holder = Holder { agent: &granted.agent, login: &granted.login, permissions, amr: &granted.amr };
        let (issuer, life) = (&self.settings.issuer, self.settings.access_token_life);
        let key = self.keys.signing()?;
        let access_token = agent_token::sign(issuer, life, holder, &key, now, &*self.rng)?;
        let refreshing = &granted.refreshing;
        Ok(LogInResponse {
            access_token,
            refresh_token: refreshing.token.expose_secret().to_owned(),
            expires_in_ms: millis(life),
            refresh_expires_in_ms: millis(refreshing.login_expires_at.since(now)),
            permissions: names(permissions),
            agent: Some(granted.agent.told()?),
        })
    }

    /// The caller's account.
    async fn me(&self) -> Result<AgentRow, AgentAuthError> {
        self.store.agent(caller()?).await?.ok_or_else(rejection::agent_not_found)
    }

    /// Checks that the caller knows the password of his account; counted and paced like logins.
    ///
    /// # Errors
    /// `wrong` when he does not; `TOO_MANY_ATTEMPTS`, `BUSY`.
    async fn prove(
        &self,
        agent: &AgentRow,
        password: SecretString,
        wrong: fn() -> AgentAuthError,
    ) -> Result<Counted, AgentAuthError> {
        let subject = Subject::own(&self.settings, agent.id()?);
        let counted = self.store.count_attempt(vec![subject], self.clock.now()).await?;
        let verdict = match self.hasher.verify(password, Some(agent.password_hash.as_str().into())).await {
            Ok(verdict) => verdict,
            Err(error) => return Err(self.unheard(counted, error).await),
        };
        if verdict.is_right { Ok(counted) } else { Err(wrong()) }
    }

    /// Takes back an attempt that could not be judged.
    async fn unheard(&self, counted: Counted, error: AgentAuthError) -> AgentAuthError {
        if let Err(error) = self.store.forget_attempt(counted).await {
            tracing::warn!(error = chain(&error), "an attempt stays counted although it was not heard");
        }
        error
    }
}

/// The account that the call is made for.
fn caller() -> Result<AgentId, AgentAuthError> {
    CallContext::current().and_then(|context| context.principal.agent()).ok_or_else(rejection::nobody)
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
