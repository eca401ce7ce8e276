//! Changing one's password.

use super::{Logins, caller};
use crate::{
    AgentAuthError,
    password::composed,
    permissions::permissions_in,
    rejection,
    revocation::revoke_logins,
    secret,
    store::{
        accounts::lock_agent,
        logins::{self, Granted, Lives},
        throttle::{Counted, succeeded},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::time::Duration;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, audit, audit::NewRecord, sql};
use switchboard_domain::{AgentId, LoginId, Timestamp};
use switchboard_proto::{
    agentauth::v1::{ChangePasswordRequest, LogInResponse},
    convert::WireError,
};

/// Everything that changing a password writes.
struct Changing {
    agent: AgentId,
    login: LoginId,
    compared: String,
    hash: SecretString,
    token: SecretString,
    counted: Counted,
    record: NewRecord,
    now: Timestamp,
    lives: Lives,
    keep: Duration,
}

impl Logins {
    pub(crate) async fn change_password(
        &self,
        request: ChangePasswordRequest,
    ) -> Result<LogInResponse, AgentAuthError> {
        let id = caller()?;
        if request.login.is_empty() {
            return Err(rejection::login_ended());
        }
        let login = LoginId::parse(&request.login).map_err(|_| WireError::new("login"))?;
        let agent = self.me().await?;
        let (old, new): (SecretString, SecretString) =
            (request.old_password.into(), request.new_password.into());
        let counted = self.prove(&agent, old.clone(), rejection::old_password_incorrect).await?;
        let about = vec![agent.username.clone(), agent.display_name.clone()];
        if let Err(error) = self.hasher.judge(new.clone(), about).await {
            return Err(self.unheard(counted, error).await);
        }
        if composed(&old).expose_secret() == composed(&new).expose_secret() {
            return Err(self.unheard(counted, rejection::password_same()).await);
        }
        let hash = match self.hasher.hash(new).await {
            Ok(hash) => hash,
            Err(error) => return Err(self.unheard(counted, error).await),
        };
        let object = format!("agent:{id}");
        let changing = Changing {
            agent: id,
            login,
            compared: agent.password_hash,
            hash,
            token: secret::refresh_token(&*self.rng),
            counted,
            record: record(&*self.clock, "agent.change_password", &object, None, None, &json!({})),
            now: self.clock.now(),
            lives: self.lives(),
            keep: self.settings.revocation_keep(),
        };
        let changed =
            self.store.db.transaction(move |tx| Box::pin(async move { change(tx, changing).await })).await?;
        self.answer(&changed)
    }
}

async fn change(tx: &mut Tx, changing: Changing) -> Result<Granted, AgentAuthError> {
    const CHANGE: &str =
        "UPDATE agent SET password_hash = $2, password_changed_at = $3, must_change_password = 0,
        updated_at = $3, version = version + 1
        WHERE id = $1 AND password_hash = $4 AND disabled_at IS NULL AND deleted_at IS NULL";
    let Changing { agent: id, now, .. } = changing;
    let change = sql(CHANGE)
        .bind(id.to_string())
        .bind(changing.hash.expose_secret())
        .bind(now.millis())
        .bind(changing.compared);
    if tx.execute(change).await? == 0 {
        return Err(rejection::account_changed());
    }
    let login = logins::lock(tx, &changing.login.to_string()).await?;
    let login = login
        .filter(|login| login.agent_id == id.to_string() && login.is_open(now))
        .ok_or_else(rejection::login_ended)?;
    revoke_logins(tx, id, now, changing.keep).await?;
    let refreshing = logins::go_on(tx, &login, changing.token, now, changing.lives).await?;
    let agent = lock_agent(tx, id).await?.ok_or_else(rejection::agent_not_found)?;
    let role = permissions_in(tx, &agent.role).await?;
    succeeded(tx, &changing.counted).await?;
    audit::append(tx, changing.record).await?;
    let amr = login.amr()?;
    Ok(Granted { agent, login: login.id, amr, role, refreshing })
}
