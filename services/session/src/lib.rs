//! The session service: the ordered log of every session, its state machine, its turns and its outbox. Owns the tables
//! `session`, `entry`, `turn`, `replay`, `outbox`, `log_epoch`; calls nobody.
//!
//! Every write goes through one place (`store/unit.rs`): read the session under lock, let the pure machine of
//! `switchboard_domain::session` decide, write entries with the next sequence numbers, the session and the outbox, commit,
//! tell listeners. To add a command: an [`Event`](switchboard_domain::session::Event), an RPC, a handler in `service.rs`.

mod config;
mod error;
mod hub;
mod service;
mod store;
mod subscribe;
mod wire;

pub use config::{Config, Settings};
pub use error::SessionError;

use switchboard_boot::{BuildError, Deps, Server, Task};
use switchboard_domain::ServiceName;
use switchboard_proto::session::v1::session_service_server::SessionServiceServer;

/// Who this is.
pub const NAME: ServiceName = ServiceName::Session;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Opens the database and makes the service; starts nothing.
///
/// # Errors
/// [`BuildError`] when the database cannot be opened.
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let db = deps.open_db(&MIGRATIONS).await?;
    let store = store::Store::open(db.clone(), deps.clock.clone(), deps.rng.clone(), config.session)
        .await
        .map_err(|error| BuildError::new("the session store cannot be read", error))?;
    let service = service::Service::new(store.clone(), deps.tasks.clone());
    let mounted = deps.mount(SessionServiceServer::new(service))?;
    let cleaning = clean_up(store, deps.tasks.clone());
    Ok(Server::new(mounted).with_database(db).with_task(Task::new("session.clean_up", cleaning)))
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
