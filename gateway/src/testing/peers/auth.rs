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
}
