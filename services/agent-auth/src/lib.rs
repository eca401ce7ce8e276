//! Accounts, keys and tokens. Owns the tables of `migrations/`.
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
//! # Logins
//!
//! A login is a family of refresh tokens, each used once (`store/logins.rs`); access tokens live for minutes and are
//! ended earlier through the log of revocations (`revocation.rs`). All state is in the database: replicas are alike.
//! Secrets of second factors rest in it as private keys do.
//!
//! To add a kind of token: give it an audience and a `typ` of its own in `token.rs`, so that none passes for another.

mod account;
mod accounts;
mod agent_token;
mod api_key_admin;
mod api_keys;
mod changes;
mod cleanup;
pub mod config;
mod denial;
pub mod error;
mod first_start;
mod hashing;
mod key;
mod keys;
mod login;
mod password;
mod permissions;
mod presence;
mod rejection;
mod repeatable;
mod reset;
mod revocation;
mod roles;
mod roster;
mod schedule;
mod secret;
mod service;
mod service_accounts;
mod service_login;
mod skills;
mod store;
#[cfg(test)]
mod tests;
mod throttle;
mod tickets;
mod token;
mod totp;

pub use config::{Config, Settings};
pub use error::AgentAuthError;
pub use reset::reset_password;

use accounts::Accounts;
use api_keys::ApiKeys;
use changes::Changes;
use hashing::Hasher;
use keys::Keys;
use login::Logins;
use presence::Presence;
use roster::Roster;
use schedule::Schedule;
use service::AgentAuth;
use service_login::LoginCalls;
use std::sync::Arc;
use store::Store;
use switchboard_boot::{BuildError, Deps, Server, Task, audit::Auditing};
use switchboard_db::Db;
use switchboard_domain::ServiceName;
use switchboard_mesh::Services;
use switchboard_proto::{
    agentauth::v1::{
        accounts_service_server::AccountsServiceServer, agent_auth_service_server::AgentAuthServiceServer,
        login_service_server::LoginServiceServer,
    },
    session::v1::floor_service_client::FloorServiceClient,
};
use tickets::Tickets;

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
    let hasher = Hasher::new(&settings, Arc::clone(&deps.rng));
    let first = first_start::run(&store, &settings, &hasher, &*deps.clock, &*deps.rng)
        .await
        .map_err(|error| BuildError::new("the first key and the first admin cannot be made", error))?;
    let keys = Keys::open(store.clone(), Schedule::new(&settings), Arc::clone(&deps.clock))
        .await
        .map_err(|error| BuildError::new("the signing keys cannot be loaded", error))?;
    let keys = Arc::new(keys);
    let tending = keys::tend(Arc::clone(&keys), settings.key_refresh, deps.tasks.clone());
    let (clock, rng) = (Arc::clone(&deps.clock), Arc::clone(&deps.rng));
    let tickets = Tickets::new(store.clone(), &settings, Arc::clone(&clock), Arc::clone(&rng));
    let service = AgentAuth::new(Arc::clone(&keys), tickets, &settings, clock, rng);
    let api_keys = ApiKeys::new(store.clone(), &settings, Arc::clone(&deps.clock));
    let touching = api_keys::tend(api_keys.clone(), settings.api_key_touch, deps.tasks.clone());
    let (accounts, roster) = people(&db, &settings, hasher.clone(), &deps)?;
    let watching = presence::watch(accounts.presence.clone(), deps.tasks.clone());
    let settings = Arc::new(settings);
    let cleaning =
        cleanup::tend(store.clone(), Arc::clone(&settings), Arc::clone(&deps.clock), deps.tasks.clone());
    let (clock, rng) = (Arc::clone(&deps.clock), Arc::clone(&deps.rng));
    let presence = accounts.presence.clone();
    let logins = Logins { store, keys, hasher, settings, clock, rng, presence };
    let logins = LoginCalls { logins, api_keys };
    let services = Services::of(AgentAuthServiceServer::new(service))
        .and(LoginServiceServer::new(logins))
        .and(AccountsServiceServer::new(accounts))
        .and(Auditing::server(db.clone()));
    let mut server = Server::new(deps.mount(services)?)
        .with_database(db)
        .with_task(Task::new("keys.tend", tending))
        .with_task(Task::new("api_keys.touch", touching))
        .with_task(Task::new("cleanup", cleaning))
        .with_task(Task::new("presence.watch", watching))
        .with_task(Task::new("roster.tell", roster.run()));
    if let Some(first) = first {
        server = server.with_announcement(first.announcement());
    }
    Ok(server)
}

/// The accounts, and what tells the session service of them.
fn people(
    db: &Db,
    settings: &Settings,
    hasher: Hasher,
    deps: &Deps,
) -> Result<(Accounts, Roster), BuildError> {
    let (clock, changes) = (Arc::clone(&deps.clock), Changes::default());
    let roster = Roster {
        db: db.clone(),
        session: FloorServiceClient::new(deps.peer(ServiceName::Session)?),
        settings: settings.roster.clone(),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&deps.rng),
        changes: changes.clone(),
        life: deps.tasks.clone(),
    };
    let presence = Presence::new(db.clone(), Arc::clone(&clock), settings.presence.clone(), changes.clone());
    let accounts = Accounts {
        store: Store::new(db.clone()),
        presence,
        hasher,
        changes,
        clock,
        rng: Arc::clone(&deps.rng),
        revocation_keep: settings.revocation_keep(),
    };
    Ok((accounts, roster))
}
