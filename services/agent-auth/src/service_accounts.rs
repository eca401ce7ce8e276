//! The calls of the account service: who calls, one call inside, the answer.

use crate::{accounts::Accounts, denial::Caller};
use switchboard_mesh::reply;
use switchboard_proto::agentauth::v1::{
    AgentResponse, ApiKeyResponse, CreateAgentRequest, CreateApiKeyRequest, CreateApiKeyResponse,
    DeleteAgentRequest, DeleteAgentResponse, DeleteRoleRequest, DeleteRoleResponse, GetAgentRequest,
    HeartbeatRequest, HeartbeatResponse, ListAgentsRequest, ListAgentsResponse, ListApiKeysRequest,
    ListApiKeysResponse, ListAvailableRequest, ListRolesRequest, ListRolesResponse, PutRoleRequest,
    ResetPasswordRequest, RevokeApiKeyRequest, RoleResponse, SetSkillsRequest, SetStatusRequest,
    UpdateAgentRequest, accounts_service_server::AccountsService,
};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl AccountsService for Accounts {
    async fn list_agents(
        &self,
        request: Request<ListAgentsRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        reply(self.list(request.into_inner())).await
    }

    async fn get_agent(&self, request: Request<GetAgentRequest>) -> Result<Response<AgentResponse>, Status> {
        reply(self.get(&request.into_inner().agent)).await
    }

    async fn create_agent(
        &self,
        request: Request<CreateAgentRequest>,
    ) -> Result<Response<AgentResponse>, Status> {
        reply(async { self.create(Caller::current()?, request.into_inner()).await }).await
    }

    async fn update_agent(
        &self,
        request: Request<UpdateAgentRequest>,
    ) -> Result<Response<AgentResponse>, Status> {
        reply(async { self.update(Caller::current()?, request.into_inner()).await }).await
    }

    async fn delete_agent(
        &self,
        request: Request<DeleteAgentRequest>,
    ) -> Result<Response<DeleteAgentResponse>, Status> {
        let work = async {
            self.delete(Caller::current()?, &request.into_inner().agent)
                .await
                .map(|()| DeleteAgentResponse {})
        };
        reply(work).await
    }

    async fn reset_password(
        &self,
        request: Request<ResetPasswordRequest>,
    ) -> Result<Response<AgentResponse>, Status> {
        reply(async { self.reset_password(Caller::current()?, request.into_inner()).await }).await
    }

    async fn set_skills(
        &self,
        request: Request<SetSkillsRequest>,
    ) -> Result<Response<AgentResponse>, Status> {
        reply(async { self.set_skills(Caller::current()?, request.into_inner()).await }).await
    }

    async fn list_available(
        &self,
        _request: Request<ListAvailableRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        reply(async { self.available(Caller::current()?).await }).await
    }

    async fn set_status(
        &self,
        request: Request<SetStatusRequest>,
    ) -> Result<Response<AgentResponse>, Status> {
        reply(async { self.set_status(Caller::current()?, request.into_inner()).await }).await
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        reply(async { self.heartbeat(Caller::current()?, request.into_inner()).await }).await
    }

    async fn list_roles(
        &self,
        _request: Request<ListRolesRequest>,
    ) -> Result<Response<ListRolesResponse>, Status> {
        reply(self.roles()).await
    }

    async fn put_role(&self, request: Request<PutRoleRequest>) -> Result<Response<RoleResponse>, Status> {
        reply(async { self.put_role(Caller::current()?, request.into_inner()).await }).await
    }

    async fn delete_role(
        &self,
        request: Request<DeleteRoleRequest>,
    ) -> Result<Response<DeleteRoleResponse>, Status> {
        let work = async {
            self.delete_role(Caller::current()?, request.into_inner()).await.map(|()| DeleteRoleResponse {})
        };
        reply(work).await
    }

    async fn list_api_keys(
        &self,
        _request: Request<ListApiKeysRequest>,
    ) -> Result<Response<ListApiKeysResponse>, Status> {
        reply(async { self.api_keys(Caller::current()?).await }).await
    }

    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> Result<Response<CreateApiKeyResponse>, Status> {
        reply(async { self.create_api_key(Caller::current()?, request.into_inner()).await }).await
    }

    async fn revoke_api_key(
        &self,
        request: Request<RevokeApiKeyRequest>,
    ) -> Result<Response<ApiKeyResponse>, Status> {
        reply(async { self.revoke_api_key(Caller::current()?, &request.into_inner().id).await }).await
    }
}
