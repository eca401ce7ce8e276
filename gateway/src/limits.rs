//! How often one client may ask: GCRA per client and class. A customer is known by the session, an agent by the account,
//! everybody else by the address.

use crate::{config::Rate, error::Problem, identity::Caller, state::App};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use governor::{
    Quota, RateLimiter, clock::Clock as _, clock::DefaultClock, middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use http::{HeaderName, HeaderValue};
use std::{net::IpAddr, num::NonZeroU32, time::Duration};
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Client {
    Visitor(SessionName),
    Agent(AgentId),
    Address(IpAddr),
}

type Limiter = RateLimiter<Client, DashMapStateStore<Client>, DefaultClock, StateInformationMiddleware>;

/// One budget.
#[derive(Debug)]
struct Budget {
    name: &'static str,
    per_minute: u32,
    limiter: Limiter,
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
    pub(crate) fn new(rate: &Rate) -> Self {
        Self {
            chat: Budget::new("chat", rate.chat_per_minute, rate.chat_burst),
            write: Budget::new("write", rate.write_per_minute, rate.write_burst),
            read: Budget::new("read", rate.read_per_minute, rate.read_burst),
            new_session: Budget::new("new-session", rate.new_sessions_per_minute, rate.new_sessions_burst),
            auth: Budget::new("auth", rate.auth_per_minute, rate.auth_burst),
            api_key: Budget::new("api-key", rate.api_keys_per_minute, rate.api_keys_burst),
        }
    }

    /// Draws one request from the caller's budget. Without a limit there is nothing left to tell.
    ///
    /// # Errors
    /// The problem and what is left, when the budget is used up.
    pub(crate) fn draw(&self, class: Class, caller: &Caller) -> Result<Option<Left>, Refused> {
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
        let left =
            |remaining, wait| Left { name: budget.name, per_minute: budget.per_minute, remaining, wait };
        match budget.limiter.check_key(&client) {
            Ok(state) => Ok(Some(left(state.remaining_burst_capacity(), Duration::ZERO))),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                metrics::counter!("switchboard_http_rate_limited", "class" => budget.name).increment(1);
                Err(Refused(left(0, wait)))
            }
        }
    }

    /// Forgets clients whose budget is full again.
    pub(crate) fn clean(&self) {
        let all = [&self.chat, &self.write, &self.read, &self.new_session, &self.auth, &self.api_key];
        for budget in all.into_iter().flatten() {
            budget.limiter.retain_recent();
            budget.limiter.shrink_to_fit();
        }
    }
}

impl Budget {
    fn new(name: &'static str, per_minute: u32, burst: u32) -> Option<Self> {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute)?);
        let quota = NonZeroU32::new(burst).map_or(quota, |burst| quota.allow_burst(burst));
        let limiter = RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>();
        Some(Self { name, per_minute, limiter })
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
    match app.limits.draw(class, &caller) {
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

    #[test]
    fn a_budget_is_one_clients_own() {
        let limits = Limits::new(&rate());
        let (one, other) = (caller("10.0.0.1"), caller("10.0.0.2"));
        assert_eq!(limits.draw(Class::Chat, &one).unwrap().unwrap().remaining, 1);
        limits.draw(Class::Chat, &one).unwrap();
        let refused = limits.draw(Class::Chat, &one).unwrap_err();
        assert!(refused.0.wait > Duration::ZERO && refused.0.wait <= Duration::from_secs(1));
        assert!(limits.draw(Class::Chat, &other).is_ok());
        assert!(limits.draw(Class::Write, &one).is_ok());
    }

    #[test]
    fn zero_means_no_limit() {
        let limits = Limits::new(&Rate { chat_per_minute: 0, ..rate() });
        for _ in 0..1000 {
            assert!(limits.draw(Class::Chat, &caller("10.0.0.1")).unwrap().is_none());
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
