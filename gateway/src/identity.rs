//! Who is asking: the visitor token of a request, verified, and what follows from it. Everything else in a request that
//! looks like an identity is ignored.

use crate::{
    config::Settings,
    cross_site,
    error::Problem,
    jwt::{KeySet, Rejected, Signer, Verified, Verifier},
    keys::Keys,
    request::ClientIp,
    state::{App, Peers},
    visitor,
};
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header, request::Parts};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Weak};
use switchboard_domain::{
    Clock, ErrorKind, Principal, Rng, ServiceName, SessionName, Timestamp, session::Profile,
};
use switchboard_mesh::CallContext;

/// How a token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// `Authorization: Bearer`: sent on purpose.
    Bearer,
    /// The cookie: sent by the browser, whoever asked for it.
    Cookie,
}

/// A verified visitor.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) token: Arc<Verified>,
    pub(crate) carrier: Carrier,
}

/// Who asks, and from where. Every handler below `/api` that acts for somebody takes it as an argument.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) visitor: Option<Visitor>,
    pub(crate) ip: ClientIp,
}

impl Caller {
    /// Nobody, at the address that a request comes from.
    pub(crate) fn nobody(of: &http::Extensions) -> Self {
        let ip = of.get::<ClientIp>().copied().unwrap_or(ClientIp(std::net::Ipv4Addr::LOCALHOST.into()));
        Self { visitor: None, ip }
    }

    /// On whose behalf calls are made.
    pub(crate) fn principal(&self) -> Principal {
        self.visitor
            .as_ref()
            .map_or(Principal::Anonymous, |visitor| Principal::Visitor(visitor.token.session.clone()))
    }

    /// What the token says of the customer.
    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.visitor.as_ref()?.token.profile.as_ref()
    }

    /// When the token ends.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        Some(self.visitor.as_ref()?.token.expires)
    }

    /// Demands the session's own visitor.
    ///
    /// # Errors
    /// 401 without a token, 403 with another's.
    pub(crate) fn require(&self, session: &SessionName) -> Result<(), Problem> {
        match &self.visitor {
            Some(visitor) if visitor.token.session == *session => Ok(()),
            Some(_) => Err(Problem::not_your_session()),
            None => Err(Problem::unauthenticated()),
        }
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
    known: moka::future::Cache<[u8; 32], (Weak<KeySet>, Arc<Verified>)>,
    cookie: String,
    leeway: std::time::Duration,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Identities {
    /// Takes what is expected from the settings.
    pub(crate) fn new(settings: &Settings, peers: Peers, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        let visitor = &settings.visitor;
        Self {
            verifier: Verifier::new(visitor),
            keys: Keys::new(visitor, peers),
            known: moka::future::Cache::new(visitor.cache_entries),
            cookie: visitor.cookie.clone(),
            leeway: visitor.leeway,
            clock,
            rng,
        }
    }

    /// The visitor of a request. A wrong Bearer token is refused; a wrong cookie, which nobody sent on purpose, is as none.
    async fn resolve(&self, headers: &HeaderMap) -> Result<Option<Visitor>, Problem> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(bearer).ok_or_else(|| invalid(Rejected::Malformed))?;
            let token = self.verify(token).await?.map_err(invalid)?;
            return Ok(Some(Visitor { token, carrier: Carrier::Bearer }));
        }
        let Some(token) = cookie(headers, &self.cookie) else { return Ok(None) };
        let verified = self.verify(token).await?;
        Ok(verified.ok().map(|token| Visitor { token, carrier: Carrier::Cookie }))
    }

    /// The outer error says that verifying is not possible now, the inner one that the token is wrong.
    async fn verify(&self, token: &str) -> Result<Result<Arc<Verified>, Rejected>, Problem> {
        let context = CallContext::current()
            .unwrap_or_else(|| CallContext::background(ServiceName::Gateway, &*self.clock, &*self.rng));
        let keys = self.keys.current(&context).await?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = self.clock.now();
        if let Some((with, verified)) = self.known.get(&digest).await
            && with.as_ptr() == Arc::as_ptr(&keys)
        {
            let is_over = now >= verified.expires.plus(self.leeway);
            return Ok(if is_over { Err(Rejected::Expired) } else { Ok(verified) });
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
        let verified = match outcome {
            Ok(verified) => Arc::new(verified),
            Err(rejected) => return Ok(Err(rejected)),
        };
        self.known.insert(digest, (Arc::downgrade(&keys), Arc::clone(&verified))).await;
        Ok(Ok(verified))
    }
}

fn invalid(rejected: Rejected) -> Problem {
    tracing::debug!(error = %rejected, "token refused");
    Problem::new(ErrorKind::Unauthenticated, "INVALID_TOKEN", "the token is not valid")
}

/// The token of an `Authorization` header.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name && !value.is_empty()).then_some(value)
    })
}

/// Finds out who asks, refuses what another site made a browser send, and renews a token that has become old.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let visitor = match app.identities.resolve(request.headers()).await {
        Ok(visitor) => visitor,
        Err(problem) => return problem.into_response(),
    };
    let by_cookie = visitor.as_ref().is_some_and(|visitor| visitor.carrier == Carrier::Cookie);
    if by_cookie
        && !request.method().is_safe()
        && let Err(problem) = cross_site::check(&app.settings, request.uri(), request.headers())
    {
        return problem.into_response();
    }
    let caller = Caller { visitor, ..Caller::nobody(request.extensions()) };
    request.extensions_mut().insert(caller.clone());
    let context = app.context().acting_as(caller.principal());
    let mut response = context.clone().scope(next.run(request)).await;
    if let Some(visitor) = caller.visitor
        && response.status().is_success()
        && !response.headers().contains_key(visitor::TOKEN)
        && is_old(&app, &visitor.token)
    {
        context.scope(visitor::renew(&app, &visitor.token, &mut response)).await;
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
