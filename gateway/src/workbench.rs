//! The cookies of the agents' workbench: access and refresh token where no script can read them. API clients use Bearer
//! and never see these.

use crate::{config::Settings, error::Problem, extract::Query, identity::cookie, state::App};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::time::Duration;
use switchboard_domain::Failure;

/// Asks for cookies instead of tokens in the body.
pub(crate) const COOKIES: HeaderName = HeaderName::from_static("x-switchboard-cookies");
/// Asks the same in the query.
const COOKIES_QUERY: &str = "cookies";

/// Two tokens on their way into cookies.
pub(crate) struct Pair<'a> {
    pub(crate) access: &'a str,
    pub(crate) access_age: Duration,
    pub(crate) refresh: &'a str,
    pub(crate) refresh_age: Duration,
}

/// Name of the cookie with the access token. `__Host-` makes browsers refuse one that another host or plain http set.
pub(crate) fn access_cookie(settings: &Settings) -> &'static str {
    if settings.is_https() { "__Host-at" } else { "at" }
}

fn refresh_cookie(settings: &Settings) -> &'static str {
    if settings.is_https() { "__Host-rt" } else { "rt" }
}

/// Whether a login asks for cookies.
pub(crate) fn wants_cookies(headers: &HeaderMap, query: &Query) -> bool {
    headers.get(COOKIES).is_some_and(|value| value == "1")
        || matches!(query.text(COOKIES_QUERY), Some("true" | "1"))
}

/// The refresh token that the browser sent.
pub(crate) fn refresh_token<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    cookie(headers, refresh_cookie(&app.settings))
}

/// Puts tokens into an answer.
///
/// # Errors
/// 500 when they are no header values.
pub(crate) fn set(app: &App, pair: &Pair<'_>, response: &mut Response) -> Result<(), Problem> {
    let settings = &app.settings;
    for (name, token, age) in [
        (access_cookie(settings), pair.access, pair.access_age),
        (refresh_cookie(settings), pair.refresh, pair.refresh_age),
    ] {
        put(settings, name, token, age, response).ok_or_else(|| {
            tracing::error!("agent-auth gave a token that is no header value");
            Problem::from(Failure::internal())
        })?;
    }
    Ok(())
}

/// Takes both cookies away.
pub(crate) fn clear(app: &App, response: &mut Response) {
    for name in [access_cookie(&app.settings), refresh_cookie(&app.settings)] {
        put(&app.settings, name, "", Duration::ZERO, response);
    }
}

fn put(settings: &Settings, name: &str, token: &str, age: Duration, response: &mut Response) -> Option<()> {
    let is_clean = token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'='));
    let secure = if settings.is_https() { "; Secure" } else { "" };
    let age = age.as_secs();
    let line = format!("{name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(line).ok().filter(|_| is_clean)?;
    value.set_sensitive(true);
    response.headers_mut().append(header::SET_COOKIE, value);
    Some(())
}
