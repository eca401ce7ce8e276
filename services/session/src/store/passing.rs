//! What else changes when the right to speak passes on: the open offer ends, and the agents concerned are told. Part of
//! every transition, whoever causes it.

use super::{offers, unit::Unit};
use crate::error::SessionError;
use serde_json::{Value, json};
use switchboard_domain::entry::AgentRef;

impl Unit<'_> {
    /// The fence has moved; `former` owned the session before.
    pub(super) async fn passed_on(
        &mut self,
        former: Option<AgentRef>,
        reason: Option<String>,
    ) -> Result<(), SessionError> {
        if let Some(offer) = offers::open_of_session(self.tx, &self.session.name).await? {
            let state = offer.fate(self.session.agent.as_ref().map(|owner| owner.id));
            let note = std::mem::take(&mut self.answer_note);
            offers::end(self, &offer, state, &note).await?;
        }
        let owner = self.session.agent.clone();
        if owner.as_ref().map(|agent| agent.id) == former.as_ref().map(|agent| agent.id) {
            return Ok(());
        }
        self.forget_told().await?;
        let name = self.session.name.to_string();
        if let Some(former) = &former
            && self.actor != Some(former.id)
        {
            let lost = json!({
                "session_name": name,
                "status": self.session.status.as_str(),
                "reason": reason,
                "agent_info": owner.as_ref().map(info),
            });
            self.tell(former.id, "session_lost", lost);
        }
        if let Some(owner) = &owner {
            let assigned = json!({
                "session_name": name,
                "status": self.session.status.as_str(),
                "reason": reason,
                "agent_info": info(owner),
                "from_agent_info": former.as_ref().map(info),
            });
            self.tell(owner.id, "session_assigned", assigned);
        }
        Ok(())
    }
}

/// An agent as events of the wire contract name him.
fn info(agent: &AgentRef) -> Value {
    json!({ "agent_id": agent.id.to_string(), "agent_name": agent.name })
}
