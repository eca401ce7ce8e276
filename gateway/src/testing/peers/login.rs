//! Agent-auth's logins: one account, its password, its keys, and what no longer counts.

use super::{FakeLogin, refuse};
use crate::testing::{START_MS, token::AGENT};
use std::collections::BTreeMap;
use switchboard_domain::{BuiltinRole, ErrorKind, Permissions, Principal};
use switchboard_mesh::CallContext;
use switchboard_proto::agentauth::v1::{
    self as auth, list_revocations_response::Revocation, list_revocations_response::revocation::What,
};
use switchboard_proto::common::v1::Idempotency;
use tonic::{Request, Response, Status};

pub(crate) const PASSWORD: &str = "a password of some length";
pub(crate) const REFRESH: &str = "rt-1";

/// What agent-auth knows of agents.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) revoked: Vec<Revocation>,
    pub(crate) is_away: bool,
    /// Keys and what they may do.
    pub(crate) api_keys: BTreeMap<String, Permissions>,
    pub(crate) api_keys_asked: u32,
    /// What was asked, on whose behalf: `change_password agent:agt_…:1`.
    pub(crate) calls: Vec<String>,
    /// The keys of those that make something.
    pub(crate) repeats: Vec<Option<Idempotency>>,
    pub(crate) refuse_next: Option<Status>,
}

/// An answer of agent-auth.
pub(super) type Answer<T> = Result<Response<T>, Status>;

impl FakeLogin {
    fn note(&self, rpc: &str, facts: &str) -> Result<(), Status> {
        note(&self.0, rpc, facts)
    }
}

/// Writes down what was asked, and refuses when told to.
pub(super) fn note(world: &super::World, rpc: &str, facts: &str) -> Result<(), Status> {
    let principal = CallContext::current().unwrap().principal;
    let mut accounts = world.accounts.lock();
    accounts.calls.push(format!("{rpc} {principal} {facts}").trim_end().to_owned());
    accounts.refuse_next.take().map_or(Ok(()), Err)
}

impl Accounts {
    pub(crate) fn revoke(&mut self, what: What, before_ms: i64) {
        let until_ms = START_MS + 3_600_000;
        self.revoked.push(Revocation { what: Some(what), before_ms, until_ms });
    }
}

/// The account, as agent-auth tells it.
pub(crate) fn account() -> auth::Agent {
    auth::Agent {
        id: AGENT.to_owned(),
        username: "xiaoming".into(),
        name: "王小明".into(),
        role: "agent".into(),
        status: "online".into(),
        status_note: String::new(),
        status_at_ms: START_MS,
        last_active_at_ms: Some(START_MS + 500),
        max_sessions: 5,
        created_at_ms: START_MS - 1000,
        last_login_at_ms: None,
        avatar_url: String::new(),
        skills: vec![auth::Skill {
            category: "售后".into(),
            level: "senior".into(),
            tags: vec!["退款".into()],
        }],
        must_change_password: false,
        totp_enabled: false,
        disabled_at_ms: None,
        version: 3,
    }
}

fn tokens(world: &super::World) -> auth::LogInResponse {
    let permissions = BuiltinRole::Agent.permissions();
    auth::LogInResponse {
        access_token: world.key.lock().access(permissions),
        refresh_token: "rt-2".into(),
        expires_in_ms: 900_000,
        refresh_expires_in_ms: 604_800_000,
        permissions: permissions.iter().map(|permission| permission.to_string()).collect(),
        agent: Some(account()),
    }
}

pub(super) fn told() -> Response<auth::AgentResponse> {
    Response::new(auth::AgentResponse { agent: Some(account()), permissions: vec!["account.self".into()] })
}

#[tonic::async_trait]
impl auth::login_service_server::LoginService for FakeLogin {
    async fn log_in(&self, request: Request<auth::LogInRequest>) -> Answer<auth::LogInResponse> {
        let asked = request.into_inner();
        self.note("log_in", &format!("{} {}", asked.username, asked.device_id))?;
        if asked.password != PASSWORD || asked.username != "xiaoming" {
            return Err(refuse(ErrorKind::Unauthenticated, "INVALID_CREDENTIALS", "wrong name or password"));
        }
        Ok(Response::new(tokens(&self.0)))
    }

    async fn refresh(&self, request: Request<auth::RefreshRequest>) -> Answer<auth::LogInResponse> {
        self.note("refresh", "")?;
        if request.into_inner().refresh_token != REFRESH {
            return Err(refuse(ErrorKind::Unauthenticated, "INVALID_REFRESH_TOKEN", "not a refresh token"));
        }
        Ok(Response::new(tokens(&self.0)))
    }

    async fn log_out(&self, request: Request<auth::LogOutRequest>) -> Answer<auth::LogOutResponse> {
        let asked = request.into_inner();
        self.note("log_out", &format!("{} {}", asked.login, asked.everywhere))?;
        Ok(Response::new(auth::LogOutResponse {}))
    }

    async fn list_revocations(
        &self,
        request: Request<auth::ListRevocationsRequest>,
    ) -> Answer<auth::ListRevocationsResponse> {
        let accounts = self.0.accounts.lock();
        if accounts.is_away {
            return Err(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "away"));
        }
        let after = usize::try_from(request.into_inner().after).unwrap();
        let cursor = i64::try_from(accounts.revoked.len()).unwrap();
        let revocations = accounts.revoked[after..].to_vec();
        Ok(Response::new(auth::ListRevocationsResponse { revocations, cursor }))
    }

    async fn verify_api_key(
        &self,
        request: Request<auth::VerifyApiKeyRequest>,
    ) -> Answer<auth::VerifyApiKeyResponse> {
        assert!(matches!(CallContext::current().unwrap().principal, Principal::Service(_)));
        let mut accounts = self.0.accounts.lock();
        accounts.api_keys_asked += 1;
        if accounts.is_away {
            return Err(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "away"));
        }
        let key = request.into_inner().key;
        let permissions = accounts.api_keys.get(&key).copied();
        let permissions = permissions
            .ok_or_else(|| refuse(ErrorKind::Unauthenticated, "INVALID_API_KEY", "no such key"))?;
        Ok(Response::new(auth::VerifyApiKeyResponse {
            key_id: "key_00000000000000000000000000000001".into(),
            agent_id: AGENT.into(),
            agent_name: "王小明".into(),
            username: "xiaoming".into(),
            role: "agent".into(),
            permissions: permissions.to_string(),
            max_age_ms: 3_600_000,
        }))
    }

    async fn get_me(&self, _: Request<auth::GetMeRequest>) -> Answer<auth::AgentResponse> {
        self.note("get_me", "")?;
        Ok(told())
    }

    async fn update_me(&self, request: Request<auth::UpdateMeRequest>) -> Answer<auth::AgentResponse> {
        self.note("update_me", &request.into_inner().name.unwrap_or_default())?;
        Ok(told())
    }

    async fn change_password(
        &self,
        request: Request<auth::ChangePasswordRequest>,
    ) -> Answer<auth::LogInResponse> {
        self.note("change_password", &request.into_inner().login)?;
        Ok(Response::new(tokens(&self.0)))
    }

    async fn begin_totp(&self, _: Request<auth::BeginTotpRequest>) -> Answer<auth::BeginTotpResponse> {
        self.note("begin_totp", "")?;
        let uri = "otpauth://totp/xiaoming?secret=ABC".into();
        Ok(Response::new(auth::BeginTotpResponse { secret: "ABC".into(), uri }))
    }

    async fn confirm_totp(
        &self,
        request: Request<auth::ConfirmTotpRequest>,
    ) -> Answer<auth::ConfirmTotpResponse> {
        self.note("confirm_totp", &request.into_inner().code)?;
        Ok(Response::new(auth::ConfirmTotpResponse { recovery_codes: vec!["r1".into(), "r2".into()] }))
    }

    async fn disable_totp(
        &self,
        request: Request<auth::DisableTotpRequest>,
    ) -> Answer<auth::DisableTotpResponse> {
        self.note("disable_totp", &request.into_inner().code)?;
        Ok(Response::new(auth::DisableTotpResponse {}))
    }

    async fn list_logins(&self, _: Request<auth::ListLoginsRequest>) -> Answer<auth::ListLoginsResponse> {
        self.note("list_logins", "")?;
        let login = auth::list_logins_response::Login {
            id: crate::testing::token::LOGIN.into(),
            device_id: "laptop".into(),
            user_agent: "Firefox".into(),
            ip: "10.0.0.1".into(),
            created_at_ms: START_MS,
            last_used_at_ms: START_MS,
        };
        Ok(Response::new(auth::ListLoginsResponse { logins: vec![login] }))
    }
}
