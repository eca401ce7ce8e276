//! On whose behalf a call is made.

use crate::{AgentId, Permission, Permissions, ServiceName, SessionName};
use std::fmt;

/// What kind of somebody a [`Principal`] is; what access declarations list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nobody is identified: a first visit, public metadata.
    Anonymous,
    /// A customer, bound to one session by a visitor token.
    Visitor,
    /// A person of the shop. What he may do is a matter of [`Permissions`].
    Agent,
    /// A part of the mesh, acting for nobody: sweepers, relays, finished turns.
    Service,
}

/// On whose behalf a call is made. Made at the edge from a verified token, never from a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody is identified.
    Anonymous,
    /// The holder of a visitor token of this session.
    Visitor(SessionName),
    /// A person of the shop.
    Agent {
        /// The account.
        id: AgentId,
        /// What he may do, as his token says.
        permissions: Permissions,
    },
    /// A part of the mesh for itself.
    Service(ServiceName),
}

impl Principal {
    /// The role that access declarations are compared with.
    pub fn role(&self) -> Role {
        match self {
            Self::Anonymous => Role::Anonymous,
            Self::Visitor(_) => Role::Visitor,
            Self::Agent { .. } => Role::Agent,
            Self::Service(_) => Role::Service,
        }
    }

    /// Whether this is a person of the shop who may do that.
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Agent { permissions, .. } => permissions.contains(permission),
            Self::Anonymous | Self::Visitor(_) | Self::Service(_) => false,
        }
    }

    /// The account, for a person of the shop.
    pub fn agent(&self) -> Option<AgentId> {
        match self {
            Self::Agent { id, .. } => Some(*id),
            Self::Anonymous | Self::Visitor(_) | Self::Service(_) => None,
        }
    }

    /// Reads the text form written by [`fmt::Display`]; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "anonymous" if rest.is_empty() => Some(Self::Anonymous),
            "visitor" => SessionName::parse(rest).ok().map(Self::Visitor),
            "agent" => {
                let (id, permissions) = rest.split_once(':')?;
                Some(Self::Agent {
                    id: AgentId::parse(id).ok()?,
                    permissions: Permissions::parse(permissions)?,
                })
            }
            "service" => rest.parse().ok().map(Self::Service),
            _ => None,
        }
    }
}

/// The form in which a principal travels between parts of the mesh, `visitor:alice`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Visitor(name) => write!(f, "visitor:{name}"),
            Self::Agent { id, permissions } => write!(f, "agent:{id}:{permissions}"),
            Self::Service(name) => write!(f, "service:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        for text in [
            "anonymous",
            "visitor:a:b",
            "service:chat-gateway",
            "agent:agt_0192f0c1a2b37c4d8e5f60718293a4b5:1f",
        ] {
            assert_eq!(Principal::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "anonymous:x",
            "visitor:",
            "agent:bob",
            "agent:agt_0192f0c1a2b37c4d8e5f60718293a4b5",
            "root",
            "service:nobody",
        ] {
            assert_eq!(Principal::parse(bad), None, "{bad}");
        }
    }
}
