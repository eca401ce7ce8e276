//! How a part of the mesh comes to life: configuration, telemetry, life cycle, and the two ways to run, any of them over TCP
//! or together in one process ([`assemble()`]). The only crate that opens the other adapters.
//!
//! To add a configuration key: write it with its comment into `switchboard.default.toml`, add the field to the `Config`
//! of the part that reads it. A key that stands in only one of both places is an error when the process starts.

pub mod assemble;
pub mod audit;
pub mod cli;
pub mod command;
pub mod config;
pub mod internal;
pub mod lifecycle;
pub mod node;
pub mod server;
pub mod system;
pub mod telemetry;

pub use assemble::{Part, assemble};
pub use config::{ConfigProblem, Configured, Sources, Tree};
pub use lifecycle::Lifecycle;
pub use node::NodeConfig;
pub use server::{BuildError, Deps, Server, Task};
