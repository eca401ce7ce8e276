//! What is the same for every part of a process.

use crate::config::{Configured, optional};
use serde::Deserialize;
use std::{net::SocketAddr, time::Duration};
use switchboard_domain::ServiceName;
use switchboard_mesh::{RemoteSettings, ServeSettings};

/// What is the same for every part of a process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The process.
    pub node: Node,
    /// Where everything is kept.
    pub database: switchboard_db::Settings,
    /// What replicas share beside the database.
    pub coord: switchboard_coord::Settings,
    /// Log lines.
    pub log: Log,
    /// Traces and metrics.
    pub telemetry: Telemetry,
    /// Calls to peers.
    pub mesh: RemoteSettings,
    /// Being called.
    pub serve: ServeSettings,
    /// Where each part listens when it runs alone.
    pub listen: Addresses<String>,
    /// Where each part is found by the others.
    pub peers: Addresses<String>,
}

impl Configured for NodeConfig {
    const SECTIONS: &'static [&'static str] =
        &["node", "database", "coord", "log", "telemetry", "mesh", "serve", "listen", "peers"];

    fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for service in ServiceName::ALL {
            if let Some(text) = self.listen.of(service)
                && text.parse::<SocketAddr>().is_err()
            {
                problems.push(("listen", format!("{service}: `{text}` is no address like 127.0.0.1:7101")));
            }
        }
        problems
    }
}

/// The process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Longest time that open work is given to finish when the process is told to stop.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// Worker threads; 0 means one for each core.
    pub worker_threads: usize,
}

/// Log lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Which lines, in `tracing` filter syntax.
    pub filter: String,
    /// How they look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Traces and metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// OTLP/gRPC collector; none: no traces leave the process.
    #[serde(deserialize_with = "optional")]
    pub otlp_endpoint: Option<String>,
    /// Where metrics and probes of the process are served; none: nowhere.
    #[serde(deserialize_with = "optional")]
    pub internal_listen: Option<String>,
}

/// One value for each part of the mesh.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses<T> {
    agent_auth: T,
    chat_gateway: T,
    notifier: T,
    regulator: T,
    session: T,
}

impl Addresses<String> {
    /// The value of one part; `None` when it is empty.
    pub fn of(&self, service: ServiceName) -> Option<&str> {
        let text = match service {
            ServiceName::AgentAuth => &self.agent_auth,
            ServiceName::ChatGateway => &self.chat_gateway,
            ServiceName::Gateway => return None, // nobody calls the edge, and it listens for browsers
            ServiceName::Notifier => &self.notifier,
            ServiceName::Regulator => &self.regulator,
            ServiceName::Session => &self.session,
        };
        (!text.trim().is_empty()).then_some(text.as_str())
    }
}
