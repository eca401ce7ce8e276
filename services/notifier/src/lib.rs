//! What goes out of the house: mails and calls of webhook endpoints. Owns the events of the session service's outbox, each
//! exactly once, and the deliveries that are made of them.
//!
//! One task reads the outbox: it leases events, stores each with its deliveries in one transaction, and only then
//! acknowledges them. A notifier that dies anywhere in between gets the same events again when the lease has run out, and
//! the event's id, which is the primary key, keeps a repeat from counting twice. Another task takes deliveries that are due
//! (`worker.rs`). Any number of notifiers may do both at once.
//!
//! A delivery is tried at least once and recorded once. Exactly once does not exist for mails: a process that dies between
//! the mail server's reply and the record sends again, with the same Message-ID.
//!
//! To send something for a kind of event: plan it in `store.rs` (`channels`), so that it is stored with the event.

mod attempt;
mod channel;
pub mod config;
pub mod error;
mod event;
mod housekeeping;
mod kinds;
mod mail;
mod reader;
mod service;
mod store;
mod webhook;
mod wire;
mod worker;

pub use config::Config;
pub use error::NotifierError;

use mail::Mailer;
use reader::Reader;
use service::Notifier;
use std::sync::Arc;
use store::Store;
use switchboard_boot::{BuildError, Deps, Server, Task, audit::Auditing};
use switchboard_domain::ServiceName;
use switchboard_mesh::Services;
use switchboard_proto::{
    notifier::v1::notifier_service_server::NotifierServiceServer,
    session::v1::session_service_client::SessionServiceClient,
};
use tokio::sync::Notify;
use webhook::Caller;
use worker::{Sender, Worker};

/// Its name in the mesh.
pub const NAME: ServiceName = ServiceName::Notifier;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Opens the inbox and prepares the reader of the outbox and the worker that delivers.
///
/// # Errors
/// [`BuildError`] when the database cannot be opened, the session service may not be called, or certificates or templates
/// cannot be read.
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let settings = config.notifier;
    let db = deps.open_db(&MIGRATIONS).await?;
    let plan = mail::plan(&settings.mail);
    metrics::gauge!("switchboard_notifier_mail_configured").set(if plan.is_some() { 1.0 } else { 0.0 });
    if plan.is_none() {
        tracing::warn!(
            "mail is not configured (notifier.mail.host, recipients): nobody is written to out of hours"
        );
    }
    let (clock, rng) = (Arc::clone(&deps.clock), Arc::clone(&deps.rng));
    let store = Store::new(db.clone(), Arc::clone(&clock), Arc::clone(&rng), plan);
    let session = deps.peer(ServiceName::Session)?;
    let wake = Arc::new(Notify::new());
    let caller = Caller::new(&settings, Arc::clone(&clock))?;
    let service = Notifier {
        store: store.clone(),
        settings: settings.clone(),
        guard: caller.guard(),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
        wake: Arc::clone(&wake),
    };
    let sender = Sender {
        store: store.clone(),
        settings: settings.clone(),
        mailer: Mailer::new(&settings, session.clone(), Arc::clone(&clock))?,
        caller,
        clock: Arc::clone(&clock),
    };
    let worker = Worker {
        store: store.clone(),
        sender: Arc::new(sender),
        settings: settings.clone(),
        rng: Arc::clone(&rng),
        life: deps.tasks.clone(),
        wake: Arc::clone(&wake),
    };
    let housekeeping = housekeeping::run(store.clone(), settings.delivery.clone(), deps.tasks.clone());
    let session = SessionServiceClient::new(session);
    let reader = Reader { session, store, settings, clock, rng, life: deps.tasks.clone(), wake };
    let services = Services::of(NotifierServiceServer::new(service)).and(Auditing::server(db.clone()));
    Ok(Server::new(deps.mount(services)?)
        .with_database(db)
        .with_task(Task::new("outbox.reader", reader.run()))
        .with_task(Task::new("delivery.worker", worker.run()))
        .with_task(Task::new("delivery.housekeeping", housekeeping)))
}
