//! Who makes the running call, and in whose name he may act: his own.

use crate::{desk::Denied, error::SessionError};
use switchboard_domain::{AgentId, Principal, entry::AgentRef};
use switchboard_mesh::CallContext;
use switchboard_proto::{common::v1 as common, convert::WireError};

/// On whose behalf the running call is.
pub(crate) fn principal() -> Principal {
    CallContext::current().map_or(Principal::Anonymous, |context| context.principal)
}

/// The account of the agent who calls.
///
/// # Errors
/// [`Denied::IdentityMismatch`] when no agent calls.
pub(crate) fn caller() -> Result<AgentId, SessionError> {
    principal().agent().ok_or_else(|| Denied::IdentityMismatch.into())
}

/// The agent whom the request names, if he is the one who calls.
///
/// # Errors
/// [`Denied::IdentityMismatch`] when he is not; a [`WireError`] when nobody is named.
pub(crate) fn acting(named: Option<common::AgentRef>) -> Result<AgentRef, SessionError> {
    let named: AgentRef = named.ok_or(WireError::new("agent"))?.try_into()?;
    if principal().agent() == Some(named.id) { Ok(named) } else { Err(Denied::IdentityMismatch.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_domain::{Clock, Permissions, Rng, ServiceName, Timestamp};
    use switchboard_mesh::Fail as _;

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1)
        }
    }

    impl Rng for Still {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[tokio::test]
    async fn agents_act_in_their_own_name_only() {
        let (me, other) = (AgentId::mint(&Still, &Still), AgentId::parse(OTHER).unwrap());
        let named = |id: AgentId| Some(common::AgentRef { id: id.to_string(), name: "Wang".into() });
        let by = |principal| {
            CallContext::background(ServiceName::Gateway, &Still, &Still).acting_as(principal).scope(async {
                let code = |error: SessionError| error.failure().code.to_string();
                let outcome = (caller(), acting(named(me)), acting(named(other)));
                (outcome.0.ok(), outcome.1.map(|agent| agent.id).ok(), outcome.2.map_err(code).err())
            })
        };
        let mismatch = Some("IDENTITY_MISMATCH".to_owned());
        let agent = Principal::Agent { id: me, permissions: Permissions::default() };
        assert_eq!(by(agent).await, (Some(me), Some(me), mismatch.clone()));
        assert_eq!(by(Principal::Anonymous).await, (None, None, mismatch));
    }

    const OTHER: &str = "agt_00000000000070008000000000000001";
}
