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
        (name = "info", description = "Who answers, and how it is"),
    ),
    modifiers(&VisitorToken),
)]
pub(crate) struct Description;

/// Says how customers identify themselves.
struct VisitorToken;

impl utoipa::Modify for VisitorToken {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::{
            SecurityRequirement,
            security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        };
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let cookie = ApiKey::Cookie(ApiKeyValue::new("switchboard_visitor"));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("visitor", SecurityScheme::Http(bearer));
        components.add_security_scheme("visitor_cookie", SecurityScheme::ApiKey(cookie));
        let none = SecurityRequirement::default();
        let either =
            ["visitor", "visitor_cookie"].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
        description.security = Some([none].into_iter().chain(either).collect());
    }
}

/// Serves the description and the page that shows it.
pub(crate) fn router(description: utoipa::openapi::OpenApi) -> Router<App> {
    let same = description.clone();
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { Json(same) }))
        .merge(SwaggerUi::new("/docs").url("/api/openapi.json", description))
}
