//! Who calls whom, written once, and where the peers of one part are.

use crate::Channel;
use std::{collections::BTreeMap, fmt};
use switchboard_domain::ServiceName;

/// The call graph: each part with the peers it may call. Parts stand below those they call, so the order is also the
/// order in which one process builds them.
pub const CALLS: [(ServiceName, &[ServiceName]); 6] = [
    (ServiceName::Session, &[]),
    (ServiceName::AgentAuth, &[ServiceName::Session]),
    (ServiceName::Regulator, &[ServiceName::Session]),
    (ServiceName::Notifier, &[ServiceName::Session]),
    (ServiceName::ChatGateway, &[ServiceName::Session, ServiceName::Regulator]),
    (
        ServiceName::Gateway,
        &[
            ServiceName::AgentAuth,
            ServiceName::ChatGateway,
            ServiceName::Notifier,
            ServiceName::Regulator,
            ServiceName::Session,
        ],
    ),
];

/// The peers that `service` may call.
pub fn peers_of(service: ServiceName) -> &'static [ServiceName] {
    CALLS.iter().find(|(name, _)| *name == service).map_or(&[], |(_, peers)| peers)
}

/// A part asks for a peer that the call graph does not give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{from} may not call {to}")]
pub struct UnknownPeer {
    /// Who asks.
    pub from: ServiceName,
    /// For whom.
    pub to: ServiceName,
}

/// The channels of one part to its peers.
#[derive(Clone)]
pub struct Directory {
    me: ServiceName,
    channels: BTreeMap<ServiceName, Channel>,
}

impl Directory {
    /// An empty directory for `me`.
    pub fn new(me: ServiceName) -> Self {
        Self { me, channels: BTreeMap::new() }
    }

    /// Adds the way to a peer.
    ///
    /// # Errors
    /// [`UnknownPeer`] when the call graph has no such edge.
    pub fn add(&mut self, peer: ServiceName, channel: Channel) -> Result<(), UnknownPeer> {
        if !peers_of(self.me).contains(&peer) {
            return Err(UnknownPeer { from: self.me, to: peer });
        }
        self.channels.insert(peer, channel);
        Ok(())
    }

    /// The way to a peer.
    ///
    /// # Errors
    /// [`UnknownPeer`] when the call graph has no such edge, or the peer was not added.
    pub fn channel(&self, peer: ServiceName) -> Result<Channel, UnknownPeer> {
        self.channels.get(&peer).cloned().ok_or(UnknownPeer { from: self.me, to: peer })
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("me", &self.me).field("peers", &self.channels.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_graph_has_no_circle() {
        for (at, (service, peers)) in CALLS.iter().enumerate() {
            for peer in *peers {
                let below = CALLS[..at].iter().any(|(name, _)| name == peer);
                assert!(below, "{service} calls {peer}, which does not stand before it");
            }
        }
    }
}
