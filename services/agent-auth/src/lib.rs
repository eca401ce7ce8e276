//! Accounts, keys and tokens. Owns tables `agent` and `signing_key`.
//!
//! # Keys
//!
//! Tokens are signed with Ed25519 (EdDSA) keys that this service makes and that nobody else sees: peers verify with the
//! public halves, which `GetJwks` publishes. A key is published for longer than a JWK set may be cached before it signs,
//! and stays published until the last token that it signed has expired (`schedule.rs`).
//!
//! Private keys rest in table `signing_key`, as PKCS#8 and not encrypted: whoever can read the database can sign. The
//! SQLite file must be readable by the service's own user only; on Postgres the schema must belong to a role of its own,
//! and backups deserve the same care. A key whose secrecy is in doubt is deleted from the table: within
//! `agent_auth.key_refresh` replicas stop publishing it and sign with another, within `agent_auth.jwks_max_age`
//! verifiers stop accepting it.
//!
//! # First start
//!
//! A database without accounts gets the first key and the first admin in one transaction; of many replicas that start
//! at once, one makes them. Only that one tells the random password, once, on the operator's terminal, never in a log.
//!
//! To add a kind of token: give it an audience and a `typ` of its own in `token.rs`, so that none passes for another.

mod account;
pub mod config;
pub mod error;
mod first_start;
mod key;
mod keys;
mod password;
mod schedule;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod token;

pub use config::Config;
pub use error::AgentAuthError;

use keys::Keys;
use schedule::Schedule;
use service::AgentAuth;
use std::sync::Arc;
use store::Store;
use switchboard_boot::{BuildError, Deps, Server, Task};
use switchboard_domain::ServiceName;
use switchboard_proto::agentauth::v1::agent_auth_service_server::AgentAuthServiceServer;

/// Its name in the mesh.
pub const NAME: ServiceName = ServiceName::AgentAuth;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Opens the database, makes the first key and the first admin where there are none, and loads the keys.
///
/// # Errors
/// [`BuildError`] when the database cannot be opened, or the keys in it cannot be used.
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let settings = config.agent_auth;
    let db = deps.open_db(&MIGRATIONS).await?;
    let store = Store::new(db.clone());
    let first = first_start::run(&store, &settings, &*deps.clock, &*deps.rng)
        .await
        .map_err(|error| BuildError::new("the first key and the first admin cannot be made", error))?;
    let keys = Keys::open(store, Schedule::new(&settings), Arc::clone(&deps.clock))
        .await
        .map_err(|error| BuildError::new("the signing keys cannot be loaded", error))?;
    let keys = Arc::new(keys);
    let tending = keys::tend(Arc::clone(&keys), settings.key_refresh, deps.tasks.clone());
    let service = AgentAuth::new(keys, &settings, Arc::clone(&deps.clock), Arc::clone(&deps.rng));
    let mut server = Server::new(deps.mount(AgentAuthServiceServer::new(service))?)
        .with_database(db)
        .with_task(Task::new("keys.tend", tending));
    if let Some(first) = first {
        server = server.with_announcement(first.announcement());
    }
    Ok(server)
}
