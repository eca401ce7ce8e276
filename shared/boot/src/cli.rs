//! The command line: flags that every command has, and the main function of a part that runs alone.

use crate::{Part, Sources, assemble};
use clap::Parser;
use std::{path::PathBuf, process::ExitCode};
use switchboard_domain::ServiceName;

/// Flags of every command that runs something. They override the environment, which overrides the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// A TOML file; see `switchboard config` for all keys
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for SQLite files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Where to listen, HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Any key of the configuration
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

impl Flags {
    /// All sources of configuration; `--listen` sets `listen_key`. A `--set` without `=` becomes a key that does not
    /// exist, and is told as such.
    pub fn sources(&self, listen_key: &str) -> Sources {
        let mut flags: Vec<(String, String)> = self
            .set
            .iter()
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .collect();
        if let Some(folder) = &self.data_dir {
            flags.push(("database.data_dir".into(), folder.clone()));
        }
        if let Some(address) = &self.listen {
            flags.push((listen_key.into(), address.clone()));
        }
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources { file: self.config.clone(), environment, flags }
    }
}

/// The key that `--listen` sets for a part that runs alone.
pub fn listen_key(name: ServiceName) -> String {
    match name {
        ServiceName::Gateway => "gateway.listen".into(),
        ServiceName::AgentAuth
        | ServiceName::ChatGateway
        | ServiceName::Notifier
        | ServiceName::Regulator
        | ServiceName::Session => format!("listen.{}", name.snake()),
    }
}

/// Runs one part alone with the flags of its own command line.
pub fn main(name: ServiceName, part: Part) -> ExitCode {
    #[derive(Parser)]
    #[command(version, about = "One part of Switchboard, alone")]
    struct Alone {
        #[command(flatten)]
        flags: Flags,
    }
    run_alone(name, part, &Alone::parse().flags)
}

/// Runs one part alone.
pub fn run_alone(name: ServiceName, part: Part, flags: &Flags) -> ExitCode {
    let sources = flags.sources(&listen_key(name));
    assemble(&format!("Switchboard {name} is ready"), name.as_str(), vec![part], &sources)
}
