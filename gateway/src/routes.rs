//! The routes: one handler per operation, mounted twice, at `/api/v1` and at the original's paths below `/api`.
//!
//! To add a route: write the handler with its `utoipa::path` into the file of its noun, add it to a group below (which
//! decides its budget and its deadline), run the tests with `UPDATE_OPENAPI=1`.

pub(crate) mod chat;
pub(crate) mod conversations;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod info;
pub(crate) mod manual;
pub(crate) mod sessions;

use crate::{
    admission, assets,
    error::Problem,
    identity, layers,
    limits::{self, Class},
    openapi::{self, Description},
    state::App,
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::StatusCode;
use std::time::Duration;
use switchboard_domain::ErrorKind;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Everything that is served, layered.
pub(crate) fn router(app: &App) -> Router {
    let (versioned, description) = described(app);
    let (original, _) = api(app).split_for_parts();
    let router = Router::new()
        .merge(versioned)
        .nest("/api", original)
        .merge(openapi::router(description))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(assets::serve)
        .method_not_allowed_fallback(wrong_method);
    layers::apply(app, router).with_state(app.clone())
}

/// The versioned routes and their description.
pub(crate) fn described(app: &App) -> (Router<App>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", api(app)).split_for_parts()
}

/// All operations below one root.
fn api(app: &App) -> OpenApiRouter<App> {
    let quick = app.settings.request_timeout;
    // Waits for the whole answer, not only for its beginning.
    let patient = quick.saturating_add(app.settings.turn_timeout);
    let chat = OpenApiRouter::new().routes(routes!(chat::chat));
    let stream = OpenApiRouter::new().routes(routes!(chat::stream));
    let writes = OpenApiRouter::new()
        .routes(routes!(conversations::create))
        .routes(routes!(conversations::renew))
        .routes(routes!(conversations::clear))
        .routes(routes!(manual::escalate))
        .routes(routes!(manual::say));
    let reads = OpenApiRouter::new().routes(routes!(sessions::show)).routes(routes!(sessions::messages));
    // Draws from the budget of reads itself: a browser must be refused with 200.
    let events = OpenApiRouter::new().routes(routes!(events::subscribe));
    let personal = group(app, Class::Chat, patient, chat)
        .merge(group(app, Class::Chat, quick, stream))
        .merge(group(app, Class::Write, quick, writes))
        .merge(group(app, Class::Read, quick, reads))
        .merge(events.layer(middleware::from_fn_with_state(quick, deadline)))
        .layer(middleware::from_fn_with_state(app.clone(), identity::identify))
        .layer(middleware::from_fn_with_state(app.clone(), admission::admit));
    let public = OpenApiRouter::new().routes(routes!(info::bot)).routes(routes!(info::config));
    let public = group(app, Class::Read, quick, public)
        .layer(middleware::from_fn_with_state(app.clone(), admission::admit));
    // Neither limited nor shed: its finding is remembered, and a busy server is a healthy one.
    let probes = OpenApiRouter::new()
        .routes(routes!(health::health))
        .layer(middleware::from_fn_with_state(quick, deadline));
    personal.merge(public).merge(probes)
}

fn group(app: &App, class: Class, budget: Duration, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    routes
        .layer(middleware::from_fn_with_state(budget, deadline))
        .layer(middleware::from_fn_with_state((app.clone(), class), limits::limit))
}

/// Ends a request that takes too long. Its calls have deadlines of their own; this one is for everything else.
async fn deadline(State(budget): State<Duration>, request: Request, next: Next) -> Response {
    tokio::time::timeout(budget, next.run(request))
        .await
        .unwrap_or_else(|_elapsed| Problem::timeout().into_response())
}

async fn wrong_method() -> Problem {
    Problem::with_status(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "the method is not allowed here",
    )
}

/// What there is not.
pub(crate) fn not_found() -> Problem {
    Problem::new(ErrorKind::NotFound, "NOT_FOUND", "there is nothing at this address")
}
