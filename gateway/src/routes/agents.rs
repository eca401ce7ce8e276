//! Other people's accounts.

use super::{
    access::{Access, Group},
    account::AgentReply,
    login::DoneReply,
    presence::AgentStatus,
};
use crate::{
    error::{Failures, Problem},
    extract::{Json, Key, NamePath, Query},
    identity::Agent,
    limits::Class,
    opening::idempotency,
    state::App,
    view::{AccountView, SkillView},
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_domain::Permission;
use switchboard_proto::{
    agentauth::v1::{
        Agent as Account, CreateAgentRequest, DeleteAgentRequest, GetAgentRequest, ListAgentsRequest,
        ListAvailableRequest, ResetPasswordRequest, SetSkillsRequest, UpdateAgentRequest,
    },
    convert::WireError,
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Accounts of one page, when nobody says how many.
const PAGE_SIZE: i64 = 20;
/// Most accounts of one page.
const PAGE_SIZE_MAX: i64 = 200;
/// Most sessions that one agent can be allowed at once.
const SESSIONS_MAX: u32 = 20;
/// Most skills of one agent.
const SKILLS_MAX: usize = 20;

/// A new account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewAgent {
    /// 3 to 50 characters.
    username: String,
    /// 8 to 128 characters, not easily guessed.
    password: String,
    /// 1 to 50 characters.
    name: String,
    /// `agent` when absent.
    role: Option<String>,
    /// 1 to 20; 5 when absent.
    max_sessions: Option<u32>,
    avatar_url: Option<String>,
    /// Whether the password has to be changed at the first login; not when absent.
    #[serde(default)]
    must_change_password: bool,
}

impl NewAgent {
    /// What the call says. Not the password: of it nothing is kept that is quick to compute. Who makes the account compares
    /// it with its hash.
    fn meaning(&self) -> [String; 7] {
        [
            "agent".to_owned(),
            self.username.clone(),
            self.name.clone(),
            format!("{:?}", self.role),
            format!("{:?}", self.max_sessions),
            format!("{:?}", self.avatar_url),
            self.must_change_password.to_string(),
        ]
    }
}

/// What is to change of an account.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AgentChange {
    name: Option<String>,
    role: Option<String>,
    max_sessions: Option<u32>,
    status: Option<AgentStatus>,
    avatar_url: Option<String>,
    /// Whether the account can be used.
    disabled: Option<bool>,
}

/// A password that has to be changed at the next login.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasswordReset {
    new_password: String,
    /// Also takes the second factor away.
    #[serde(default)]
    remove_totp: bool,
}

/// What somebody is good at.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Skills {
    /// At most 20.
    skills: Vec<SkillView>,
}

/// One page of accounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentsReply {
    success: bool,
    data: AgentPage,
}

/// The inside of [`AgentsReply`].
#[derive(Debug, Serialize, ToSchema)]
struct AgentPage {
    /// Newest first.
    items: Vec<AccountView>,
    total: i64,
    page: i64,
    page_size: i64,
}

/// Who is there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AvailableReply {
    success: bool,
    data: Available,
}

/// The inside of [`AvailableReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Available {
    items: Vec<Colleague>,
    total: i64,
}

/// A colleague, as everybody may see him.
#[derive(Debug, Serialize, ToSchema)]
struct Colleague {
    id: String,
    username: String,
    name: String,
    status: String,
    role: String,
    max_sessions: u32,
}

/// One account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ColleagueReply {
    success: bool,
    agent: Seen,
}

/// An account as the caller may see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Seen {
    /// With `agents.manage`.
    Whole(Box<AccountView>),
    Outside(Colleague),
}

impl From<Account> for Colleague {
    fn from(account: Account) -> Self {
        let Account { id, username, name, status, role, max_sessions, .. } = account;
        Self { id, username, name, status, role, max_sessions }
    }
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let (see, manage) = (Access::Agent(Permission::AgentsRead), Access::Agent(Permission::AgentsManage));
    let reads =
        Group::new(app).route(manage, routes!(list)).route(see, routes!(available)).route(see, routes!(show));
    let writes = Group::new(app)
        .route(manage, routes!(create))
        .route(manage, routes!(update))
        .route(manage, routes!(delete))
        .route(manage, routes!(set_skills));
    let secrets = Group::new(app).route(manage, routes!(reset_password));
    reads
        .within(quick)
        .drawing(Class::Read)
        .merge(writes.within(quick).drawing(Class::Write))
        .merge(secrets.within(quick).drawing(Class::Auth))
        .identified()
}

/// Lists accounts.
#[utoipa::path(
    get, path = "/agents", tag = "agents",
    params(
        ("status" = Option<String>, Query, description = "Only with this status"),
        ("role" = Option<String>, Query, description = "Only with this role"),
        ("page" = Option<i64>, Query, description = "1, 2, 3 …"),
        ("page_size" = Option<i64>, Query, description = "1 to 200; 20 when absent"),
    ),
    responses((status = 200, body = AgentsReply), Failures)
)]
pub(crate) async fn list(State(app): State<App>, query: Query) -> Result<Answer<AgentsReply>, Problem> {
    let page = query.number("page", 1, i64::from(u32::MAX))?.unwrap_or(1);
    let page_size = query.number("page_size", 1, PAGE_SIZE_MAX)?.unwrap_or(PAGE_SIZE);
    let text = |name| query.text(name).unwrap_or_default().to_owned();
    let request = ListAgentsRequest {
        status: text("status"),
        role: text("role"),
        page: u32::try_from(page).unwrap_or(u32::MAX),
        page_size: u32::try_from(page_size).unwrap_or(u32::MAX),
    };
    let told = app.peers.accounts().list_agents(request).await?.into_inner();
    let items = told.agents.into_iter().map(Into::into).collect();
    Ok(Answer(AgentsReply { success: true, data: AgentPage { items, total: told.total, page, page_size } }))
}

/// Tells one account: whole to those who manage accounts, else as colleagues see it.
#[utoipa::path(
    get, path = "/agents/{username}", tag = "agents",
    params(("username" = String, Path, description = "Username or id")),
    responses((status = 200, body = ColleagueReply), Failures)
)]
pub(crate) async fn show(
    State(app): State<App>,
    me: Agent,
    NamePath(agent): NamePath,
) -> Result<Answer<ColleagueReply>, Problem> {
    let told = app.peers.accounts().get_agent(GetAgentRequest { agent }).await?.into_inner();
    let told = told.agent.ok_or(WireError::new("get_agent.agent"))?;
    let manages = me.permissions.contains(Permission::AgentsManage);
    let agent = if manages { Seen::Whole(Box::new(told.into())) } else { Seen::Outside(told.into()) };
    Ok(Answer(ColleagueReply { success: true, agent }))
}

/// Makes an account.
#[utoipa::path(
    post, path = "/agents", tag = "agents", request_body = NewAgent,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = AgentReply), Failures)
)]
pub(crate) async fn create(
    State(app): State<App>,
    Key(key): Key,
    Json(body): Json<NewAgent>,
) -> Result<Answer<AgentReply>, Problem> {
    check_sessions(body.max_sessions)?;
    let request = CreateAgentRequest {
        idempotency: idempotency(key.as_ref(), &body.meaning().each_ref().map(String::as_str)),
        username: body.username,
        password: body.password,
        name: body.name,
        role: body.role.unwrap_or_default(),
        max_sessions: body.max_sessions.unwrap_or_default(),
        avatar_url: body.avatar_url.unwrap_or_default(),
        must_change_password: body.must_change_password,
    };
    let told = app.peers.accounts().create_agent(request).await?.into_inner();
    Ok(Answer(told.try_into()?))
}

/// Changes an account. A demotion, or disabling, ends its logins.
#[utoipa::path(
    put, path = "/agents/{username}", tag = "agents", request_body = AgentChange,
    params(("username" = String, Path, description = "Username or id")),
    responses((status = 200, body = AgentReply), Failures)
)]
pub(crate) async fn update(
    State(app): State<App>,
    NamePath(agent): NamePath,
    Json(body): Json<AgentChange>,
) -> Result<Answer<AgentReply>, Problem> {
    check_sessions(body.max_sessions)?;
    let request = UpdateAgentRequest {
        agent,
        name: body.name,
        role: body.role,
        max_sessions: body.max_sessions,
        status: body.status.map(|status| status.as_str().to_owned()),
        avatar_url: body.avatar_url,
        disabled: body.disabled,
    };
    let nothing = UpdateAgentRequest { agent: request.agent.clone(), ..UpdateAgentRequest::default() };
    if request == nothing {
        return Err(Problem::no_fields());
    }
    let told = app.peers.accounts().update_agent(request).await?.into_inner();
    Ok(Answer(told.try_into()?))
}

/// Deletes an account. Its id stays reserved.
#[utoipa::path(
    delete, path = "/agents/{username}", tag = "agents",
    params(("username" = String, Path, description = "Username or id")),
    responses((status = 200, body = DoneReply), Failures)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    NamePath(agent): NamePath,
) -> Result<Answer<DoneReply>, Problem> {
    app.peers.accounts().delete_agent(DeleteAgentRequest { agent: agent.clone() }).await?;
    Ok(DoneReply::new(format!("坐席 {agent} 已删除")))
}

/// Gives an account a password that has to be changed at the next login. All its logins end.
#[utoipa::path(
    post, path = "/agents/{username}/reset-password", tag = "agents", request_body = PasswordReset,
    params(("username" = String, Path, description = "Username or id")),
    responses((status = 200, body = DoneReply), Failures)
)]
pub(crate) async fn reset_password(
    State(app): State<App>,
    NamePath(agent): NamePath,
    Json(body): Json<PasswordReset>,
) -> Result<Answer<DoneReply>, Problem> {
    let PasswordReset { new_password, remove_totp } = body;
    let request = ResetPasswordRequest { agent, new_password, remove_totp };
    app.peers.accounts().reset_password(request).await?;
    Ok(DoneReply::new("密码已重置"))
}

/// Says what somebody is good at.
#[utoipa::path(
    put, path = "/agents/{username}/skills", tag = "agents", request_body = Skills,
    params(("username" = String, Path, description = "Username or id")),
    responses((status = 200, body = AgentReply), Failures)
)]
pub(crate) async fn set_skills(
    State(app): State<App>,
    NamePath(agent): NamePath,
    Json(body): Json<Skills>,
) -> Result<Answer<AgentReply>, Problem> {
    if body.skills.len() > SKILLS_MAX {
        return Err(Problem::field("skills", format!("may have at most {SKILLS_MAX} items")));
    }
    let skills = body.skills.into_iter().map(Into::into).collect();
    let told = app.peers.accounts().set_skills(SetSkillsRequest { agent, skills }).await?.into_inner();
    Ok(Answer(told.try_into()?))
}

/// Tells which colleagues are online.
#[utoipa::path(
    get, path = "/agents/available", tag = "agents",
    responses((status = 200, body = AvailableReply), Failures)
)]
pub(crate) async fn available(State(app): State<App>) -> Result<Answer<AvailableReply>, Problem> {
    let told = app.peers.accounts().list_available(ListAvailableRequest {}).await?.into_inner();
    let items = told.agents.into_iter().map(Into::into).collect();
    Ok(Answer(AvailableReply { success: true, data: Available { items, total: told.total } }))
}

fn check_sessions(asked: Option<u32>) -> Result<(), Problem> {
    match asked {
        Some(sessions) if !(1..=SESSIONS_MAX).contains(&sessions) => {
            Err(Problem::field("max_sessions", format!("must be from 1 to {SESSIONS_MAX}")))
        }
        Some(_) | None => Ok(()),
    }
}
