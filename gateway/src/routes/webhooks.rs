//! Webhook endpoints: addresses of others that are called when something happens.

use super::{
    access::{Access, Group},
    deliveries::TestReply,
};
use crate::{
    error::{Failures, Problem},
    extract::{Json, NamePath},
    limits::Class,
    state::App,
    view::time,
};
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use switchboard_domain::{ErrorKind, Permission};
use switchboard_proto::{
    convert::WireError,
    notifier::v1::{
        CreateEndpointRequest, DeleteEndpointRequest, Endpoint, EndpointSecret, EventKinds,
        ListEndpointsRequest, RotateEndpointSecretRequest, TestEndpointRequest, UpdateEndpointRequest,
    },
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// A webhook endpoint. Never tells a secret.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookView {
    id: String,
    url: String,
    description: String,
    /// Kinds of events that it is called for: `session.closed`, or `session.*` for a family. Empty: all.
    kinds: Vec<String>,
    enabled: bool,
    /// `manual` or `failing`.
    disabled_reason: Option<String>,
    /// Since when every call fails.
    failing_since: Option<f64>,
    created_by: String,
    created_at: f64,
    updated_at: f64,
    /// Those that sign at present: two for a while after a rotation.
    secrets: Vec<SecretView>,
}

/// A secret without its words.
#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    created_at: f64,
    /// Null: for good.
    expires_at: Option<f64>,
}

/// All endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhooksReply {
    success: bool,
    data: Webhooks,
}

/// The inside of [`WebhooksReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Webhooks {
    /// Oldest first.
    items: Vec<WebhookView>,
    total: usize,
}

/// One endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookReply {
    success: bool,
    data: WebhookView,
}

/// An endpoint with a new secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct SecretReply {
    success: bool,
    /// `whsec_…`; told once.
    secret: String,
    data: WebhookView,
}

/// An endpoint that is removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemovedReply {
    success: bool,
}

/// An endpoint to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewWebhook {
    /// `https://…`, outside: private, local and reserved addresses are refused.
    url: String,
    /// At most 200 characters.
    #[serde(default)]
    description: String,
    /// `session.closed`, or `session.*` for a family; absent or empty: all.
    #[serde(default)]
    kinds: Vec<String>,
}

/// What is to change of an endpoint.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WebhookChange {
    url: Option<String>,
    description: Option<String>,
    /// The new list.
    kinds: Option<Vec<String>>,
    /// Enabling forgets the failures; disabling gives up what waits.
    enabled: Option<bool>,
}

impl From<Endpoint> for WebhookView {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            kinds: endpoint.kinds,
            enabled: endpoint.enabled,
            disabled_reason: endpoint.disabled_reason,
            failing_since: endpoint.failing_since_ms.map(time),
            created_by: endpoint.created_by,
            created_at: time(endpoint.created_at_ms),
            updated_at: time(endpoint.updated_at_ms),
            secrets: endpoint.secrets.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<EndpointSecret> for SecretView {
    fn from(secret: EndpointSecret) -> Self {
        Self { created_at: time(secret.created_at_ms), expires_at: secret.expires_at_ms.map(time) }
    }
}

impl WebhookReply {
    fn of(endpoint: Option<Endpoint>) -> Result<Answer<Self>, Problem> {
        let data = endpoint.ok_or(WireError::new("endpoint"))?.into();
        Ok(Answer(Self { success: true, data }))
    }
}

impl SecretReply {
    fn of(endpoint: Option<Endpoint>, secret: String) -> Result<Response, Problem> {
        let data = endpoint.ok_or(WireError::new("endpoint"))?.into();
        Ok(Answer(Self { success: true, secret, data }).into_response())
    }
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let manage = Access::Agent(Permission::DeliveriesManage);
    let reads = Group::new(app).route(manage, routes!(list)).route(manage, routes!(show));
    let writes = Group::new(app)
        .route(manage, routes!(create))
        .route(manage, routes!(update))
        .route(manage, routes!(delete))
        .route(manage, routes!(rotate))
        .route(manage, routes!(test));
    reads.within(quick).drawing(Class::Read).merge(writes.within(quick).drawing(Class::Write)).identified()
}

/// Lists webhook endpoints, oldest first.
#[utoipa::path(
    get, path = "/webhooks", tag = "deliveries",
    responses((status = 200, body = WebhooksReply), Failures)
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Answer<WebhooksReply>, Problem> {
    let told = app.peers.notifier().list_endpoints(ListEndpointsRequest {}).await?.into_inner();
    let items: Vec<WebhookView> = told.endpoints.into_iter().map(Into::into).collect();
    Ok(Answer(WebhooksReply { success: true, data: Webhooks { total: items.len(), items } }))
}

/// Tells one webhook endpoint.
#[utoipa::path(
    get, path = "/webhooks/{id}", tag = "deliveries",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, body = WebhookReply), Failures)
)]
pub(crate) async fn show(
    State(app): State<App>,
    NamePath(id): NamePath,
) -> Result<Answer<WebhookReply>, Problem> {
    let told = app.peers.notifier().list_endpoints(ListEndpointsRequest {}).await?.into_inner();
    let found = told.endpoints.into_iter().find(|endpoint| endpoint.id == id);
    let nothing = || Problem::new(ErrorKind::NotFound, "UNKNOWN_ENDPOINT", "there is no such endpoint");
    WebhookReply::of(Some(found.ok_or_else(nothing)?))
}

/// Adds a webhook endpoint. Its secret is told here and after a rotation, and nowhere else. 400 `PRIVATE_ADDRESS` for an
/// address that lies inside.
#[utoipa::path(
    post, path = "/webhooks", tag = "deliveries", request_body = NewWebhook,
    responses((status = 200, body = SecretReply), Failures)
)]
pub(crate) async fn create(
    State(app): State<App>,
    Json(body): Json<NewWebhook>,
) -> Result<Response, Problem> {
    let NewWebhook { url, description, kinds } = body;
    let request = CreateEndpointRequest { url, description, kinds };
    let made = app.peers.notifier().create_endpoint(request).await?.into_inner();
    SecretReply::of(made.endpoint, made.secret)
}

/// Changes what is given of a webhook endpoint; `enabled` switches it on again after it was disabled.
#[utoipa::path(
    put, path = "/webhooks/{id}", tag = "deliveries", request_body = WebhookChange,
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, body = WebhookReply), Failures)
)]
pub(crate) async fn update(
    State(app): State<App>,
    NamePath(endpoint): NamePath,
    Json(body): Json<WebhookChange>,
) -> Result<Answer<WebhookReply>, Problem> {
    let WebhookChange { url, description, kinds, enabled } = body;
    if url.is_none() && description.is_none() && kinds.is_none() && enabled.is_none() {
        return Err(Problem::no_fields());
    }
    let kinds = kinds.map(|kinds| EventKinds { kinds });
    let request = UpdateEndpointRequest { endpoint, url, description, kinds, enabled };
    WebhookReply::of(app.peers.notifier().update_endpoint(request).await?.into_inner().endpoint)
}

/// Removes a webhook endpoint and cancels what waits for it.
#[utoipa::path(
    delete, path = "/webhooks/{id}", tag = "deliveries",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, body = RemovedReply), Failures)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    NamePath(endpoint): NamePath,
) -> Result<Answer<RemovedReply>, Problem> {
    app.peers.notifier().delete_endpoint(DeleteEndpointRequest { endpoint }).await?;
    Ok(Answer(RemovedReply { success: true }))
}

/// Makes a new secret; the old one signs beside it for `notifier.webhooks.secret_overlap`.
#[utoipa::path(
    post, path = "/webhooks/{id}/rotate-secret", tag = "deliveries",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, body = SecretReply), Failures)
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    NamePath(endpoint): NamePath,
) -> Result<Response, Problem> {
    let request = RotateEndpointSecretRequest { endpoint };
    let made = app.peers.notifier().rotate_endpoint_secret(request).await?.into_inner();
    SecretReply::of(made.endpoint, made.secret)
}

/// Sends an event of kind `notifier.test` to an enabled webhook endpoint, whatever its filter.
#[utoipa::path(
    post, path = "/webhooks/{id}/test", tag = "deliveries",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, body = TestReply), Failures)
)]
pub(crate) async fn test(
    State(app): State<App>,
    NamePath(endpoint): NamePath,
) -> Result<Answer<TestReply>, Problem> {
    let told = app.peers.notifier().test_endpoint(TestEndpointRequest { endpoint }).await?.into_inner();
    Ok(TestReply::of(told.delivery))
}
