//! Which agents listen to their own logs here, and how far those are known to be. Only a hint: the log is read from the
//! database.

use super::Hub;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use switchboard_coord::Hint;
use switchboard_domain::AgentId;
use tokio::sync::watch;

/// How far each log that is listened to is known to be.
pub(super) type Heads = Mutex<HashMap<AgentId, Arc<watch::Sender<i64>>>>;

/// One listener to an agent's log. Dropping the last one of an agent frees his place.
#[derive(Debug)]
pub(crate) struct AgentListener {
    hub: Arc<Hub>,
    agent: AgentId,
    // Keeps the channel open.
    _sender: Arc<watch::Sender<i64>>,
    head: watch::Receiver<i64>,
}

impl Hub {
    /// Registers a listener to an agent's log. From here on nothing that is committed can be missed.
    pub(crate) fn listen_agent(self: &Arc<Self>, agent: AgentId) -> AgentListener {
        let mut heads = self.agents.lock();
        let sender = Arc::clone(heads.entry(agent).or_insert_with(|| Arc::new(watch::channel(0).0)));
        let head = sender.subscribe();
        AgentListener { hub: Arc::clone(self), agent, _sender: sender, head }
    }

    /// Tells of new places in agents' logs, after the commit.
    pub(crate) fn told(&self, places: &[(AgentId, i64)]) {
        for (agent, place) in places {
            self.bus.tell_others(Hint::Agent { id: agent.to_string(), seq: *place });
        }
        self.told_elsewhere(places);
    }

    /// The same, as another replica told it.
    pub(super) fn told_elsewhere(&self, places: &[(AgentId, i64)]) {
        for (agent, place) in places {
            let Some(sender) = self.agents.lock().get(agent).cloned() else { continue };
            sender.send_if_modified(|head| {
                let newer = place > head;
                *head = (*place).max(*head);
                newer
            });
        }
    }

    /// How many agents listen.
    pub(crate) fn agents_listening(&self) -> usize {
        self.agents.lock().len()
    }
}

impl AgentListener {
    /// Waits until something after `seq` is known to be committed.
    pub(crate) async fn beyond(&mut self, seq: i64) {
        // The sender is held above, so the channel cannot close.
        let _ = self.head.wait_for(|head| *head > seq).await;
    }
}

impl Drop for AgentListener {
    fn drop(&mut self) {
        let mut heads = self.hub.agents.lock();
        // The map's reference and this one: nobody else listens.
        if heads.get(&self.agent).is_some_and(|sender| Arc::strong_count(sender) <= 2) {
            heads.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_only_grows_and_is_freed_with_its_last_listener() {
        let hub = crate::hub::tests::alone(1);
        let agent = AgentId::parse("agt_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap();
        hub.told(&[(agent, 7)]);
        let mut one = hub.listen_agent(agent);
        hub.told(&[(agent, 2)]);
        hub.told(&[(agent, 1)]);
        one.beyond(1).await;
        assert_eq!(*one.head.borrow(), 2);
        let two = hub.listen_agent(agent);
        assert_eq!(hub.agents_listening(), 1);
        drop(one);
        assert_eq!(hub.agents_listening(), 1);
        drop(two);
        assert_eq!(hub.agents_listening(), 0);
    }
}
