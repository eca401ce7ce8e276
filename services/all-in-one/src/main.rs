//! `switchboard`: all of it in one process (`up`, the default), or any part of it alone.

mod regulator;
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
    Regulator(regulator::Regulator),
    /// Accounts, keys and tokens, alone
    AgentAuth(Flags),
    /// Commands on accounts, for operators who can reach the database
    Agent {
        #[command(subcommand)]
        command: AgentCommand,
    },
    /// E-mail, webhooks and pushes, alone
    Notifier(Flags),
    /// The edge for browsers, alone
    Gateway(Flags),
    /// Print the configuration with its defaults and comments
    Config,
}

#[derive(Subcommand)]
enum AgentCommand {
    /// Print a new one-time password for an account, and end its logins
    ResetPassword {
        /// Username or id
        username: String,
        /// Remove the second factor too
        #[arg(long)]
        without_totp: bool,
        #[command(flatten)]
        flags: Flags,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => up(&cli.flags, false),
        Some(Command::Up { flags, serve_grpc }) => up(&flags, serve_grpc),
        Some(Command::Session(flags)) => wiring::alone(ServiceName::Session, &flags),
        Some(Command::ChatGateway(flags)) => wiring::alone(ServiceName::ChatGateway, &flags),
        Some(Command::Regulator(regulator)) => regulator::run(&regulator),
        Some(Command::AgentAuth(flags)) => wiring::alone(ServiceName::AgentAuth, &flags),
        Some(Command::Agent { command: AgentCommand::ResetPassword { username, without_totp, flags } }) => {
            wiring::reset_password(username, without_totp, &flags)
        }
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
