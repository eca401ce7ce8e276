//! One's own account: profile, logins.

use super::{Logins, caller};
use crate::{
    AgentAuthError,
    accounts::fields,
    permissions::{names, permissions_of},
    rejection, roster,
    store::accounts::{agent_in, changed, lock_agent},
};
use serde_json::json;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, audit, audit::NewRecord, sql};
use switchboard_domain::{AgentId, Timestamp, limits::PAGE_MAX};
use switchboard_proto::agentauth::v1::{
    AgentResponse, ListLoginsResponse, UpdateMeRequest, list_logins_response::Login,
};

/// A change of one's own account.
struct Change {
    name: Option<String>,
    avatar_url: Option<String>,
}

impl Logins {
    pub(crate) async fn get_me(&self) -> Result<AgentResponse, AgentAuthError> {
        let agent = self.me().await?;
        let role = permissions_of(&self.store.db, &agent.role).await?;
        Ok(AgentResponse { agent: Some(agent.told()?), permissions: names(agent.may(role)) })
    }

    pub(crate) async fn update_me(&self, request: UpdateMeRequest) -> Result<AgentResponse, AgentAuthError> {
        let (id, now) = (caller()?, self.clock.now());
        if request.name.is_none() && request.avatar_url.is_none() {
            return Err(rejection::no_fields());
        }
        let change = Change {
            name: request.name.map(|text| fields::name(&text)).transpose()?,
            avatar_url: request.avatar_url.map(|text| fields::avatar_url(&text)).transpose()?,
        };
        let detail = json!({ "name": change.name, "avatar_url": change.avatar_url });
        let record = record(&*self.clock, "agent.update", &format!("agent:{id}"), None, None, &detail);
        self.store.db.transaction(move |tx| Box::pin(update(tx, id, change, now, record))).await?;
        self.presence.changed();
        self.get_me().await
    }

    pub(crate) async fn list_logins(&self) -> Result<ListLoginsResponse, AgentAuthError> {
        let limit = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
        let idle = self.settings.refresh_idle;
        let logins = self.store.logins(caller()?, self.clock.now(), idle, limit).await?;
        let logins = logins.into_iter().map(|login| Login {
            id: login.id,
            device_id: login.device_id,
            user_agent: login.user_agent,
            ip: login.ip,
            created_at_ms: login.created_at,
            last_used_at_ms: login.last_used_at,
        });
        Ok(ListLoginsResponse { logins: logins.collect() })
    }
}

async fn update(
    tx: &mut Tx,
    id: AgentId,
    change: Change,
    now: Timestamp,
    record: NewRecord,
) -> Result<(), AgentAuthError> {
    const UPDATE: &str = "UPDATE agent SET display_name = $2, avatar_url = $3 WHERE id = $1";
    let before = lock_agent(tx, id).await?.ok_or_else(rejection::agent_not_found)?;
    let update = sql(UPDATE)
        .bind(id.to_string())
        .bind(change.name.as_deref().unwrap_or(&before.display_name))
        .bind(change.avatar_url.as_deref().unwrap_or(&before.avatar_url));
    tx.execute(update).await?;
    changed(tx, id, now).await?;
    roster::bump(tx, &id.to_string(), now).await?;
    let after = agent_in(tx, id).await?.ok_or_else(rejection::agent_not_found)?;
    let digest =
        |name: &str, url: &str| audit::digest(&json!({ "name": name, "avatar_url": url }).to_string());
    let record = NewRecord {
        before_digest: digest(&before.display_name, &before.avatar_url),
        after_digest: digest(&after.display_name, &after.avatar_url),
        ..record
    };
    Ok(audit::append(tx, record).await?)
}
