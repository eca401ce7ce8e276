//! The calls of `LoginService`.

use crate::{api_keys::ApiKeys, login::Logins, revocation};
use switchboard_mesh::reply;
use switchboard_proto::agentauth::v1::{
    AgentResponse, BeginTotpRequest, BeginTotpResponse, ChangePasswordRequest, ConfirmTotpRequest,
    ConfirmTotpResponse, DisableTotpRequest, DisableTotpResponse, GetMeRequest, ListLoginsRequest,
    ListLoginsResponse, ListRevocationsRequest, ListRevocationsResponse, LogInRequest, LogInResponse,
    LogOutRequest, LogOutResponse, RefreshRequest, UpdateMeRequest, VerifyApiKeyRequest,
    VerifyApiKeyResponse, login_service_server::LoginService,
};
use tonic::{Request, Response, Status};

/// Answers them.
#[derive(Debug, Clone)]
pub(crate) struct LoginCalls {
    pub(crate) logins: Logins,
    pub(crate) api_keys: ApiKeys,
}

#[tonic::async_trait]
impl LoginService for LoginCalls {
    async fn log_in(&self, request: Request<LogInRequest>) -> Result<Response<LogInResponse>, Status> {
        reply(self.logins.log_in(request.into_inner())).await
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<LogInResponse>, Status> {
        reply(self.logins.refresh(request.into_inner())).await
    }

    async fn log_out(&self, request: Request<LogOutRequest>) -> Result<Response<LogOutResponse>, Status> {
        reply(self.logins.log_out(request.into_inner())).await
    }

    async fn list_revocations(
        &self,
        request: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        let now = self.logins.clock.now();
        reply(revocation::list(&self.logins.store.db, request.into_inner().after, now)).await
    }

    async fn verify_api_key(
        &self,
        request: Request<VerifyApiKeyRequest>,
    ) -> Result<Response<VerifyApiKeyResponse>, Status> {
        reply(self.api_keys.verify(&request.into_inner().key)).await
    }

    async fn get_me(&self, _request: Request<GetMeRequest>) -> Result<Response<AgentResponse>, Status> {
        reply(self.logins.get_me()).await
    }

    async fn update_me(&self, request: Request<UpdateMeRequest>) -> Result<Response<AgentResponse>, Status> {
        reply(self.logins.update_me(request.into_inner())).await
    }

    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Result<Response<LogInResponse>, Status> {
        reply(self.logins.change_password(request.into_inner())).await
    }

    async fn begin_totp(
        &self,
        request: Request<BeginTotpRequest>,
    ) -> Result<Response<BeginTotpResponse>, Status> {
        reply(self.logins.begin_totp(request.into_inner())).await
    }

    async fn confirm_totp(
        &self,
        request: Request<ConfirmTotpRequest>,
    ) -> Result<Response<ConfirmTotpResponse>, Status> {
        reply(self.logins.confirm_totp(request.into_inner())).await
    }

    async fn disable_totp(
        &self,
        request: Request<DisableTotpRequest>,
    ) -> Result<Response<DisableTotpResponse>, Status> {
        reply(self.logins.disable_totp(request.into_inner())).await
    }

    async fn list_logins(
        &self,
        _request: Request<ListLoginsRequest>,
    ) -> Result<Response<ListLoginsResponse>, Status> {
        reply(self.logins.list_logins()).await
    }
}
