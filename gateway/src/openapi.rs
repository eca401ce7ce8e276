//! The description of the API: OpenAPI 3.1, made from the handlers, and the page that shows it.

use crate::state::App;
use axum::{Json, Router, routing::get};
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// What stands around the operations.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Switchboard",
        version = "1",
        description = "Customer service: a bot that answers, and the way to humans. The same routes are served below \
                       `/api` for clients of the original.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "chat", description = "Writing to the bot"),
        (name = "conversation", description = "Beginning a session, and beginning anew"),
        (name = "session", description = "Reading a session and following it"),
        (name = "manual", description = "Asking for a human, and writing to one"),
        (name = "agent", description = "Logging in, and one's own account"),
        (name = "agents", description = "Accounts, roles, API keys"),
        (name = "audit", description = "What people did"),
        (name = "rules", description = "When a human is needed: versions, drafts, the shadow, decisions, what-if"),
        (name = "deliveries", description = "What goes out of the house: mails and webhooks"),
        (name = "info", description = "Who answers, and how it is"),
    ),
    modifiers(&Schemes),
)]
pub(crate) struct Description;

/// Says how customers and agents identify themselves.
struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let cookie = ApiKey::Cookie(ApiKeyValue::new("switchboard_visitor"));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("visitor", SecurityScheme::Http(bearer));
        components.add_security_scheme("visitor_cookie", SecurityScheme::ApiKey(cookie));
        let told = "An access token from `/auth/agent/login`, or an API key `swb_…`";
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(told)).build();
        let cookie = ApiKey::Cookie(ApiKeyValue::new("__Host-at"));
        components.add_security_scheme("agent", SecurityScheme::Http(bearer));
        components.add_security_scheme("agent_cookie", SecurityScheme::ApiKey(cookie));
        // Each operation says which of them it takes; see `routes::access`.
    }
}

/// Serves the description and the page that shows it.
pub(crate) fn router(description: utoipa::openapi::OpenApi) -> Router<App> {
    let same = description.clone();
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { Json(same) }))
        .merge(SwaggerUi::new("/docs").url("/api/openapi.json", description))
}
