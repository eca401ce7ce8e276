//! Agent-auth, with one key.

use super::{FakeAuth, refuse};
use crate::testing::START_MS;
use switchboard_domain::ErrorKind;
use switchboard_mesh::CallContext;
use switchboard_proto::agentauth::v1 as auth;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl auth::agent_auth_service_server::AgentAuthService for FakeAuth {
    async fn get_jwks(
        &self,
        _: Request<auth::GetJwksRequest>,
    ) -> Result<Response<auth::GetJwksResponse>, Status> {
        *self.0.jwks_asked.lock() += 1;
        if *self.0.auth_is_away.lock() {
            return Err(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "away"));
        }
        let jwks_json = serde_json::json!({ "keys": [self.0.key.lock().jwk()] }).to_string();
        Ok(Response::new(auth::GetJwksResponse { jwks_json, max_age_ms: 300_000 }))
    }

    async fn issue_visitor_token(
        &self,
        request: Request<auth::IssueVisitorTokenRequest>,
    ) -> Result<Response<auth::IssueVisitorTokenResponse>, Status> {
        if *self.0.auth_is_away.lock() {
            return Err(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "away"));
        }
        self.0.issued.lock().push(CallContext::current().unwrap().principal);
        let token = self.0.key.lock().token(&request.into_inner().session);
        let expires_at_ms = START_MS + 7 * 24 * 3_600_000;
        Ok(Response::new(auth::IssueVisitorTokenResponse { token, expires_at_ms }))
    }
    async fn issue_event_ticket(
        &self,
        request: Request<auth::IssueEventTicketRequest>,
    ) -> Result<Response<auth::IssueEventTicketResponse>, Status> {
        let mut tickets = self.0.tickets.lock();
        let ticket = format!("ticket-{}", tickets.len());
        tickets.insert(ticket.clone(), request.into_inner());
        Ok(Response::new(auth::IssueEventTicketResponse { ticket, expires_at_ms: START_MS + 30_000 }))
    }

    async fn redeem_event_ticket(
        &self,
        request: Request<auth::RedeemEventTicketRequest>,
    ) -> Result<Response<auth::RedeemEventTicketResponse>, Status> {
        let request = request.into_inner();
        let made = self.0.tickets.lock().remove(&request.ticket);
        match made.filter(|made| made.session == request.session && made.origin == request.origin) {
            Some(made) => {
                Ok(Response::new(auth::RedeemEventTicketResponse { holder_json: made.holder_json }))
            }
            None => Err(refuse(ErrorKind::Unauthenticated, "INVALID_TICKET", "used")),
        }
    }
}
