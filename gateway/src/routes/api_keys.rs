//! API keys: programs that act for an account.

use super::{
    access::{Access, Group},
    roles::check_permissions,
};
use crate::{
    error::{Failures, Problem},
    extract::{Json, Key, NamePath},
    identity::Agent,
    limits::Class,
    opening::idempotency,
    state::App,
    view::{from_seconds, time},
};
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use switchboard_domain::{Permission, Timestamp};
use switchboard_proto::{
    agentauth::v1::{ApiKey, CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest},
    convert::WireError,
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// An API key, without what it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyView {
    id: String,
    name: String,
    /// The first characters, to recognise it by.
    hint: String,
    agent_id: String,
    permissions: Vec<String>,
    created_at: f64,
    expires_at: Option<f64>,
    last_used_at: Option<f64>,
    revoked_at: Option<f64>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            hint: key.hint,
            agent_id: key.agent_id,
            permissions: key.permissions,
            created_at: time(key.created_at_ms),
            expires_at: key.expires_at_ms.map(time),
            last_used_at: key.last_used_at_ms.map(time),
            revoked_at: key.revoked_at_ms.map(time),
        }
    }
}

/// API keys: one's own, or with `keys.manage` everybody's.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeysReply {
    success: bool,
    data: ApiKeys,
}

/// The inside of [`ApiKeysReply`].
#[derive(Debug, Serialize, ToSchema)]
struct ApiKeys {
    items: Vec<ApiKeyView>,
    total: usize,
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewApiKey {
    /// 1 to 100 characters.
    name: String,
    /// Within what one may do oneself.
    permissions: Vec<String>,
    /// Seconds since the Unix epoch; absent: never.
    expires_at: Option<f64>,
}

/// A new API key.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewApiKeyReply {
    success: bool,
    /// Told once.
    key: String,
    api_key: ApiKeyView,
}

/// An API key after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyReply {
    success: bool,
    api_key: ApiKeyView,
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let own = Access::Agent(Permission::AccountSelf);
    let reads = Group::new(app).route(own, routes!(list));
    let writes = Group::new(app).route(own, routes!(revoke));
    let secrets = Group::new(app).route(own, routes!(create));
    reads
        .within(quick)
        .drawing(Class::Read)
        .merge(writes.within(quick).drawing(Class::Write))
        .merge(secrets.within(quick).drawing(Class::Auth))
        .identified()
}

/// Lists API keys.
#[utoipa::path(
    get, path = "/api-keys", tag = "agents",
    responses((status = 200, body = ApiKeysReply), Failures)
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Answer<ApiKeysReply>, Problem> {
    let told = app.peers.accounts().list_api_keys(ListApiKeysRequest {}).await?.into_inner();
    let items: Vec<ApiKeyView> = told.keys.into_iter().map(Into::into).collect();
    Ok(Answer(ApiKeysReply { success: true, data: ApiKeys { total: items.len(), items } }))
}

/// Makes an API key that acts for one's own account. Needs a login: a key cannot make keys.
#[utoipa::path(
    post, path = "/api-keys", tag = "agents", request_body = NewApiKey,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe: for a day it gets the same key")),
    responses((status = 200, body = NewApiKeyReply), Failures)
)]
pub(crate) async fn create(
    State(app): State<App>,
    agent: Agent,
    Key(key): Key,
    Json(body): Json<NewApiKey>,
) -> Result<Response, Problem> {
    agent.own_login()?;
    check_permissions(&body.permissions)?;
    let told = "must be seconds since the Unix epoch";
    let instant = |at: f64| from_seconds(at).ok_or_else(|| Problem::field("expires_at", told));
    let expires = body.expires_at.map(instant).transpose()?;
    let (scope, until) = (body.permissions.join(" "), format!("{expires:?}"));
    let request = CreateApiKeyRequest {
        idempotency: idempotency(key.as_ref(), &["api-key", &body.name, &scope, &until]),
        name: body.name,
        permissions: body.permissions,
        expires_at_ms: expires.map(Timestamp::millis),
    };
    let made = app.peers.accounts().create_api_key(request).await?.into_inner();
    let api_key = made.key.ok_or(WireError::new("api_key"))?.into();
    Ok(Answer(NewApiKeyReply { success: true, key: made.secret, api_key }).into_response())
}

/// Withdraws an API key: one's own, or with `keys.manage` anybody's.
#[utoipa::path(
    delete, path = "/api-keys/{id}", tag = "agents",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = ApiKeyReply), Failures)
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    NamePath(id): NamePath,
) -> Result<Answer<ApiKeyReply>, Problem> {
    let told = app.peers.accounts().revoke_api_key(RevokeApiKeyRequest { id }).await?.into_inner();
    Ok(Answer(ApiKeyReply { success: true, api_key: told.key.ok_or(WireError::new("api_key"))?.into() }))
}
