//! Logging in and out. API clients get their tokens in the body, the workbench in cookies that no script can read.

use super::access::{Access, Group};
use crate::{
    cross_site,
    error::{Failures, Problem},
    extract::{Json, Query},
    identity::{Agent, Caller},
    limits::Class,
    state::App,
    view::AccountView,
    workbench::{self, Pair},
};
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Uri, header};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use switchboard_domain::{ErrorKind, Permission};
use switchboard_proto::{
    agentauth::v1::{LogInRequest, LogInResponse, LogOutRequest, RefreshRequest},
    convert::WireError,
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Longest `User-Agent` that is kept with a login, in characters.
const USER_AGENT_MAX: usize = 256;

/// Who wants in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LogIn {
    /// The username.
    username: Option<String>,
    /// Username or id; one of the two is needed.
    agent_id: Option<String>,
    password: String,
    /// Code of the second factor, or a recovery code.
    totp: Option<String>,
    /// The client's own name for the device.
    device_id: Option<String>,
}

/// A refresh token. Browsers with the cookie send an empty object.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Renew {
    refresh_token: Option<String>,
    device_id: Option<String>,
}

/// Tokens. Without the tokens themselves when they are in cookies.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokensReply {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// The access token once more, where the original had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// Seconds until the login ends, however much it is used. It ends earlier when nothing is refreshed for 24 hours (a
    /// setting of the shop).
    refresh_expires_in: u64,
    /// What one may do; only `account.self` while the password must be changed.
    permissions: Vec<String>,
    agent: AccountView,
    /// What happened, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DoneReply {
    success: bool,
    /// For people.
    message: String,
}

impl DoneReply {
    /// Says what is done.
    pub(super) fn new(message: impl Into<String>) -> Answer<Self> {
        Answer(Self { success: true, message: message.into() })
    }
}

/// How tokens are handed out.
pub(super) struct Delivery {
    /// In cookies instead of the body.
    pub(super) by_cookie: bool,
    /// With the original's name beside ours.
    pub(super) with_token: bool,
    pub(super) message: Option<&'static str>,
}

/// The operations of this file that nobody has to be identified for, and those that end what began with them.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let doors = Group::new(app)
        .route(Access::Public, routes!(log_in))
        .route(Access::Public, routes!(original_log_in))
        .route(Access::Public, routes!(refresh))
        .route(Access::Public, routes!(original_refresh));
    let leaving = Group::new(app).route(Access::AgentOrNobody(Permission::AccountSelf), routes!(log_out));
    doors.within(quick).drawing(Class::Auth).merge(leaving.within(quick).drawing(Class::Write).identified())
}

/// Logs in.
#[utoipa::path(
    post, path = "/auth/agent/login", tag = "agent", request_body = LogIn,
    params(
        ("cookies" = Option<bool>, Query, description = "Tokens in cookies instead of the body"),
        ("X-Switchboard-Cookies" = Option<String>, Header, description = "The same, with `1`"),
    ),
    responses((status = 200, body = TokensReply), Failures)
)]
pub(crate) async fn log_in(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    query: Query,
    Json(body): Json<LogIn>,
) -> Result<Response, Problem> {
    enter(&app, &uri, &headers, &query, body, false).await
}

/// Logs in; the same with the original's field `token` beside.
#[utoipa::path(
    post, path = "/agent/login", tag = "agent", request_body = LogIn,
    params(("cookies" = Option<bool>, Query, description = "Tokens in cookies instead of the body")),
    responses((status = 200, body = TokensReply), Failures)
)]
pub(crate) async fn original_log_in(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    query: Query,
    Json(body): Json<LogIn>,
) -> Result<Response, Problem> {
    enter(&app, &uri, &headers, &query, body, true).await
}

async fn enter(
    app: &App,
    uri: &Uri,
    headers: &HeaderMap,
    query: &Query,
    body: LogIn,
    with_token: bool,
) -> Result<Response, Problem> {
    let by_cookie = workbench::wants_cookies(headers, query);
    if by_cookie {
        // Nobody else's page logs a browser in.
        cross_site::check(&app.settings, uri, headers)?;
    }
    let username = match (body.username, body.agent_id) {
        (Some(username), Some(id)) if username != id => {
            return Err(Problem::field("agent_id", "must be the same as username, or absent"));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err(Problem::field("username", "username or agent_id is needed")),
    };
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let request = LogInRequest {
        username,
        password: body.password,
        totp: body.totp.unwrap_or_default(),
        device_id: body.device_id.unwrap_or_default(),
        user_agent: user_agent.unwrap_or_default().chars().take(USER_AGENT_MAX).collect(),
    };
    let tokens = app.peers.login().log_in(request).await?.into_inner();
    deliver(app, tokens, &Delivery { by_cookie, with_token, message: None })
}

/// Gives new tokens for a refresh token, which counts no more.
#[utoipa::path(
    post, path = "/auth/agent/refresh", tag = "agent", request_body = Renew,
    responses((status = 200, body = TokensReply), Failures)
)]
pub(crate) async fn refresh(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<Renew>,
) -> Result<Response, Problem> {
    renew(&app, &uri, &headers, body, false).await
}

/// Gives new tokens for a refresh token; the same with the original's field `token` beside.
#[utoipa::path(
    post, path = "/agent/refresh", tag = "agent", request_body = Renew,
    responses((status = 200, body = TokensReply), Failures)
)]
pub(crate) async fn original_refresh(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<Renew>,
) -> Result<Response, Problem> {
    renew(&app, &uri, &headers, body, true).await
}

async fn renew(
    app: &App,
    uri: &Uri,
    headers: &HeaderMap,
    body: Renew,
    with_token: bool,
) -> Result<Response, Problem> {
    let kept = workbench::refresh_token(app, headers);
    let (refresh_token, by_cookie) = match (body.refresh_token, kept) {
        (Some(token), _) => (token, false),
        (None, Some(token)) => (token.to_owned(), true),
        (None, None) => return Err(Problem::field("refresh_token", "is needed")),
    };
    if by_cookie {
        cross_site::check(&app.settings, uri, headers)?;
    }
    let request = RefreshRequest { refresh_token, device_id: body.device_id.unwrap_or_default() };
    match app.peers.login().refresh(request).await {
        Ok(tokens) => deliver(app, tokens.into_inner(), &Delivery { by_cookie, with_token, message: None }),
        Err(status) => {
            let problem = Problem::from(status);
            let is_over = by_cookie && problem.kind() == ErrorKind::Unauthenticated;
            let mut response = problem.into_response();
            if is_over {
                workbench::clear(app, &mut response);
            }
            Ok(response)
        }
    }
}

/// Hands tokens out.
///
/// # Errors
/// 500 when agent-auth left something out.
pub(super) fn deliver(app: &App, tokens: LogInResponse, how: &Delivery) -> Result<Response, Problem> {
    let age = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let (access_age, refresh_age) = (age(tokens.expires_in_ms), age(tokens.refresh_expires_in_ms));
    let shown = |token: &String| (!how.by_cookie).then(|| token.clone());
    let reply = TokensReply {
        success: true,
        access_token: shown(&tokens.access_token),
        token: shown(&tokens.access_token).filter(|_| how.with_token),
        refresh_token: shown(&tokens.refresh_token),
        token_type: "Bearer",
        expires_in: access_age.as_secs(),
        refresh_expires_in: refresh_age.as_secs(),
        permissions: tokens.permissions,
        agent: tokens.agent.ok_or(WireError::new("login.agent"))?.into(),
        message: how.message,
    };
    let mut response = Answer(reply).into_response();
    if how.by_cookie {
        let (access, refresh) = (tokens.access_token.as_str(), tokens.refresh_token.as_str());
        workbench::set(app, &Pair { access, access_age, refresh, refresh_age }, &mut response)?;
    }
    Ok(response)
}

/// Ends the login, or all logins of the account. A browser whose access token has ended is known by its refresh token.
#[utoipa::path(
    post, path = "/agent/logout", tag = "agent",
    params(
        ("everywhere" = Option<bool>, Query, description = "All logins of the account"),
        ("username" = Option<String>, Query, description = "Must be one's own"),
    ),
    responses((status = 200, body = DoneReply), Failures)
)]
pub(crate) async fn log_out(
    State(app): State<App>,
    uri: Uri,
    caller: Caller,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ended = match (caller.agent, workbench::refresh_token(&app, &headers)) {
        (Some(agent), _) => {
            agent.identity_matches(query.text("username"), None)?;
            end(&app, &agent, &query).await
        }
        (None, Some(token)) => {
            cross_site::check(&app.settings, &uri, &headers)?;
            end_by_refresh(&app, token, &query).await
        }
        (None, None) => Err(Problem::agent_required()),
    };
    let mut response = match ended {
        Ok(()) => DoneReply::new("登出成功").into_response(),
        Err(problem) => problem.into_response(),
    };
    // Whatever came of it, this browser is logged out.
    workbench::clear(&app, &mut response);
    Ok(response)
}

async fn end(app: &App, agent: &Agent, query: &Query) -> Result<(), Problem> {
    let request = LogOutRequest {
        login: agent.login.map(|login| login.to_string()).unwrap_or_default(),
        everywhere: query.flag("everywhere"),
    };
    app.peers.login().log_out(request).await?;
    Ok(())
}

/// Redeems the refresh token, only to end the login that it belongs to.
async fn end_by_refresh(app: &App, token: &str, query: &Query) -> Result<(), Problem> {
    let request = RefreshRequest { refresh_token: token.to_owned(), device_id: String::new() };
    let tokens = match app.peers.login().refresh(request).await.map_err(Problem::from) {
        Ok(tokens) => tokens.into_inner(),
        // The login is over already.
        Err(problem) if problem.kind() == ErrorKind::Unauthenticated => return Ok(()),
        Err(problem) => return Err(problem),
    };
    let agent = app.identities.agent(&tokens.access_token).await?;
    agent.identity_matches(query.text("username"), None)?;
    app.context().acting_as(agent.principal()).scope(end(app, &agent, query)).await
}
