//! Who may call what: the declaration that every RPC carries in its proto file, as a value.

use crate::{Permission, Principal, Role};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The parts of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceName {
    /// Accounts, tokens, keys.
    AgentAuth,
    /// One bot turn from question to recorded answer.
    ChatGateway,
    /// The axum edge.
    Gateway,
    /// E-mail, webhooks, pushes.
    Notifier,
    /// Escalation policy.
    Regulator,
    /// The ordered log of every session.
    Session,
}

impl ServiceName {
    /// All parts, alphabetical.
    pub const ALL: [Self; 6] =
        [Self::AgentAuth, Self::ChatGateway, Self::Gateway, Self::Notifier, Self::Regulator, Self::Session];

    /// The name as it stands in commands, configuration and metadata.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentAuth => "agent-auth",
            Self::ChatGateway => "chat-gateway",
            Self::Gateway => "gateway",
            Self::Notifier => "notifier",
            Self::Regulator => "regulator",
            Self::Session => "session",
        }
    }

    /// The name with an underscore: configuration section, database schema, SQLite file.
    pub const fn snake(self) -> &'static str {
        match self {
            Self::AgentAuth => "agent_auth",
            Self::ChatGateway => "chat_gateway",
            Self::Gateway => "gateway",
            Self::Notifier => "notifier",
            Self::Regulator => "regulator",
            Self::Session => "session",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ServiceName {
    type Err = UnknownService;
    fn from_str(text: &str) -> Result<Self, UnknownService> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(UnknownService)
    }
}

/// A text names no part of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no service of this name")]
pub struct UnknownService;

/// Which budget a call draws on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// Between services; not limited per person.
    Internal,
    /// Cheap reads.
    Read,
    /// Writes by a person.
    Write,
    /// Messages that cost a model call.
    Chat,
    /// Long-lived streams.
    Stream,
    /// Secrets are checked or issued.
    Auth,
}

/// What a method declares with `(switchboard.access)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Full gRPC path, `/switchboard.session.v1.SessionService/Say`.
    pub path: &'static str,
    /// On whose behalf it may be called, beside people of the shop.
    pub roles: &'static [Role],
    /// What a person of the shop needs to call it; `None`: no such person may.
    pub permission: Option<Permission>,
    /// Which parts of the mesh may call it; never empty.
    pub callers: &'static [ServiceName],
    /// Which budget it draws on.
    pub rate: RateClass,
    /// Whether the method may be repeated when the outcome is unknown (`idempotency_level`).
    pub repeatable: bool,
}

impl Access {
    /// Whether the declaration lets `principal` in.
    pub fn admits(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Agent { .. } => self.permission.is_some_and(|needed| principal.may(needed)),
            Principal::Anonymous | Principal::Visitor(_) | Principal::Service(_) => {
                self.roles.contains(&principal.role())
            }
        }
    }
}
