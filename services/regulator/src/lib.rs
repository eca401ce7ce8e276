//! The escalation policy as a service: must a human take over? Owns the rules, as documents with versions, and the record of
//! what they decided; remembers no conversation and writes no session. The policy itself is
//! [`switchboard_domain::regulation`]; what it would have done in the past is `what_if.rs`.
//!
//! The first start publishes the rules of the configuration as version 1. Whoever comes from the original's environment
//! variables finds them here:
//!
//! | Before | Now |
//! |---|---|
//! | `REGULATOR_KEYWORDS` | `SWITCHBOARD__REGULATOR__KEYWORDS` |
//! | `REGULATOR_AI_FAIL_KEYWORDS` | `SWITCHBOARD__REGULATOR__FAILURE_PHRASES` |
//! | `REGULATOR_FAIL_THRESHOLD` | `SWITCHBOARD__REGULATOR__FAILURE_THRESHOLD` |
//! | `REGULATOR_VIP_AUTO_ESCALATE` | `SWITCHBOARD__REGULATOR__VIP_AUTO_ESCALATE` |
//!
//! Lists are written with commas as before: `人工,真人,客服`. A list that is not set is the built-in one. From then on rules are
//! published, not configured: later changes of these settings do nothing.
//!
//! To add a rule: the domain's module says how; nothing is to be done here.

pub mod config;
mod document;
pub mod error;
mod in_force;
mod recorder;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod what_if;
mod wire;

pub use config::Config;
pub use error::RegulatorError;

use in_force::InForce;
use std::{sync::Arc, time::Duration};
use store::Store;
use switchboard_boot::{BuildError, Deps, Lifecycle, Server, Task, audit::Auditing};
use switchboard_domain::{Clock, ServiceName};
use switchboard_mesh::{Services, reply::chain};
use switchboard_proto::regulator::v1::regulator_service_server::RegulatorServiceServer;
use what_if::Replaying;

/// Its name in the mesh.
pub const NAME: ServiceName = ServiceName::Regulator;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Opens the rules and puts the service behind the guard.
///
/// # Errors
/// [`BuildError`] when the database cannot be opened or the rules in it cannot be used.
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let settings = config.regulator;
    let db = deps.open_db(&MIGRATIONS).await?;
    let store = Store::new(db.clone(), Arc::clone(&deps.clock), Arc::clone(&deps.rng));
    let unusable = |error| BuildError::new("the escalation rules cannot be used", error);
    let first = config::first_document(&settings).map_err(unusable)?;
    store.begin(first).await.map_err(unusable)?;
    let in_force = InForce::read(store.clone()).await.map_err(unusable)?;
    let (recorder, writer) =
        recorder::queue(settings.record_queue, settings.record_interval, store.clone(), deps.tasks.clone());
    let what_if = Arc::new(settings.what_if);
    let regulator = service::Regulator {
        store: store.clone(),
        in_force: in_force.clone(),
        recorder,
        replaying: Replaying::new(
            deps.peer(ServiceName::Session)?,
            Arc::clone(&what_if),
            deps.tasks.clone(),
            Arc::clone(&deps.clock),
            Arc::clone(&deps.rng),
        ),
        what_if,
        clock: Arc::clone(&deps.clock),
    };
    let services = Services::of(RegulatorServiceServer::new(regulator)).and(Auditing::server(db.clone()));
    let cleaning = Cleaning {
        store,
        retention: settings.record_retention,
        interval: settings.cleanup_interval,
        batch: settings.cleanup_batch,
        clock: deps.clock.clone(),
        tasks: deps.tasks.clone(),
    };
    Ok(Server::new(deps.mount(services)?)
        .with_database(db)
        .with_task(Task::new("regulator.recorder", writer.run()))
        .with_task(Task::new("regulator.rules", in_force.watch(settings.rules_max_age, deps.tasks.clone())))
        .with_task(Task::new("regulator.clean_up", cleaning.run())))
}

/// Deletes decisions that are old enough.
struct Cleaning {
    store: Store,
    retention: Duration,
    interval: Duration,
    batch: u32,
    clock: Arc<dyn Clock>,
    tasks: Lifecycle,
}

impl Cleaning {
    async fn run(self) {
        let stopping = self.tasks.stopping();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                () = &mut stopping => return,
            }
            let kept = i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX);
            let until = self.clock.now().millis().saturating_sub(kept);
            loop {
                match self.store.forget(until, self.batch).await {
                    Ok(deleted) if deleted == u64::from(self.batch) && !self.tasks.is_stopping() => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "old decisions cannot be deleted");
                        break;
                    }
                }
            }
        }
    }
}
