//! Which parts there are: the one place that sees them all.

use std::process::ExitCode;
use switchboard_boot::{
    Part,
    cli::{Flags, listen_key, run_alone},
    command,
};
use switchboard_domain::ServiceName;
use switchboard_mesh::CALLS;

/// All parts, those that are called before those that call.
pub(crate) fn parts() -> Vec<Part> {
    CALLS.iter().map(|(name, _)| part(*name)).collect()
}

/// Runs one part alone.
pub(crate) fn alone(name: ServiceName, flags: &Flags) -> ExitCode {
    run_alone(name, part(name), flags)
}

/// Gives an account a new password.
pub(crate) fn reset_password(username: String, without_totp: bool, flags: &Flags) -> ExitCode {
    let name = ServiceName::AgentAuth;
    command::run(name, &flags.sources(&listen_key(name)), move |config, deps| {
        switchboard_agent_auth::reset_password(config, deps, username, without_totp)
    })
}

/// The configuration in which no part is served over gRPC.
pub(crate) fn no_grpc() -> impl Iterator<Item = (String, String)> {
    let served = CALLS.iter().filter(|(name, _)| *name != ServiceName::Gateway);
    served.map(|(name, _)| (format!("listen.{}", name.snake()), String::new()))
}

fn part(name: ServiceName) -> Part {
    match name {
        ServiceName::AgentAuth => Part::new(name, switchboard_agent_auth::build),
        ServiceName::ChatGateway => Part::new(name, switchboard_chat_gateway::build),
        ServiceName::Gateway => Part::new(name, switchboard_gateway::build),
        ServiceName::Notifier => Part::new(name, switchboard_notifier::build),
        ServiceName::Regulator => Part::new(name, switchboard_regulator::build),
        ServiceName::Session => Part::new(name, switchboard_session::build),
    }
}
