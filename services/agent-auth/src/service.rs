//! The calls it answers.

use crate::{
    AgentAuthError,
    config::Settings,
    keys::Keys,
    tickets::Tickets,
    token::{Issuer, Visitor},
};
use std::{sync::Arc, time::Duration};
use switchboard_domain::{Clock, Rng};
use switchboard_mesh::reply;
use switchboard_proto::agentauth::v1::{
    GetJwksRequest, GetJwksResponse, IssueEventTicketRequest, IssueEventTicketResponse,
    IssueVisitorTokenRequest, IssueVisitorTokenResponse, RedeemEventTicketRequest, RedeemEventTicketResponse,
    agent_auth_service_server::AgentAuthService,
};
use tonic::{Request, Response, Status};

/// Publishes keys and signs tokens.
#[derive(Debug, Clone)]
pub(crate) struct AgentAuth {
    keys: Arc<Keys>,
    tickets: Tickets,
    issuer: Issuer,
    jwks_max_age: Duration,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl AgentAuth {
    /// Over loaded keys.
    pub(crate) fn new(
        keys: Arc<Keys>,
        tickets: Tickets,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        let issuer = Issuer { name: settings.issuer.clone(), life: settings.visitor_token_life };
        Self { keys, tickets, issuer, jwks_max_age: settings.jwks_max_age, clock, rng }
    }

    async fn jwks(&self) -> Result<GetJwksResponse, AgentAuthError> {
        let max_age_ms = i64::try_from(self.jwks_max_age.as_millis()).unwrap_or(i64::MAX);
        Ok(GetJwksResponse { jwks_json: self.keys.jwks().await?, max_age_ms })
    }

    fn visitor_token(
        &self,
        request: IssueVisitorTokenRequest,
    ) -> Result<IssueVisitorTokenResponse, AgentAuthError> {
        let visitor = Visitor::try_from(request)?;
        let key = self.keys.signing()?;
        let (token, expires_at) = self.issuer.sign(&visitor, &key, self.clock.now(), &*self.rng)?;
        metrics::counter!("switchboard_agent_auth_visitor_tokens_total").increment(1);
        Ok(IssueVisitorTokenResponse { token, expires_at_ms: expires_at.millis() })
    }
}

#[tonic::async_trait]
impl AgentAuthService for AgentAuth {
    async fn get_jwks(&self, _request: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        reply(self.jwks()).await
    }

    async fn issue_visitor_token(
        &self,
        request: Request<IssueVisitorTokenRequest>,
    ) -> Result<Response<IssueVisitorTokenResponse>, Status> {
        reply(async { self.visitor_token(request.into_inner()) }).await
    }

    async fn issue_event_ticket(
        &self,
        request: Request<IssueEventTicketRequest>,
    ) -> Result<Response<IssueEventTicketResponse>, Status> {
        reply(self.tickets.issue(request.into_inner())).await
    }

    async fn redeem_event_ticket(
        &self,
        request: Request<RedeemEventTicketRequest>,
    ) -> Result<Response<RedeemEventTicketResponse>, Status> {
        reply(self.tickets.redeem(request.into_inner())).await
    }
}
