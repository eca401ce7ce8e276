//! How often one client may ask, at all edges together: a budget per client and class. A customer is known by the session, an agent by the account,
//! everybody else by the address.

use crate::{config::Rate, error::Problem, identity::Caller, state::App};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue};
use std::{fmt, net::IpAddr, num::NonZeroU32, time::Duration};
use switchboard_coord::{Coord, Limit, Quota};
use switchboard_domain::{AgentId, ErrorKind, Failure, SessionName};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Which budget a request draws on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Messages to the bot.
    Chat,
    /// Other writes.
    Write,
    /// Reads.
    Read,
    /// The first request of a session.
    NewSession,
    /// Logging in, and what else needs a password.
    Auth,
    /// Finding out whose API key it is.
    ApiKey,
}

/// Whose budget.
#[derive(Debug)]
enum Client {
    Visitor(SessionName),
    Agent(AgentId),
    Address(IpAddr),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visitor(session) => write!(f, "visitor {session}"),
            Self::Agent(agent) => write!(f, "agent {agent}"),
            Self::Address(address) => write!(f, "address {address}"),
        }
    }
}

/// One budget.
#[derive(Debug)]
struct Budget {
    name: &'static str,
    limit: Limit,
}

/// All budgets; those without a limit are `None`.
#[derive(Debug)]
pub(crate) struct Limits {
    chat: Option<Budget>,
    write: Option<Budget>,
    read: Option<Budget>,
    new_session: Option<Budget>,
    auth: Option<Budget>,
    api_key: Option<Budget>,
}

/// What a client has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    name: &'static str,
    per_minute: u32,
    remaining: u32,
    wait: Duration,
}

impl Limits {
    /// Takes the budgets from the settings.
    pub(crate) fn new(rate: &Rate, coord: &Coord) -> Self {
        let budget = |name, per_minute, burst| Budget::new(coord, name, per_minute, burst);
        Self {
            chat: budget("chat", rate.chat_per_minute, rate.chat_burst),
            write: budget("write", rate.write_per_minute, rate.write_burst),
            read: budget("read", rate.read_per_minute, rate.read_burst),
            new_session: budget("new-session", rate.new_sessions_per_minute, rate.new_sessions_burst),
            auth: budget("auth", rate.auth_per_minute, rate.auth_burst),
            api_key: budget("api-key", rate.api_keys_per_minute, rate.api_keys_burst),
        }
    }

    /// Draws one request from the caller's budget. Without a limit there is nothing left to tell.
    ///
    /// # Errors
    /// The problem and what is left, when the budget is used up.
    pub(crate) async fn draw(&self, class: Class, caller: &Caller) -> Result<Option<Left>, Refused> {
        let budget = match class {
            Class::Chat => &self.chat,
            Class::Write => &self.write,
            Class::Read => &self.read,
            Class::NewSession => &self.new_session,
            Class::Auth => &self.auth,
            Class::ApiKey => &self.api_key,
        };
        let Some(budget) = budget else { return Ok(None) };
        let address = || Client::Address(caller.ip.key());
        let client = match class {
            Class::NewSession | Class::ApiKey => address(),
            Class::Chat | Class::Write | Class::Read | Class::Auth => {
                match (&caller.agent, &caller.visitor) {
                    (Some(agent), _) => Client::Agent(agent.id),
                    (None, Some(visitor)) => Client::Visitor(visitor.token.session.clone()),
                    (None, None) => address(),
                }
            }
        };
        let drawn = budget.limit.draw(&client.to_string()).await;
        let left = Left {
            name: budget.name,
            per_minute: budget.limit.quota().per_minute.get(),
            remaining: drawn.remaining,
            wait: drawn.wait,
        };
        if drawn.allowed {
            return Ok(Some(left));
        }
        metrics::counter!("switchboard_http_rate_limited", "class" => budget.name).increment(1);
        Err(Refused(left))
    }

    /// Forgets clients whose budget is full again.
    pub(crate) fn clean(&self) {
        let all = [&self.chat, &self.write, &self.read, &self.new_session, &self.auth, &self.api_key];
        for budget in all.into_iter().flatten() {
            budget.limit.clean();
        }
    }
}

impl Budget {
    /// `None` when there is no limit. Without a burst of its own a minute's requests may come at once.
    fn new(coord: &Coord, name: &'static str, per_minute: u32, burst: u32) -> Option<Self> {
        let per_minute = NonZeroU32::new(per_minute)?;
        let burst = NonZeroU32::new(burst).unwrap_or(per_minute);
        Some(Self { name, limit: coord.limit(name, Quota { per_minute, burst }) })
    }
}

/// A used-up budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused(Left);

impl Refused {
    /// As a failure that says when to come back.
    pub(crate) fn into_failure(self) -> Failure {
        Failure::new(ErrorKind::RateLimited, "RATE_LIMITED", "too many requests, slow down")
            .retry_after(self.0.wait)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        refused.into_failure().into()
    }
}

impl Left {
    /// Tells it in the fields of the IETF draft `RateLimit header fields for HTTP`.
    fn tell(self, response: &mut Response) {
        let Self { name, per_minute, remaining, wait } = self;
        let seconds = wait.as_millis().div_ceil(1000);
        for (header, text) in [
            (RATE_LIMIT, format!("\"{name}\";r={remaining};t={seconds}")),
            (RATE_LIMIT_POLICY, format!("\"{name}\";q={per_minute};w=60")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().insert(header, value);
            }
        }
    }
}

/// Draws each request of a group of routes from one budget.
pub(crate) async fn limit(
    State((app, class)): State<(App, Class)>,
    request: Request,
    next: Next,
) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.unwrap_or_else(|| Caller::nobody(request.extensions()));
    match app.limits.draw(class, &caller).await {
        Ok(None) => next.run(request).await,
        Ok(Some(left)) => {
            let mut response = next.run(request).await;
            left.tell(&mut response);
            response
        }
        Err(refused) => {
            let mut response = Problem::from(refused).into_response();
            refused.0.tell(&mut response);
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::ClientIp;

    fn caller(ip: &str) -> Caller {
        Caller { visitor: None, agent: None, ip: ClientIp(ip.parse().unwrap()) }
    }

    fn rate() -> Rate {
        let mut rate = crate::testing::settings().rate;
        (rate.chat_per_minute, rate.chat_burst) = (60, 2);
        rate
    }

    #[tokio::test]
    async fn a_budget_is_one_clients_own() {
        let limits = Limits::new(&rate(), &Coord::alone());
        let (one, other) = (caller("10.0.0.1"), caller("10.0.0.2"));
        assert_eq!(limits.draw(Class::Chat, &one).await.unwrap().unwrap().remaining, 1);
        limits.draw(Class::Chat, &one).await.unwrap();
        let refused = limits.draw(Class::Chat, &one).await.unwrap_err();
        assert!(refused.0.wait > Duration::ZERO && refused.0.wait <= Duration::from_secs(1));
        assert!(limits.draw(Class::Chat, &other).await.is_ok());
        assert!(limits.draw(Class::Write, &one).await.is_ok());
    }

    #[tokio::test]
    async fn zero_means_no_limit() {
        let limits = Limits::new(&Rate { chat_per_minute: 0, ..rate() }, &Coord::alone());
        for _ in 0..1000 {
            assert!(limits.draw(Class::Chat, &caller("10.0.0.1")).await.unwrap().is_none());
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let left = Left { name: "chat", per_minute: 60, remaining: 0, wait: Duration::from_millis(900) };
        let mut response = Problem::from(Refused(left)).into_response();
        left.tell(&mut response);
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["ratelimit"], "\"chat\";r=0;t=1");
        assert_eq!(response.headers()["ratelimit-policy"], "\"chat\";q=60;w=60");
    }
}
