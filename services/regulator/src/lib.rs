//! The escalation policy as a service: must a human take over? Owns the rules in force, remembers no conversation and
//! writes no session. The policy itself is [`switchboard_domain::regulation`]; this crate compiles the operator's lists
//! once, when it is built, and answers with them.
//!
//! Whoever comes from the original's environment variables finds them here:
//!
//! | Before | Now |
//! |---|---|
//! | `REGULATOR_KEYWORDS` | `SWITCHBOARD__REGULATOR__KEYWORDS` |
//! | `REGULATOR_AI_FAIL_KEYWORDS` | `SWITCHBOARD__REGULATOR__FAILURE_PHRASES` |
//! | `REGULATOR_FAIL_THRESHOLD` | `SWITCHBOARD__REGULATOR__FAILURE_THRESHOLD` |
//! | `REGULATOR_VIP_AUTO_ESCALATE` | `SWITCHBOARD__REGULATOR__VIP_AUTO_ESCALATE` |
//!
//! Lists are written with commas as before: `人工,真人,客服`. A list that is not set is the built-in one.
//!
//! To add a rule: add it to the domain (its module says how), its setting to [`config::Settings`] and to the default
//! configuration, then a row to the table in `tests.rs`.

pub mod config;
pub mod error;
mod rules;
mod service;
#[cfg(test)]
mod tests;
mod wire;

pub use config::Config;
pub use error::RegulatorError;

use switchboard_boot::{BuildError, Deps, Server};
use switchboard_domain::ServiceName;
use switchboard_proto::regulator::v1::regulator_service_server::RegulatorServiceServer;

/// Its name in the mesh.
pub const NAME: ServiceName = ServiceName::Regulator;

/// Compiles the rules and puts the service behind the guard.
///
/// # Errors
/// [`BuildError`] when the rules cannot be used.
#[expect(clippy::unused_async, reason = "every part is built by a function of this shape")]
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let regulator = service::Regulator::new(&config.regulator)
        .map_err(|error| BuildError::new("the escalation rules cannot be used", error))?;
    Ok(Server::new(deps.mount(RegulatorServiceServer::new(regulator))?))
}
