//! `switchboard`: all of it in one process (`up`, the default), or any part of it alone.

mod wiring;

use clap::{Parser, Subcommand};
use std::{io::Write as _, process::ExitCode};
use switchboard_boot::{assemble, cli::Flags};
use switchboard_domain::ServiceName;

/// Self-hosted AI customer service
#[derive(Parser)]
#[command(name = "switchboard", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand)]
enum Command {
    /// Everything in one process, kept in SQLite (the default)
    Up {
        #[command(flatten)]
        flags: Flags,
        /// Also serve each part over gRPC, at the addresses of the `listen` table
        #[arg(long)]
        serve_grpc: bool,
    },
    /// The ordered log of every session, alone
    Session(Flags),
    /// The conductor of bot turns, alone
    ChatGateway(Flags),
    /// The escalation policy, alone
    Regulator(Flags),
    /// Accounts, keys and tokens, alone
    AgentAuth(Flags),
    /// E-mail, webhooks and pushes, alone
    Notifier(Flags),
    /// The edge for browsers, alone
    Gateway(Flags),
    /// Print the configuration with its defaults and comments
    Config,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => up(&cli.flags, false),
        Some(Command::Up { flags, serve_grpc }) => up(&flags, serve_grpc),
        Some(Command::Session(flags)) => wiring::alone(ServiceName::Session, &flags),
        Some(Command::ChatGateway(flags)) => wiring::alone(ServiceName::ChatGateway, &flags),
        Some(Command::Regulator(flags)) => wiring::alone(ServiceName::Regulator, &flags),
        Some(Command::AgentAuth(flags)) => wiring::alone(ServiceName::AgentAuth, &flags),
        Some(Command::Notifier(flags)) => wiring::alone(ServiceName::Notifier, &flags),
        Some(Command::Gateway(flags)) => wiring::alone(ServiceName::Gateway, &flags),
        Some(Command::Config) => {
            match std::io::stdout().write_all(switchboard_boot::config::DEFAULTS.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_closed) => ExitCode::FAILURE,
            }
        }
    }
}

fn up(flags: &Flags, serve_grpc: bool) -> ExitCode {
    let mut sources = flags.sources("gateway.listen");
    if !serve_grpc {
        // Everybody who calls is in this process: no port is opened for them.
        sources.flags.extend(wiring::no_grpc());
    }
    assemble("Switchboard is ready", "switchboard", wiring::parts(), &sources)
}
