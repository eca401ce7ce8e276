//! One's own account: profile, password, second factor, logins.

use super::{
    access::{Access, Group},
    login::{Delivery, DoneReply, TokensReply, deliver},
};
use crate::{
    error::{Failures, Problem},
    extract::{Json, Query},
    identity::{Agent, Carrier},
    limits::Class,
    state::App,
    view::{AccountView, time},
};
use axum::{Json as Answer, extract::State, response::Response};
use serde::{Deserialize, Serialize};
use switchboard_domain::Permission;
use switchboard_proto::{
    agentauth::v1::{
        AgentResponse, BeginTotpRequest, ChangePasswordRequest, ConfirmTotpRequest, DisableTotpRequest,
        GetMeRequest, ListLoginsRequest, UpdateMeRequest,
    },
    convert::WireError,
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentReply {
    success: bool,
    agent: AccountView,
    /// What it may do, where that was asked.
    permissions: Vec<String>,
}

impl TryFrom<AgentResponse> for AgentReply {
    type Error = WireError;
    fn try_from(told: AgentResponse) -> Result<Self, WireError> {
        let agent = told.agent.ok_or(WireError::new("agent"))?.into();
        Ok(Self { success: true, agent, permissions: told.permissions })
    }
}

/// What one may change of one's own profile.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ProfileChange {
    /// 1 to 50 characters.
    name: Option<String>,
    /// https; empty removes it.
    avatar_url: Option<String>,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasswordChange {
    old_password: String,
    new_password: String,
}

/// The password, once more.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TotpBegin {
    password: String,
}

/// A code of the second factor.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TotpCode {
    code: String,
}

/// Password and code.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TotpEnd {
    password: String,
    code: String,
}

/// A secret that counts once a code of it was given.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpBeginReply {
    success: bool,
    data: TotpSecret,
}

/// The inside of [`TotpBeginReply`].
#[derive(Serialize, ToSchema)]
struct TotpSecret {
    /// Base32.
    secret: String,
    /// `otpauth://totp/…`
    uri: String,
}

/// The second factor is on.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpConfirmReply {
    success: bool,
    data: RecoveryCodes,
}

/// The inside of [`TotpConfirmReply`].
#[derive(Serialize, ToSchema)]
struct RecoveryCodes {
    /// Told once.
    recovery_codes: Vec<String>,
}

/// Where the account is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoginsReply {
    success: bool,
    data: Logins,
}

/// The inside of [`LoginsReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Logins {
    items: Vec<LoginView>,
    total: usize,
}

/// One login.
#[derive(Debug, Serialize, ToSchema)]
struct LoginView {
    id: String,
    device_id: String,
    user_agent: String,
    ip: String,
    created_at: f64,
    last_used_at: f64,
    /// Whether it is the one of this request.
    current: bool,
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let own = Access::Agent(Permission::AccountSelf);
    let reads = Group::new(app).route(own, routes!(show)).route(own, routes!(logins));
    let writes = Group::new(app).route(own, routes!(update));
    let secrets = Group::new(app)
        .route(own, routes!(change_password))
        .route(own, routes!(begin_totp))
        .route(own, routes!(confirm_totp))
        .route(own, routes!(disable_totp));
    reads
        .within(quick)
        .drawing(Class::Read)
        .merge(writes.within(quick).drawing(Class::Write))
        .merge(secrets.within(quick).drawing(Class::Auth))
        .identified()
}

/// Tells one's own account.
#[utoipa::path(
    get, path = "/agent/profile", tag = "agent",
    params(("username" = Option<String>, Query, description = "Must be one's own")),
    responses((status = 200, body = AgentReply), Failures)
)]
pub(crate) async fn show(
    State(app): State<App>,
    agent: Agent,
    query: Query,
) -> Result<Answer<AgentReply>, Problem> {
    agent.identity_matches(query.text("username"), None)?;
    let told = app.peers.login().get_me(GetMeRequest {}).await?.into_inner();
    Ok(Answer(told.try_into()?))
}

/// Changes one's own profile.
#[utoipa::path(
    put, path = "/agent/profile", tag = "agent", request_body = ProfileChange,
    responses((status = 200, body = AgentReply), Failures)
)]
pub(crate) async fn update(
    State(app): State<App>,
    Json(body): Json<ProfileChange>,
) -> Result<Answer<AgentReply>, Problem> {
    if body.name.is_none() && body.avatar_url.is_none() {
        return Err(Problem::no_fields());
    }
    let request = UpdateMeRequest { name: body.name, avatar_url: body.avatar_url };
    let told = app.peers.login().update_me(request).await?.into_inner();
    Ok(Answer(told.try_into()?))
}

/// Changes one's password. All other logins end; this one goes on with the new tokens.
#[utoipa::path(
    post, path = "/agent/change-password", tag = "agent", request_body = PasswordChange,
    responses((status = 200, body = TokensReply), Failures)
)]
pub(crate) async fn change_password(
    State(app): State<App>,
    agent: Agent,
    Json(body): Json<PasswordChange>,
) -> Result<Response, Problem> {
    let login = agent.own_login()?;
    if body.old_password.is_empty() {
        return Err(Problem::field("old_password", "must not be empty"));
    }
    let request = ChangePasswordRequest {
        old_password: body.old_password,
        new_password: body.new_password,
        login: login.to_string(),
    };
    let tokens = app.peers.login().change_password(request).await?.into_inner();
    let by_cookie = agent.carrier == Carrier::Cookie;
    deliver(&app, tokens, &Delivery { by_cookie, with_token: true, message: Some("密码修改成功") })
}

/// Makes a secret for a second factor; it counts once confirmed.
#[utoipa::path(
    post, path = "/agent/totp/begin", tag = "agent", request_body = TotpBegin,
    responses((status = 200, body = TotpBeginReply), Failures)
)]
pub(crate) async fn begin_totp(
    State(app): State<App>,
    agent: Agent,
    Json(body): Json<TotpBegin>,
) -> Result<Answer<TotpBeginReply>, Problem> {
    agent.own_login()?;
    let request = BeginTotpRequest { password: body.password };
    let told = app.peers.login().begin_totp(request).await?.into_inner();
    Ok(Answer(TotpBeginReply { success: true, data: TotpSecret { secret: told.secret, uri: told.uri } }))
}

/// Switches the second factor on.
#[utoipa::path(
    post, path = "/agent/totp/confirm", tag = "agent", request_body = TotpCode,
    responses((status = 200, body = TotpConfirmReply), Failures)
)]
pub(crate) async fn confirm_totp(
    State(app): State<App>,
    agent: Agent,
    Json(body): Json<TotpCode>,
) -> Result<Answer<TotpConfirmReply>, Problem> {
    agent.own_login()?;
    let told = app.peers.login().confirm_totp(ConfirmTotpRequest { code: body.code }).await?.into_inner();
    let data = RecoveryCodes { recovery_codes: told.recovery_codes };
    Ok(Answer(TotpConfirmReply { success: true, data }))
}

/// Switches the second factor off.
#[utoipa::path(
    post, path = "/agent/totp/disable", tag = "agent", request_body = TotpEnd,
    responses((status = 200, body = DoneReply), Failures)
)]
pub(crate) async fn disable_totp(
    State(app): State<App>,
    agent: Agent,
    Json(body): Json<TotpEnd>,
) -> Result<Answer<DoneReply>, Problem> {
    agent.own_login()?;
    let request = DisableTotpRequest { password: body.password, code: body.code };
    app.peers.login().disable_totp(request).await?;
    Ok(DoneReply::new("两步验证已关闭"))
}

/// Tells where the account is logged in.
#[utoipa::path(
    get, path = "/agent/logins", tag = "agent",
    responses((status = 200, body = LoginsReply), Failures)
)]
pub(crate) async fn logins(State(app): State<App>, agent: Agent) -> Result<Answer<LoginsReply>, Problem> {
    let told = app.peers.login().list_logins(ListLoginsRequest {}).await?.into_inner();
    let mine = agent.login.map(|login| login.to_string());
    let items: Vec<LoginView> = told
        .logins
        .into_iter()
        .map(|login| LoginView {
            current: mine.as_deref() == Some(&login.id),
            id: login.id,
            device_id: login.device_id,
            user_agent: login.user_agent,
            ip: login.ip,
            created_at: time(login.created_at_ms),
            last_used_at: time(login.last_used_at_ms),
        })
        .collect();
    Ok(Answer(LoginsReply { success: true, data: Logins { total: items.len(), items } }))
}
