//! Giving visitors their tokens: signed by agent-auth, told in a header and in a cookie.

use crate::{error::Problem, jwt::Verified, state::App};
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use switchboard_domain::{Principal, ServiceName, SessionName, Timestamp, session::Profile};
use switchboard_proto::agentauth::v1::IssueVisitorTokenRequest;

/// Carries a new token.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-visitor-token");

/// A token to be handed out.
#[derive(Clone)]
pub(crate) struct Issued {
    /// The JWT.
    pub(crate) token: String,
    expires: Timestamp,
}

/// Has a token signed for a session. Only for those of whom the session service has said that it is theirs.
///
/// # Errors
/// 503 when agent-auth is away: without the token the session would be lost to its visitor.
pub(crate) async fn issue(
    app: &App,
    session: &SessionName,
    profile: Option<&Profile>,
) -> Result<Issued, Problem> {
    let profile = profile.cloned().unwrap_or_default();
    let request = IssueVisitorTokenRequest {
        session: session.to_string(),
        vip: profile.vip,
        nickname: profile.nickname.unwrap_or_default(),
        email: profile.email.unwrap_or_default(),
        language: profile.language.map(|language| language.tag().to_owned()).unwrap_or_default(),
    };
    let context = app.context().acting_as(Principal::Service(ServiceName::Gateway));
    let mut auth = app.peers.auth();
    let issued = context.scope(auth.issue_visitor_token(request)).await?.into_inner();
    Ok(Issued { token: issued.token, expires: Timestamp::from_millis(issued.expires_at_ms) })
}

/// Puts a token into an answer: header and cookie.
pub(crate) fn hand_out(app: &App, issued: &Issued, response: &mut Response) {
    let age = issued.expires.since(app.clock.now()).as_secs();
    let secure = if app.settings.is_https() { "; Secure" } else { "" };
    let name = &app.settings.visitor.cookie;
    let cookie = format!("{name}={}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}", issued.token);
    let (Ok(mut token), Ok(mut cookie)) =
        (HeaderValue::try_from(issued.token.as_str()), HeaderValue::try_from(cookie))
    else {
        tracing::error!("agent-auth gave a token that is no header value");
        return;
    };
    token.set_sensitive(true);
    cookie.set_sensitive(true);
    response.headers_mut().insert(TOKEN, token);
    response.headers_mut().append(header::SET_COOKIE, cookie);
}

/// Gives a visitor a fresh token for an old one. If that fails, the old one still works.
pub(crate) async fn renew(app: &App, old: &Verified, response: &mut Response) {
    match issue(app, &old.session, old.profile.as_ref()).await {
        Ok(issued) => hand_out(app, &issued, response),
        Err(problem) => tracing::warn!(code = problem.code(), "a visitor token was not renewed"),
    }
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("expires", &self.expires).finish_non_exhaustive()
    }
}
