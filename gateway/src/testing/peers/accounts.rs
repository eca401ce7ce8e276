//! Agent-auth's accounts: whatever is asked is done, and written down.

use super::{
    FakeAccounts,
    login::{Answer, account, note, told},
};
use crate::testing::START_MS;
use switchboard_domain::Permission;
use switchboard_proto::agentauth::v1 as auth;
use tonic::{Request, Response};

fn role(name: &str) -> auth::RoleInfo {
    auth::RoleInfo {
        name: name.into(),
        description: "a role".into(),
        permissions: vec!["account.self".into()],
        built_in: false,
        version: 2,
        holders: 1,
    }
}

fn key() -> auth::ApiKey {
    auth::ApiKey {
        id: "key_00000000000000000000000000000001".into(),
        name: "import".into(),
        hint: "swb_ab".into(),
        agent_id: account().id,
        permissions: vec!["sessions.read".into()],
        created_at_ms: START_MS,
        expires_at_ms: Some(START_MS + 1500),
        last_used_at_ms: None,
        revoked_at_ms: None,
    }
}

#[tonic::async_trait]
impl auth::accounts_service_server::AccountsService for FakeAccounts {
    async fn list_agents(
        &self,
        request: Request<auth::ListAgentsRequest>,
    ) -> Answer<auth::ListAgentsResponse> {
        let asked = request.into_inner();
        let facts = format!("{}/{}/{}/{}", asked.status, asked.role, asked.page, asked.page_size);
        note(&self.0, "list_agents", &facts)?;
        Ok(Response::new(auth::ListAgentsResponse { agents: vec![account()], total: 41 }))
    }

    async fn get_agent(&self, request: Request<auth::GetAgentRequest>) -> Answer<auth::AgentResponse> {
        note(&self.0, "get_agent", &request.into_inner().agent)?;
        Ok(told())
    }

    async fn create_agent(&self, request: Request<auth::CreateAgentRequest>) -> Answer<auth::AgentResponse> {
        let asked = request.into_inner();
        note(&self.0, "create_agent", &format!("{} {}", asked.username, asked.max_sessions))?;
        self.0.accounts.lock().repeats.push(asked.idempotency);
        Ok(told())
    }

    async fn update_agent(&self, request: Request<auth::UpdateAgentRequest>) -> Answer<auth::AgentResponse> {
        let asked = request.into_inner();
        let facts = format!("{} {:?} {:?}", asked.agent, asked.role, asked.status);
        note(&self.0, "update_agent", &facts)?;
        Ok(told())
    }

    async fn delete_agent(
        &self,
        request: Request<auth::DeleteAgentRequest>,
    ) -> Answer<auth::DeleteAgentResponse> {
        note(&self.0, "delete_agent", &request.into_inner().agent)?;
        Ok(Response::new(auth::DeleteAgentResponse {}))
    }

    async fn reset_password(
        &self,
        request: Request<auth::ResetPasswordRequest>,
    ) -> Answer<auth::AgentResponse> {
        let asked = request.into_inner();
        note(&self.0, "reset_password", &format!("{} {}", asked.agent, asked.remove_totp))?;
        Ok(told())
    }

    async fn set_skills(&self, request: Request<auth::SetSkillsRequest>) -> Answer<auth::AgentResponse> {
        let asked = request.into_inner();
        let levels: Vec<String> = asked.skills.into_iter().map(|skill| skill.level).collect();
        note(&self.0, "set_skills", &format!("{} {}", asked.agent, levels.join(",")))?;
        Ok(told())
    }

    async fn list_available(
        &self,
        _: Request<auth::ListAvailableRequest>,
    ) -> Answer<auth::ListAgentsResponse> {
        note(&self.0, "list_available", "")?;
        Ok(Response::new(auth::ListAgentsResponse { agents: vec![account()], total: 1 }))
    }

    async fn set_status(&self, request: Request<auth::SetStatusRequest>) -> Answer<auth::AgentResponse> {
        let asked = request.into_inner();
        note(&self.0, "set_status", &format!("{} {:?}", asked.status, asked.note))?;
        Ok(told())
    }

    async fn heartbeat(&self, request: Request<auth::HeartbeatRequest>) -> Answer<auth::HeartbeatResponse> {
        note(&self.0, "heartbeat", &request.into_inner().active.to_string())?;
        Ok(Response::new(auth::HeartbeatResponse {
            last_active_at_ms: Some(START_MS),
            lease_until_ms: START_MS + 30_000,
            status: "online".into(),
        }))
    }

    async fn list_roles(&self, _: Request<auth::ListRolesRequest>) -> Answer<auth::ListRolesResponse> {
        note(&self.0, "list_roles", "")?;
        let permissions = Permission::ALL.iter().map(ToString::to_string).collect();
        Ok(Response::new(auth::ListRolesResponse { roles: vec![role("agent")], permissions }))
    }

    async fn put_role(&self, request: Request<auth::PutRoleRequest>) -> Answer<auth::RoleResponse> {
        let asked = request.into_inner();
        note(&self.0, "put_role", &format!("{} {}", asked.name, asked.expected_version))?;
        Ok(Response::new(auth::RoleResponse { role: Some(role(&asked.name)) }))
    }

    async fn delete_role(
        &self,
        request: Request<auth::DeleteRoleRequest>,
    ) -> Answer<auth::DeleteRoleResponse> {
        note(&self.0, "delete_role", &request.into_inner().name)?;
        Ok(Response::new(auth::DeleteRoleResponse {}))
    }

    async fn list_api_keys(&self, _: Request<auth::ListApiKeysRequest>) -> Answer<auth::ListApiKeysResponse> {
        note(&self.0, "list_api_keys", "")?;
        Ok(Response::new(auth::ListApiKeysResponse { keys: vec![key()] }))
    }

    async fn create_api_key(
        &self,
        request: Request<auth::CreateApiKeyRequest>,
    ) -> Answer<auth::CreateApiKeyResponse> {
        let asked = request.into_inner();
        note(&self.0, "create_api_key", &format!("{:?}", asked.expires_at_ms))?;
        self.0.accounts.lock().repeats.push(asked.idempotency);
        Ok(Response::new(auth::CreateApiKeyResponse { key: Some(key()), secret: "swb_abc".into() }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<auth::RevokeApiKeyRequest>,
    ) -> Answer<auth::ApiKeyResponse> {
        note(&self.0, "revoke_api_key", &request.into_inner().id)?;
        Ok(Response::new(auth::ApiKeyResponse { key: Some(key()) }))
    }
}
