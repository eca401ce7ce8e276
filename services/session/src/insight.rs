//! What people of the shop see of a session beside it: how pressing it is, and what they noted of the customer.

use crate::{error::SessionError, floor::priority, store::Store};
use switchboard_domain::Session;
use switchboard_mesh::CallContext;
use switchboard_proto::session::v1::Insight;

/// The insight of whoever makes the running call; none for customers.
pub(crate) async fn of(store: &Store, session: &Session) -> Result<Option<Insight>, SessionError> {
    if CallContext::current().and_then(|context| context.principal.agent()).is_none() {
        return Ok(None);
    }
    let noted = store.noted(&session.name).await?;
    Ok(Some(Insight {
        priority: store.priority(session, store.clock.now()).map(priority),
        attributes: noted.attributes.into_iter().collect(),
    }))
}
