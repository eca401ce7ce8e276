//! The conductor: one bot turn from question to recorded answer. Asks the session service (which keeps everything), the
//! regulator (may the bot answer?) and a ladder of providers (who can?). Owns no tables.
//!
//! To add a provider: a variant in `switchboard-model`, a rung in `ladder.rs`.

mod coalesce;
mod config;
mod error;
mod finish;
mod ladder;
mod live;
mod peers;
mod sample;
mod service;
mod sweeper;
mod turn;
mod verdict;

pub use config::{Bot, Config, KnowledgeConfig, Settings};
pub use error::ChatError;

use switchboard_boot::{BuildError, Deps, Server, Task};
use switchboard_domain::ServiceName;
use switchboard_mesh::Services;
use switchboard_proto::chat::v1::chat_service_server::ChatServiceServer;

/// Who this is.
pub const NAME: ServiceName = ServiceName::ChatGateway;

/// Opens providers and knowledge and makes the service; starts nothing.
///
/// # Errors
/// [`BuildError`] when a provider is misconfigured or the knowledge folder cannot be read.
pub async fn build(config: Config, deps: Deps) -> Result<Server, BuildError> {
    let ladder = ladder::Ladder::build(&config, &deps)
        .await
        .map_err(|error| BuildError::new("a provider cannot be used", error))?;
    let announcement = format!("answers come from {}", ladder.describe());
    let conductor = turn::Conductor::new(&config, &deps, ladder)?;
    let sweeping = sweeper::run(conductor.clone());
    let mounted = deps.mount(Services::of(ChatServiceServer::new(service::Service::new(conductor))))?;
    Ok(Server::new(mounted).with_announcement(announcement).with_task(Task::new("chat.sweeper", sweeping)))
}
