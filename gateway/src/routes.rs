//! The routes: one handler per operation, mounted twice, at `/api/v1` and at the original's paths below `/api`.
//!
//! To add a route: write the handler with its `utoipa::path` into the file of its noun, add it to a group (which decides its
//! budget and its deadline) together with whom it is for ([`access::Access`]), run the tests with `UPDATE_OPENAPI=1`.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod agent_events;
pub(crate) mod agents;
pub(crate) mod api_keys;
pub(crate) mod assists;
pub(crate) mod audit;
pub(crate) mod chat;
pub(crate) mod conversations;
pub(crate) mod decisions;
pub(crate) mod deliveries;
pub(crate) mod desk;
pub(crate) mod events;
pub(crate) mod floor;
pub(crate) mod health;
pub(crate) mod hours;
pub(crate) mod info;
pub(crate) mod login;
pub(crate) mod manual;
pub(crate) mod notes;
pub(crate) mod presence;
pub(crate) mod profiles;
pub(crate) mod replies;
pub(crate) mod roles;
pub(crate) mod rules;
pub(crate) mod sessions;
pub(crate) mod shadow;
pub(crate) mod shift;
pub(crate) mod signals;
pub(crate) mod tags;
pub(crate) mod tickets;
pub(crate) mod transfers;
pub(crate) mod webhooks;
pub(crate) mod what_if;

use crate::{
    assets,
    error::Problem,
    layers,
    limits::Class,
    openapi::{self, Description},
    state::App,
};
#[cfg(test)]
use access::Declared;
use access::{Access, Group};
use axum::{Router, routing::get};
use http::StatusCode;
use switchboard_domain::{ErrorKind, Permission};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Everything that is served, layered.
pub(crate) fn router(app: &App) -> Router {
    let (versioned, description) = described(app);
    let (original, _) = api(app).finish().0.split_for_parts();
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
    let (routes, _) = api(app).finish();
    OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", routes).split_for_parts()
}

/// Every operation and whom it is for.
#[cfg(test)]
pub(crate) fn declared(app: &App) -> Vec<Declared> {
    api(app).finish().1
}

/// All operations below one root.
fn api(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    // Neither limited nor shed: its finding is remembered, and a busy server is a healthy one.
    let probes = Group::new(app).route(Access::Public, routes!(health::health)).within(quick);
    let public = Group::new(app)
        .route(Access::Public, routes!(info::bot))
        .route(Access::Public, routes!(info::config))
        .route(Access::Public, routes!(shift::config))
        .route(Access::Public, routes!(shift::status))
        .within(quick)
        .drawing(Class::Read);
    let personal = customers(app).merge(desk(app)).identified();
    personal.merge(public).merge(staff(app)).admitted().merge(probes)
}

/// What people of the shop do.
fn staff(app: &App) -> Group {
    login::group(app)
        .merge(account::group(app))
        .merge(presence::group(app))
        .merge(agents::group(app))
        .merge(roles::group(app))
        .merge(api_keys::group(app))
        .merge(audit::group(app))
        .merge(rules::group(app))
        .merge(shadow::group(app))
        .merge(decisions::group(app))
        .merge(what_if::group(app))
        .merge(deliveries::group(app))
        .merge(webhooks::group(app))
}

/// What customers do.
fn customers(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    // Waits for the whole answer, not only for its beginning.
    let patient = quick.saturating_add(app.settings.turn_timeout);
    let chat = Group::new(app).route(Access::Visitor, routes!(chat::chat));
    let stream = Group::new(app).route(Access::Visitor, routes!(chat::stream));
    let writes = Group::new(app)
        .route(Access::Visitor, routes!(conversations::create))
        .route(Access::Visitor, routes!(conversations::renew))
        .route(Access::Visitor, routes!(conversations::clear))
        .route(Access::Either(Permission::SessionsServe), routes!(manual::escalate))
        .route(Access::Either(Permission::SessionsServe), routes!(manual::say))
        .route(Access::Either(Permission::SessionsServe), routes!(desk::cancel));
    let reads = Group::new(app)
        .route(Access::Either(Permission::SessionsServe), routes!(signals::typing))
        .route(Access::Either(Permission::SessionsServe), routes!(signals::acknowledge))
        .route(Access::Either(Permission::PresenceSelf), routes!(tickets::ticket))
        .route(Access::Either(Permission::SessionsRead), routes!(sessions::show))
        .route(Access::Either(Permission::SessionsRead), routes!(sessions::messages));
    // Draws from the budget of reads itself: a browser must be refused with 200.
    let events = Group::new(app).route(Access::Either(Permission::SessionsRead), routes!(events::subscribe));
    chat.within(patient)
        .drawing(Class::Chat)
        .merge(stream.within(quick).drawing(Class::Chat))
        .merge(writes.within(quick).drawing(Class::Write))
        .merge(reads.within(quick).drawing(Class::Read))
        .merge(events.ticketed().within(quick))
}

/// What agents do with sessions.
fn desk(app: &App) -> Group {
    const SERVE: Access = Access::Agent(Permission::SessionsServe);
    const SEE: Access = Access::Agent(Permission::SessionsRead);
    const NOTE: Access = Access::Agent(Permission::NotesWrite);
    const HOURS: Access = Access::Agent(Permission::HoursEdit);
    const TAGS: Access = Access::Agent(Permission::TagsManage);
    const REPLY: Access = Access::Agent(Permission::RepliesWrite);
    let quick = app.settings.request_timeout;
    let writes = Group::new(app)
        .route(SERVE, routes!(desk::take_over))
        .route(SERVE, routes!(desk::release))
        .route(SERVE, routes!(desk::close))
        .route(SERVE, routes!(manual::write))
        .route(SERVE, routes!(transfers::transfer))
        .route(SERVE, routes!(transfers::respond))
        .route(SERVE, routes!(transfers::answer))
        .route(SERVE, routes!(assists::ask))
        .route(SERVE, routes!(assists::answer))
        .route(NOTE, routes!(notes::add))
        .route(NOTE, routes!(notes::edit))
        .route(NOTE, routes!(notes::delete))
        .route(NOTE, routes!(tags::put_on))
        .route(NOTE, routes!(tags::take_off))
        .route(HOURS, routes!(hours::publish))
        .route(HOURS, routes!(hours::check))
        .route(TAGS, routes!(tags::create))
        .route(TAGS, routes!(tags::edit))
        .route(TAGS, routes!(tags::delete))
        .route(REPLY, routes!(replies::create))
        .route(REPLY, routes!(replies::edit))
        .route(REPLY, routes!(replies::delete))
        .route(REPLY, routes!(replies::apply))
        .route(Access::Agent(Permission::ProfilesEdit), routes!(profiles::edit));
    let reads = Group::new(app)
        .route(SEE, routes!(transfers::pending))
        .route(SEE, routes!(transfers::offers))
        .route(SEE, routes!(transfers::history))
        .route(SEE, routes!(assists::list))
        .route(SEE, routes!(notes::list))
        .route(SEE, routes!(tags::list))
        .route(SEE, routes!(profiles::show))
        .route(SEE, routes!(hours::show))
        .route(SEE, routes!(hours::versions))
        .route(SEE, routes!(floor::list))
        .route(SEE, routes!(floor::queue::queue))
        .route(Access::Agent(Permission::StatsRead), routes!(floor::stats::stats))
        .route(REPLY, routes!(replies::list))
        .route(REPLY, routes!(replies::categories))
        .route(Access::Agent(Permission::RepliesManage), routes!(replies::stats))
        .route(REPLY, routes!(replies::show));
    // Draws from the budget of reads itself: a browser must be refused with 200.
    let events =
        Group::new(app).route(Access::Agent(Permission::PresenceSelf), routes!(agent_events::subscribe));
    writes
        .within(quick)
        .drawing(Class::Write)
        .merge(reads.within(quick).drawing(Class::Read))
        .merge(events.ticketed().within(quick))
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
