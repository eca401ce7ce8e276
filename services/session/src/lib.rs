//! The session service: the ordered log of every session, its state machine, its turns and its outbox. Owns the tables
//! `session`, `entry`, `turn`, `replay`, `outbox`, `hours_document`, `offer`, `agent_feed`, `agent_entry`, `note`, `tag`,
//! `session_tag`, `receipt`, `audit`, `log_epoch`; calls nobody.
//!
//! Every write goes through one place (`store/unit.rs`): read the session under lock, let the pure machine of
//! `switchboard_domain::session` decide, write entries with the next sequence numbers, the session and the outbox, commit,
//! tell listeners. To add a command: an [`Event`](switchboard_domain::session::Event), an RPC, a handler in `service.rs`.

mod archive;
mod assign;
mod caller;
mod config;
mod desk;
mod error;
mod feed;
mod floor;
mod hours;
mod hub;
mod insight;
mod service;
mod signals;
mod store;
mod subscribe;
mod tools;
mod wire;

pub use config::{Config, Settings};
pub use desk::Denied;
pub use error::SessionError;
pub use floor::{FindSettings, Phrases, QueueSettings, RoutingSettings};
pub use hours::HoursSettings;

use switchboard_boot::{BuildError, Deps, Server, Task, audit::Auditing};
use switchboard_domain::ServiceName;
use switchboard_mesh::Services;
use switchboard_proto::session::v1::{
    archive_service_server::ArchiveServiceServer, desk_service_server::DeskServiceServer,
    floor_service_server::FloorServiceServer, hours_service_server::HoursServiceServer,
    session_service_server::SessionServiceServer, signal_service_server::SignalServiceServer,
    tools_service_server::ToolsServiceServer,
};

/// Who this is.
pub const NAME: ServiceName = ServiceName::Session;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Opens the database and makes the service; starts nothing.
///
/// # Errors
/// [`BuildError`] when the database cannot be opened.
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let db = deps.open_db(&MIGRATIONS).await?;
    let hours = hours::WorkingHours::open(db.clone(), &config.hours).await?;
    let bus = deps.coord.bus().clone();
    let hints = bus.listen();
    let (clock, rng) = (deps.clock.clone(), deps.rng.clone());
    let store = store::Store::open(db.clone(), clock, rng, config.session, hours.clone(), bus)
        .await
        .map_err(|error| BuildError::new("the session store cannot be read", error))?;
    let service = service::Service::new(store.clone(), deps.tasks.clone());
    let hours = hours::HoursDesk::new(hours, deps.clock.clone());
    let archive = archive::Archive::new(store.clone(), deps.tasks.clone());
    let services = Services::of(SessionServiceServer::new(service))
        .and(HoursServiceServer::new(hours))
        .and(ArchiveServiceServer::new(archive))
        .and(ToolsServiceServer::new(tools::Tools::new(store.clone())))
        .and(DeskServiceServer::new(desk::Desk::new(store.clone(), deps.tasks.clone())))
        .and(FloorServiceServer::new(floor::Floor::new(store.clone())))
        .and(SignalServiceServer::new(signals::SignalDesk::new(store.clone())))
        .and(Auditing::server(db.clone()));
    let mounted = deps.mount(services)?;
    let keeping = hours::keep(store.clone(), deps.tasks.clone());
    let expiring = desk::keep_offers(store.clone(), deps.tasks.clone());
    let hinting = feed::hint(store.clone(), deps.tasks.clone());
    let assigning = assign::keep(store.clone(), deps.tasks.clone());
    let telling = floor::tell(store.clone(), deps.tasks.clone());
    let hearing = hub::hear(store.hub.clone(), hints, deps.tasks.clone());
    let cleaning = clean_up(store, deps.tasks.clone());
    Ok(Server::new(mounted)
        .with_database(db)
        .with_task(Task::new("session.clean_up", cleaning))
        .with_task(Task::new("session.hear", hearing))
        .with_task(Task::new("session.assignment", assigning))
        .with_task(Task::new("session.places", telling))
        .with_task(Task::new("session.hours", keeping))
        .with_task(Task::new("session.offers", expiring))
        .with_task(Task::new("session.floor_hints", hinting)))
}

async fn clean_up(store: store::Store, tasks: switchboard_boot::Lifecycle) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            () = tokio::time::sleep(store.settings.cleanup_interval) => {}
            () = &mut stopping => return,
        }
        match store.clean_up().await {
            Ok(rows) => tracing::debug!(rows, "old rows deleted"),
            Err(error) => {
                tracing::warn!(error = switchboard_mesh::reply::chain(&error), "old rows cannot be deleted");
            }
        }
    }
}
