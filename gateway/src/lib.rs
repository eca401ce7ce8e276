//! The edge: what browsers and API clients talk to. Speaks HTTP and JSON outwards and gRPC inwards; keeps nothing, decides
//! nothing about a conversation. The only crate that knows HTTP status codes.
//!
//! *Invariant:* whoever is acted for is decided here, from a verified token, and nowhere from a body.

mod admission;
mod assets;
pub mod config;
mod cross_site;
pub mod error;
mod event_stream;
mod extract;
mod feed;
mod head_timer;
mod http_server;
mod identity;
mod jwt;
mod keys;
mod layers;
mod limits;
mod openapi;
mod opening;
mod reply;
mod request;
mod routes;
mod sse;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod turn_stream;
mod view;
mod visitor;
mod wire;
mod workbench;

pub use config::Config;
pub use error::GatewayError;

use http_server::HttpServer;
use state::{App, Peers};
use std::{sync::Arc, time::Duration};
use switchboard_boot::{BuildError, Deps, Server, Task};
use switchboard_coord::Subscription;
use switchboard_domain::ServiceName;

/// Who this is in the mesh.
pub const NAME: ServiceName = ServiceName::Gateway;

/// Makes the edge ready to serve; the port is taken, nothing is accepted yet.
///
/// # Errors
/// [`BuildError`] when the port is taken or a setting cannot be used.
#[expect(clippy::unused_async, reason = "the face of every part")]
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let settings = config.gateway;
    let peers = Peers::new(&deps)?;
    let failed = |error: GatewayError| BuildError::new("the edge cannot be built", error);
    let server = HttpServer::bind(&settings).map_err(failed)?;
    let address = server.address();
    let cleanup = settings.rate.cleanup_interval;
    let (clock, rng) = (Arc::clone(&deps.clock), Arc::clone(&deps.rng));
    let app = App::new(settings, clock, rng, deps.tasks.clone(), peers, &deps.coord).map_err(failed)?;
    let hints = deps.coord.bus().listen();
    let router = routes::router(&app);
    let serving = server.serve(router, deps.tasks.clone());
    Ok(Server::without_grpc()
        .with_task(Task::new("http", serving))
        .with_task(Task::new("rate.cleanup", clean(app.clone(), cleanup)))
        .with_task(Task::new("revocations", follow(app, hints)))
        .with_announcement(format!("listening on http://{address}")))
}

/// Keeps up with what no longer counts.
async fn follow(app: App, hints: Subscription) {
    app.identities.revocations.follow(app.tasks.clone(), hints).await;
}

/// Forgets clients that have not been seen for a while.
async fn clean(app: App, every: Duration) {
    let stopping = app.tasks.stopping();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => return,
            () = tokio::time::sleep(every) => app.limits.clean(),
        }
    }
}
