//! What goes out of the house. Owns table `inbox`: the events of the session service's outbox, each exactly once.
//!
//! One task reads the outbox: it leases events, stores them in one transaction, and only then acknowledges them. A
//! notifier that dies anywhere in between gets the same events again when the lease has run out, and the event's id,
//! which is the primary key, keeps a repeat from counting twice. Any number of notifiers may read at once.
//!
//! To send something for a kind of event: read it from the inbox, never from the lease, so that it is stored first.

mod backoff;
pub mod config;
pub mod error;
mod event;
mod reader;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use error::NotifierError;

use reader::Reader;
use service::Notifier;
use std::sync::Arc;
use store::Store;
use switchboard_boot::{BuildError, Deps, Server, Task};
use switchboard_domain::ServiceName;
use switchboard_proto::{
    notifier::v1::notifier_service_server::NotifierServiceServer,
    session::v1::session_service_client::SessionServiceClient,
};

/// Its name in the mesh.
pub const NAME: ServiceName = ServiceName::Notifier;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Opens the inbox and prepares the reader of the outbox.
///
/// # Errors
/// [`BuildError`] when the database cannot be opened or the session service may not be called.
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let db = deps.open_db(&MIGRATIONS).await?;
    let store = Store::new(db.clone());
    let reader = Reader {
        session: SessionServiceClient::new(deps.peer(ServiceName::Session)?),
        store: store.clone(),
        settings: config.notifier,
        clock: Arc::clone(&deps.clock),
        rng: Arc::clone(&deps.rng),
        life: deps.tasks.clone(),
    };
    let mounted = deps.mount(NotifierServiceServer::new(Notifier::new(store)))?;
    Ok(Server::new(mounted).with_database(db).with_task(Task::new("outbox.reader", reader.run())))
}
