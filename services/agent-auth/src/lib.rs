//! Accounts, keys and tokens. Owns tables `agent` and `signing_key`.
//!
//! # Keys
//!
//! Tokens are signed with Ed25519 (EdDSA) keys that this service makes and that nobody else sees: peers verify with the
//! public halves, which [`GetJwks`](service) publishes. A key is published for longer than a JWK set may be cached
//! before it signs, and stays published until the last token it signed has expired; see [`schedule`].
//!
//! Private keys rest in table `signing_key`, as PKCS#8 and not encrypted: whoever can read the database can sign. The
//! SQLite file must be readable by the service's own user only; on Postgres the schema must belong to a role of its own,
//! and backups deserve the same care. A key whose secrecy is in doubt is deleted from the table: replicas stop
//! publishing it within `agent_auth.key_refresh`, verifiers stop accepting it within `agent_auth.jwks_max_age`.
//!
//! # First start
//!
//! A database without accounts gets the first key and the first admin in one transaction; of many replicas that start
//! at once, one makes them. Only that one tells the random password, once, to the operator's terminal, never to a log.
//!
//! To add a kind of token: give it an audience and a `typ` of its own in [`token`], so that none passes for another.

mod account;
pub mod config;
pub mod error;
mod first_start;
mod key;
mod keys;
mod password;
pub mod schedule;
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
use switchboard_proto::agentauth::v1::auth_service_server_placeholder as _;

/// Its name in the mesh.
pub const NAME: ServiceName = ServiceName::AgentAuth;
