//! One's own account: profile, logins.

use super::{Logins, caller};
use crate::{
    AgentAuthError,
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
use unicode_normalization::UnicodeNormalization as _;

/// Longest display name, in characters.
const NAME_MAX: usize = 50;
/// Longest address of a picture, in characters.
const AVATAR_MAX: usize = 2000;

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
            name: request.name.map(|name| display_name(&name)).transpose()?,
            avatar_url: request.avatar_url.map(avatar_url).transpose()?,
        };
        let detail = json!({ "name": change.name, "avatar_url": change.avatar_url });
        let record = record(&*self.clock, "agent.updated", &format!("agent:{id}"), None, None, &detail);
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

/// Trims and checks the name that others see.
///
/// # Errors
/// `INVALID_FIELD`.
pub(crate) fn display_name(text: &str) -> Result<String, AgentAuthError> {
    let name: String = text.trim().nfc().collect();
    let fits = (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(name) } else { Err(rejection::invalid_field("name", "1 to 50 characters")) }
}

/// Checks the address of a picture; the empty text removes it.
///
/// # Errors
/// `INVALID_FIELD`.
pub(crate) fn avatar_url(text: String) -> Result<String, AgentAuthError> {
    let host = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    let is_printable =
        text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '<' | '>' | '\\'));
    let is_address = host.is_some_and(|host| !host.is_empty() && !host.contains('@'));
    if text.is_empty() || (is_address && is_printable && text.len() <= AVATAR_MAX) {
        Ok(text)
    } else {
        Err(rejection::invalid_field("avatar_url", "an https address, or empty"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pictures_are_checked() {
        assert_eq!(display_name("  客服小王 ").unwrap(), "客服小王");
        for bad in ["", "  ", "a\nb", &"x".repeat(51)] {
            assert!(display_name(bad).is_err(), "{bad:?}");
        }
        for good in ["", "https://cdn.example/a.png?x=1#y", "https://1.2.3.4:8443/"] {
            assert_eq!(avatar_url(good.into()).unwrap(), good);
        }
        for bad in [
            "http://a/b",
            "https://",
            "https:///x",
            "javascript:alert(1)",
            "https://a b",
            "https://u@h/",
            "x",
        ] {
            assert!(avatar_url(bad.into()).is_err(), "{bad}");
        }
    }
}
