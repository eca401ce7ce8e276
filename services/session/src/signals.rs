//! `SignalService`: the small signals beside a conversation.

use crate::{
    caller::principal,
    error::SessionError,
    hub::Signal,
    store::{
        Store,
        receipts::{Reached, Side},
    },
    wire as read,
};
use switchboard_mesh::reply;
use switchboard_proto::session::v1::{self as wire, signal_service_server::SignalService};
use tonic::{Request, Response, Status};

/// The signals.
#[derive(Debug)]
pub(crate) struct SignalDesk {
    store: Store,
}

impl SignalDesk {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    async fn tell_typing(&self, request: wire::TypeRequest) -> Result<wire::TypeResponse, SessionError> {
        let name = read::name(&request.session)?;
        let side = self.store.side(&principal(), &name).await?;
        let agent = match side {
            Side::Customer => None,
            Side::Agent => self.store.session(&name).await?.agent.as_ref().map(Into::into),
        };
        let typing = wire::Typing { party: side.party().into(), agent };
        self.store.hub.signal(&name, Signal::Typing(typing));
        Ok(wire::TypeResponse {})
    }

    async fn acknowledge(
        &self,
        request: wire::AcknowledgeRequest,
    ) -> Result<wire::AcknowledgeResponse, SessionError> {
        let name = read::name(&request.session)?;
        let side = self.store.side(&principal(), &name).await?;
        let reached = Reached { delivered: request.delivered, read: request.read };
        let progress = self.store.acknowledge(name.clone(), side, reached).await?;
        let customer = progress.customer.to_wire(wire::Party::Customer);
        let agent = progress.agent.to_wire(wire::Party::Agent);
        let mine = if side == Side::Customer { customer } else { agent };
        self.store.hub.signal(&name, Signal::Receipt(mine));
        Ok(wire::AcknowledgeResponse { customer: Some(customer), agent: Some(agent) })
    }
}

#[tonic::async_trait]
impl SignalService for SignalDesk {
    async fn r#type(
        &self,
        request: Request<wire::TypeRequest>,
    ) -> Result<Response<wire::TypeResponse>, Status> {
        reply(self.tell_typing(request.into_inner())).await
    }

    async fn acknowledge(
        &self,
        request: Request<wire::AcknowledgeRequest>,
    ) -> Result<Response<wire::AcknowledgeResponse>, Status> {
        reply(self.acknowledge(request.into_inner())).await
    }
}
