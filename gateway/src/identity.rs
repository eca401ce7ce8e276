//! Who is asking: the token or API key of a request, verified, and what follows from it. Everything else in a request that
//! looks like an identity is ignored.

mod agent;
mod api_keys;
mod revocations;
pub(crate) mod tickets;

pub(crate) use agent::{Agent, People, Person};
pub(crate) use revocations::Revocations;

use crate::{
    config::Settings,
    cross_site,
    error::Problem,
    jwt::{AgentToken, KeySet, Rejected, Signer, Token, Verified, Verifier},
    keys::Keys,
    limits::Limits,
    request::ClientIp,
    state::{App, Peers},
    visitor, workbench,
};
use api_keys::ApiKeys;
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header, request::Parts};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Weak};
use switchboard_domain::{Clock, ErrorKind, Principal, Rng, ServiceName, Timestamp, session::Profile};
use switchboard_mesh::CallContext;

/// How a token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// `Authorization: Bearer`: sent on purpose.
    Bearer,
    /// The cookie: sent by the browser, whoever asked for it.
    Cookie,
    /// `Authorization: Bearer swb_…`: a program, on purpose.
    ApiKey,
}

/// A verified visitor.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) token: Arc<Verified>,
    pub(crate) carrier: Carrier,
}

/// Who asks, and from where. A browser may carry the cookies of a visitor and of an agent at once; by the time a handler
/// sees it, the route's guard has left the one that the route is for, or both where the body decides.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) visitor: Option<Visitor>,
    pub(crate) agent: Option<Agent>,
    pub(crate) ip: ClientIp,
}

impl Caller {
    /// Nobody, at the address that a request comes from.
    pub(crate) fn nobody(of: &http::Extensions) -> Self {
        let ip = of.get::<ClientIp>().copied().unwrap_or(ClientIp(std::net::Ipv4Addr::LOCALHOST.into()));
        Self { visitor: None, agent: None, ip }
    }

    /// On whose behalf calls are made.
    pub(crate) fn principal(&self) -> Principal {
        match (&self.agent, &self.visitor) {
            (Some(agent), _) => agent.principal(),
            (None, Some(visitor)) => Principal::Visitor(visitor.token.session.clone()),
            (None, None) => Principal::Anonymous,
        }
    }

    /// What the token says of the customer.
    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.visitor.as_ref()?.token.profile.as_ref()
    }

    /// Whether the browser, and not its page, said who this is.
    fn is_by_cookie(&self) -> bool {
        let visitor = self.visitor.as_ref().map(|visitor| visitor.carrier);
        let agent = self.agent.as_ref().map(|agent| agent.carrier);
        [visitor, agent].contains(&Some(Carrier::Cookie))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Absent only if a route was mounted outside of the identity layer: then nobody is let in.
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// Verifies tokens and remembers those that were right.
#[derive(Debug)]
pub(crate) struct Identities {
    verifier: Verifier,
    keys: Keys,
    /// By the token's SHA-256. An entry counts for the key set it was verified with only: a key that is withdrawn takes
    /// its tokens with it.
    known: moka::future::Cache<[u8; 32], (Weak<KeySet>, Known)>,
    api_keys: ApiKeys,
    /// What no longer counts although it has not expired.
    pub(crate) revocations: Revocations,
    cookie: String,
    agent_cookie: &'static str,
    leeway: std::time::Duration,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// A token that was right.
#[derive(Debug, Clone)]
enum Known {
    Visitor(Arc<Verified>),
    Agent(Arc<AgentToken>),
}

impl Known {
    fn expires(&self) -> Timestamp {
        match self {
            Self::Visitor(token) => token.expires,
            Self::Agent(token) => token.expires,
        }
    }
}

impl From<Token> for Known {
    fn from(token: Token) -> Self {
        match token {
            Token::Visitor(token) => Self::Visitor(Arc::new(token)),
            Token::Agent(token) => Self::Agent(Arc::new(token)),
        }
    }
}

impl Identities {
    /// Takes what is expected from the settings.
    pub(crate) fn new(
        settings: &Settings,
        peers: &Peers,
        clock: &Arc<dyn Clock>,
        rng: &Arc<dyn Rng>,
    ) -> Self {
        let visitor = &settings.visitor;
        Self {
            verifier: Verifier::new(visitor, &settings.agent),
            keys: Keys::new(visitor, peers.clone()),
            known: moka::future::Cache::new(visitor.cache_entries),
            api_keys: ApiKeys::new(settings, peers.clone(), Arc::clone(clock)),
            revocations: Revocations::new(settings, peers.clone(), Arc::clone(clock), Arc::clone(rng)),
            cookie: visitor.cookie.clone(),
            agent_cookie: workbench::access_cookie(settings),
            leeway: visitor.leeway,
            clock: Arc::clone(clock),
            rng: Arc::clone(rng),
        }
    }

    /// Who sent a request. What is wrong in `Authorization` is refused; a wrong cookie, which nobody sent on purpose, is as
    /// none.
    async fn resolve(&self, headers: &HeaderMap, nobody: Caller, limits: &Limits) -> Result<Caller, Problem> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(bearer).ok_or_else(|| invalid(Rejected::Malformed))?;
            if token.starts_with(api_keys::PREFIX) {
                self.revocations.look().await;
                let context = self.context();
                let agent = self.api_keys.verify(token, &nobody, limits, &self.revocations, &context).await?;
                return Ok(Caller { agent: Some(agent), ..nobody });
            }
            return match self.verify(token).await?.map_err(invalid)? {
                Known::Visitor(token) => {
                    Ok(Caller { visitor: Some(Visitor { token, carrier: Carrier::Bearer }), ..nobody })
                }
                Known::Agent(token) => {
                    let agent = self.unless_revoked(&token, Carrier::Bearer).await.ok_or_else(revoked)?;
                    Ok(Caller { agent: Some(agent), ..nobody })
                }
            };
        }
        let mut caller = nobody;
        if let Some(token) = cookie(headers, &self.cookie)
            && let Ok(Known::Visitor(token)) = self.verify(token).await?
        {
            caller.visitor = Some(Visitor { token, carrier: Carrier::Cookie });
        }
        if let Some(token) = cookie(headers, self.agent_cookie)
            && let Ok(Known::Agent(token)) = self.verify(token).await?
        {
            caller.agent = self.unless_revoked(&token, Carrier::Cookie).await;
        }
        Ok(caller)
    }

    async fn unless_revoked(&self, token: &AgentToken, carrier: Carrier) -> Option<Agent> {
        self.revocations.look().await;
        let agent = Agent::of(token, carrier);
        (!self.revocations.is_revoked(&agent)).then_some(agent)
    }

    fn context(&self) -> CallContext {
        CallContext::current()
            .unwrap_or_else(|| CallContext::background(ServiceName::Gateway, &*self.clock, &*self.rng))
    }

    /// Whose access token this is, which agent-auth has just given.
    ///
    /// # Errors
    /// 401 when it is none, or no longer counts.
    pub(crate) async fn agent(&self, token: &str) -> Result<Agent, Problem> {
        match self.verify(token).await?.map_err(invalid)? {
            Known::Agent(token) => self.unless_revoked(&token, Carrier::Cookie).await.ok_or_else(revoked),
            Known::Visitor(_) => Err(invalid_credentials()),
        }
    }

    /// The outer error says that verifying is not possible now, the inner one that the token is wrong.
    async fn verify(&self, token: &str) -> Result<Result<Known, Rejected>, Problem> {
        let context = self.context();
        let keys = self.keys.current(&context).await?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = self.clock.now();
        if let Some((with, known)) = self.known.get(&digest).await
            && with.as_ptr() == Arc::as_ptr(&keys)
        {
            let is_over = now >= known.expires().plus(self.leeway);
            return Ok(if is_over { Err(Rejected::Expired) } else { Ok(known) });
        }
        let (keys, outcome) = match self.verifier.verify(token, &keys, now) {
            Err(Rejected::UnknownKey) => match self.keys.newer(&context).await {
                Some(newer) => {
                    let outcome = self.verifier.verify(token, &newer, now);
                    (newer, outcome)
                }
                None => (keys, Err(Rejected::UnknownKey)),
            },
            outcome => (keys, outcome),
        };
        let known = match outcome {
            Ok(token) => Known::from(token),
            Err(rejected) => return Ok(Err(rejected)),
        };
        self.known.insert(digest, (Arc::downgrade(&keys), known.clone())).await;
        Ok(Ok(known))
    }
}

fn invalid(rejected: Rejected) -> Problem {
    tracing::debug!(error = %rejected, "token refused");
    invalid_credentials()
}

fn invalid_credentials() -> Problem {
    Problem::new(ErrorKind::Unauthenticated, "INVALID_TOKEN", "Token 无效或已过期")
}

fn revoked() -> Problem {
    let told = "Token 已失效，请重新登录";
    Problem::new(ErrorKind::Unauthenticated, "TOKEN_REVOKED", told)
}

/// The token of an `Authorization` header.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name && !value.is_empty()).then_some(value)
    })
}

/// Finds out who asks, refuses what another site made a browser send, and renews a token that has become old.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let nobody = Caller::nobody(request.extensions());
    let caller = match app.identities.resolve(request.headers(), nobody, &app.limits).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if caller.is_by_cookie()
        && !request.method().is_safe()
        && let Err(problem) = cross_site::check(&app.settings, request.uri(), request.headers())
    {
        return problem.into_response();
    }
    request.extensions_mut().insert(caller.clone());
    // On whose behalf calls are made is for the route's guard to say.
    let mut response = next.run(request).await;
    if let Some(visitor) = caller.visitor
        && response.status().is_success()
        && !response.headers().contains_key(visitor::TOKEN)
        && is_old(&app, &visitor.token)
    {
        visitor::renew(&app, &visitor.token, &mut response).await;
    }
    response
}

/// Only our own tokens are renewed: what the shop signs, the shop renews.
fn is_old(app: &App, token: &Verified) -> bool {
    token.signer == Signer::Switchboard
        && app.clock.now().since(token.issued) > app.settings.visitor.renew_after
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn tokens_are_found_in_headers() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer"), None);
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; v=token.x; b=2"));
        assert_eq!(cookie(&headers, "v"), Some("token.x"));
        assert_eq!(cookie(&headers, "b"), Some("2"));
        assert_eq!(cookie(&headers, "c"), None);
    }
}
