//! API keys: given out, listed, revoked.
//!
//! The text of a key is told once, and again to a repeat of the same call (`api_keys.rs` makes and checks it); a hash of its secret is stored, and its first
//! characters, to recognise it by.

use crate::{
    AgentAuthError,
    accounts::{
        Accounts,
        guard::{permitted, within},
    },
    api_keys,
    denial::{self, Caller, invalid},
    permissions::{names, stored},
    repeatable::{self, Repeatable},
    revocation::revoke_api_key,
    roles::parsed,
    secret,
    store::accounts::lock_agent,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;
use switchboard_boot::audit::record;
use switchboard_db::{Statement, Tx, audit, sql};
use switchboard_domain::{ApiKeyId, Failure, Permission, Permissions, Timestamp};
use switchboard_proto::agentauth::v1::{
    ApiKey, ApiKeyResponse, CreateApiKeyRequest, CreateApiKeyResponse, ListApiKeysResponse,
};

/// Longest name, in characters.
const NAME_MAX: usize = 100;
/// Most keys of one account that are not revoked.
const KEYS_MAX: i64 = 50;
/// Most keys of one list.
const LIST_MAX: i64 = 1000;
/// How long a repeat of the call that made a key is told its text again.
const REPEATED_FOR: Duration = Duration::from_hours(24);
/// Characters of a key that are shown: what is public of it, and the first four of the secret.
const HINT: usize = 41;

/// A row of `api_key`.
#[derive(Debug, Clone, sqlx::FromRow)]
struct KeyRow {
    id: String,
    agent_id: String,
    name: String,
    hint: String,
    permissions: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

/// A key as it is asked for, and what is kept of its text.
#[derive(Debug, Clone, Default)]
struct NewKey {
    name: String,
    permissions: Permissions,
    expires_at: Option<i64>,
    hint: String,
    secret_hash: String,
    made: Option<Made>,
}

/// How a key was made by a call that may be repeated.
#[derive(Debug, Clone)]
struct Made {
    by: Repeatable,
    /// The secret is derived from it and the idempotency key.
    salt: SecretString,
}

impl Accounts {
    /// The caller's keys; with `keys.manage` everybody's. Newest first.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn api_keys(&self, caller: Caller) -> Result<ListApiKeysResponse, AgentAuthError> {
        const LIST: &str =
            "SELECT id, agent_id, name, hint, permissions, created_at, expires_at, last_used_at,
            revoked_at FROM api_key WHERE agent_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2";
        const LIST_ALL: &str = "SELECT id, agent_id, name, hint, permissions, created_at, expires_at,
            last_used_at, revoked_at FROM api_key ORDER BY created_at DESC, id DESC LIMIT $1";
        let list = if caller.may(Permission::KeysManage) {
            sql(LIST_ALL).bind(LIST_MAX)
        } else {
            sql(LIST).bind(caller.id.to_string()).bind(LIST_MAX)
        };
        let rows: Vec<KeyRow> = self.store.db.fetch_all(list).await?;
        Ok(ListApiKeysResponse { keys: rows.into_iter().map(KeyRow::told).collect::<Result<_, _>>()? })
    }

    /// Makes a key for the caller's account within what he may do, once for each idempotency key: for [`REPEATED_FOR`] a
    /// repeat is told the same text again.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `IDEMPOTENCY_MISMATCH`, `UNKNOWN_PERMISSION`, `PERMISSION_ESCALATION`, `TOO_MANY_API_KEYS`; [`AgentAuthError::Db`] or
    /// [`AgentAuthError::Stored`].
    pub(crate) async fn create_api_key(
        &self,
        caller: Caller,
        request: CreateApiKeyRequest,
    ) -> Result<CreateApiKeyResponse, AgentAuthError> {
        let now = self.clock.now();
        let id = ApiKeyId::mint(&*self.clock, &*self.rng);
        let salt = secret::random(&*self.rng);
        let made = repeatable::read(request.idempotency.clone())?.map(|by| Made { by, salt });
        let secret = made.as_ref().map_or_else(|| secret::random(&*self.rng), Made::secret);
        let (told, hash) = api_keys::make(id, &secret);
        let hint: String = told.expose_secret().chars().take(HINT).collect();
        let new = NewKey { hint, secret_hash: hash, made, ..NewKey::read(&request, now)? };
        let detail = json!({"name": new.name, "permissions": names(new.permissions)});
        let record = record(&*self.clock, "api_key.create", &object(id), None, None, &detail);
        let (row, told) = self
            .store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    // His row is locked, so that the count of his keys stays true, and of two equal calls one is first.
                    lock_agent(tx, caller.id).await?.ok_or_else(denial::agent_not_found)?;
                    within(permitted(tx, caller).await?, new.permissions)?;
                    if let Some(made) = &new.made
                        && let Some(before) = made_before(tx, caller, &made.by, now).await?
                    {
                        return Ok(before);
                    }
                    add(tx, caller, id, &new, now).await?;
                    let row = find(tx, id).await?.ok_or_else(denial::key_not_found)?;
                    append(tx, record, None, &row).await?;
                    Ok::<_, AgentAuthError>((row, told))
                })
            })
            .await?;
        Ok(CreateApiKeyResponse { key: Some(row.told()?), secret: told.expose_secret().to_owned() })
    }

    /// Revokes a key: the caller's own, or with `keys.manage` anybody's. One that is revoked already stays as it is.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`; [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn revoke_api_key(
        &self,
        caller: Caller,
        key: &str,
    ) -> Result<ApiKeyResponse, AgentAuthError> {
        const REVOKE: &str = "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        let id = ApiKeyId::parse(key).map_err(|_| denial::key_not_found())?;
        let (now, keep) = (self.clock.now(), self.revocation_keep);
        let record = record(&*self.clock, "api_key.revoke", &object(id), None, None, &json!({}));
        let row = self
            .store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let before = find(tx, id).await?.ok_or_else(denial::key_not_found)?;
                    let is_own = before.agent_id == caller.id.to_string();
                    if !is_own && !permitted(tx, caller).await?.contains(Permission::KeysManage) {
                        return Err(AgentAuthError::from(denial::key_not_found()));
                    }
                    if tx.execute(sql(REVOKE).bind(id.to_string()).bind(now.millis())).await? == 0 {
                        return Ok(before);
                    }
                    revoke_api_key(tx, id, now, keep).await?;
                    let after = find(tx, id).await?.ok_or_else(denial::key_not_found)?;
                    append(tx, record, Some(&before), &after).await?;
                    Ok(after)
                })
            })
            .await?;
        Ok(ApiKeyResponse { key: Some(row.told()?) })
    }
}

impl NewKey {
    fn read(request: &CreateApiKeyRequest, now: Timestamp) -> Result<Self, Failure> {
        let name = request.name.trim().to_owned();
        if !(1..=NAME_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(invalid("name", "1 to 100 characters"));
        }
        if request.permissions.is_empty() {
            return Err(invalid("permissions", "at least one permission"));
        }
        let permissions = parsed(&request.permissions)?;
        if request.expires_at_ms.is_some_and(|at| at <= now.millis()) {
            return Err(invalid("expires_at_ms", "in the future"));
        }
        Ok(Self { name, permissions, expires_at: request.expires_at_ms, ..Self::default() })
    }
}

impl Made {
    fn secret(&self) -> SecretString {
        secret::derived(&self.salt, &self.by.key)
    }

    /// What is kept of the idempotency key: whoever reads the table cannot derive the secret.
    fn digest(by: &Repeatable) -> String {
        audit::digest(&by.key)
    }
}

impl KeyRow {
    fn told(self) -> Result<ApiKey, AgentAuthError> {
        Ok(ApiKey {
            permissions: names(stored(&self.permissions)?),
            id: self.id,
            name: self.name,
            hint: self.hint,
            agent_id: self.agent_id,
            created_at_ms: self.created_at,
            expires_at_ms: self.expires_at,
            last_used_at_ms: self.last_used_at,
            revoked_at_ms: self.revoked_at,
        })
    }

    fn face(&self) -> Value {
        json!({
            "id": self.id,
            "agent": self.agent_id,
            "name": self.name,
            "hint": self.hint,
            "permissions": self.permissions,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
        })
    }
}

async fn find(tx: &mut Tx, id: ApiKeyId) -> Result<Option<KeyRow>, AgentAuthError> {
    const FIND: &str = "SELECT id, agent_id, name, hint, permissions, created_at, expires_at, last_used_at,
        revoked_at FROM api_key WHERE id = $1";
    Ok(tx.fetch_optional(sql(FIND).bind(id.to_string())).await?)
}

async fn add(
    tx: &mut Tx,
    caller: Caller,
    id: ApiKeyId,
    new: &NewKey,
    now: Timestamp,
) -> Result<(), AgentAuthError> {
    const COUNT: &str = "SELECT COUNT(*) FROM api_key WHERE agent_id = $1 AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > $2)";
    const ADD: &str = "INSERT INTO api_key (id, agent_id, name, hint, secret_hash, permissions, created_at,
        expires_at, made_key, made_fingerprint, made_salt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let count = sql(COUNT).bind(caller.id.to_string()).bind(now.millis());
    let (count,) = tx.fetch_one::<(i64,)>(count).await?;
    if count >= KEYS_MAX {
        return Err(denial::too_many_keys(KEYS_MAX).into());
    }
    let add = sql(ADD)
        .bind(id.to_string())
        .bind(caller.id.to_string())
        .bind(new.name.as_str())
        .bind(new.hint.as_str())
        .bind(new.secret_hash.as_str())
        .bind(json!(names(new.permissions)).to_string())
        .bind(now.millis())
        .bind(new.expires_at)
        .bind(new.made.as_ref().map(|made| Made::digest(&made.by)))
        .bind(new.made.as_ref().map(|made| made.by.fingerprint.clone()))
        .bind(new.made.as_ref().map(|made| made.salt.expose_secret().to_owned()));
    tx.execute(add).await?;
    Ok(())
}

/// The key that an earlier call made, and its text once more. What is too old is forgotten.
async fn made_before(
    tx: &mut Tx,
    caller: Caller,
    by: &Repeatable,
    now: Timestamp,
) -> Result<Option<(KeyRow, SecretString)>, AgentAuthError> {
    const MADE: &str =
        "SELECT id, made_fingerprint, made_salt FROM api_key WHERE agent_id = $1 AND made_key = $2";
    tx.execute(forget(now)).await?;
    let made = sql(MADE).bind(caller.id.to_string()).bind(Made::digest(by));
    let Some((id, said, salt)) = tx.fetch_optional::<(String, String, String)>(made).await? else {
        return Ok(None);
    };
    if said != by.fingerprint {
        return Err(denial::key_reused().into());
    }
    let id = ApiKeyId::parse(&id).map_err(|_| AgentAuthError::Stored { what: "the id of an API key" })?;
    let secret = Made { by: by.clone(), salt: salt.into() }.secret();
    let row = find(tx, id).await?.ok_or_else(denial::key_not_found)?;
    Ok(Some((row, api_keys::make(id, &secret).0)))
}

/// Forgets how keys were made that can no longer be asked for again.
pub(crate) fn forget(now: Timestamp) -> Statement {
    const FORGET: &str = "UPDATE api_key SET made_key = NULL, made_fingerprint = NULL, made_salt = NULL
        WHERE made_key IS NOT NULL AND created_at <= $1";
    let age = i64::try_from(REPEATED_FOR.as_millis()).unwrap_or(i64::MAX);
    sql(FORGET).bind(now.millis().saturating_sub(age))
}

async fn append(
    tx: &mut Tx,
    mut record: audit::NewRecord,
    before: Option<&KeyRow>,
    after: &KeyRow,
) -> Result<(), AgentAuthError> {
    let digest = |row: &KeyRow| audit::digest(&row.face().to_string());
    record.before_digest = before.map(digest).unwrap_or_default();
    record.after_digest = digest(after);
    Ok(audit::append(tx, record).await?)
}

fn object(id: ApiKeyId) -> String {
    format!("api_key:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_rule_is_named() {
        let now = Timestamp::from_millis(1000);
        let request = || CreateApiKeyRequest {
            name: " CRM ".into(),
            permissions: vec!["sessions.read".into()],
            expires_at_ms: Some(1001),
            idempotency: None,
        };
        assert_eq!(NewKey::read(&request(), now).unwrap().name, "CRM");
        for (request, code) in [
            (CreateApiKeyRequest { name: " ".into(), ..request() }, "VALIDATION_ERROR"),
            (CreateApiKeyRequest { name: "x".repeat(101), ..request() }, "VALIDATION_ERROR"),
            (CreateApiKeyRequest { permissions: Vec::new(), ..request() }, "VALIDATION_ERROR"),
            (CreateApiKeyRequest { permissions: vec!["x".into()], ..request() }, "UNKNOWN_PERMISSION"),
            (CreateApiKeyRequest { expires_at_ms: Some(1000), ..request() }, "VALIDATION_ERROR"),
        ] {
            assert_eq!(&*NewKey::read(&request, now).unwrap_err().code, code);
        }
    }
}
