//! Whom each route is for, said where it is registered: a route joins a [`Group`] together with its [`Access`] and in no
//! other way. The guard in front of its handler enforces it, the description of the API tells it, and the list of all of
//! them is there to be tested.

use crate::{
    admission,
    error::Problem,
    identity::{self, Caller, Carrier, tickets},
    limits::{self, Class},
    state::App,
};
use axum::{
    extract::{FromRequestParts as _, RawPathParams, Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use http::Method;
use std::{fmt, time::Duration};
use switchboard_domain::{ErrorKind, Permission};
use utoipa::openapi::{
    Paths, SecurityRequirement,
    extensions::ExtensionsBuilder,
    path::{Operation, PathItem},
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody; nobody is asked who he is.
    Public,
    /// Customers, also those who become one with this request. The handler asks whose session it is.
    Visitor,
    /// People of the shop with this permission.
    Agent(Permission),
    /// The same, and those whom nobody identified: the handler knows them by something else.
    AgentOrNobody(Permission),
    /// A session's visitor (the handler asks whose it is), or people of the shop with this permission.
    Either(Permission),
}

/// One operation and whom it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) method: Method,
    /// Below the root of the API, `/agents/{username}`.
    pub(crate) path: String,
    pub(crate) access: Access,
}

/// Routes that share their layers.
pub(crate) struct Group {
    app: App,
    router: OpenApiRouter<App>,
    declared: Vec<Declared>,
}

impl Access {
    /// Leaves of a caller what the route is for.
    ///
    /// # Errors
    /// 401 for nobody, 403 for somebody else, 503 when it is not known whether an agent still may write.
    fn admit(self, app: &App, caller: Caller, is_safe: bool, params: &[String]) -> Result<Caller, Problem> {
        let agent = |caller: Caller, permission: Permission| {
            let agent = caller.agent.as_ref().ok_or_else(Problem::agent_required)?;
            agent.require(permission)?;
            if !is_safe && !app.identities.revocations.are_known() {
                let told = "who may still write is not known right now, try again";
                return Err(Problem::new(ErrorKind::Unavailable, "REVOCATIONS_UNKNOWN", told));
            }
            Ok(Caller { visitor: None, ..caller })
        };
        match self {
            Self::Public => Ok(Caller { visitor: None, agent: None, ..caller }),
            Self::Visitor => match caller.agent.as_ref().map(|agent| agent.carrier) {
                Some(Carrier::Bearer | Carrier::ApiKey) => {
                    let told = "this is for customers, not for agents";
                    Err(Problem::new(ErrorKind::Forbidden, "VISITORS_ONLY", told))
                }
                Some(Carrier::Cookie) | None => Ok(Caller { agent: None, ..caller }),
            },
            Self::Agent(permission) => agent(caller, permission),
            Self::AgentOrNobody(permission) if caller.agent.is_some() => agent(caller, permission),
            Self::AgentOrNobody(_) => Ok(Caller { visitor: None, ..caller }),
            Self::Either(permission) => {
                // An agent's browser may be a customer's too: on his own session he is the customer.
                let is_own = caller.visitor.as_ref().is_some_and(|visitor| {
                    params.iter().any(|param| param == visitor.token.session.as_str())
                });
                match (&caller.visitor, &caller.agent) {
                    // Which session it is about stands in the body: the handler chooses. He is let in as the customer in
                    // any case, so the agent is left only if he may.
                    (Some(visitor), Some(_)) if params.is_empty() => {
                        let visitor = Some(visitor.clone());
                        Ok(agent(caller.clone(), permission).map_or_else(
                            |_refused| Caller { agent: None, ..caller },
                            |agent| Caller { visitor, ..agent },
                        ))
                    }
                    (_, Some(_)) if !is_own => agent(caller, permission),
                    (Some(_), _) => Ok(Caller { agent: None, ..caller }),
                    (None, _) => Err(Problem::unauthenticated()),
                }
            }
        }
    }

    /// How clients may say who they are, as the description names it.
    fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Public => &[],
            Self::Visitor => &["visitor", "visitor_cookie"],
            Self::Agent(_) | Self::AgentOrNobody(_) => &["agent", "agent_cookie"],
            Self::Either(_) => &["visitor", "visitor_cookie", "agent", "agent_cookie"],
        }
    }
}

/// `public`, `visitor`, `agents.read`, `visitor|sessions.read`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Visitor => f.write_str("visitor"),
            Self::Agent(permission) => write!(f, "{permission}"),
            Self::AgentOrNobody(permission) => write!(f, "nobody|{permission}"),
            Self::Either(permission) => write!(f, "visitor|{permission}"),
        }
    }
}

impl Group {
    /// Without routes.
    pub(crate) fn new(app: &App) -> Self {
        Self { app: app.clone(), router: OpenApiRouter::new(), declared: Vec::new() }
    }

    /// Adds one operation and says whom it is for: `.route(Access::Agent(Permission::AgentsRead), routes!(list))`.
    #[must_use]
    pub(crate) fn route(mut self, access: Access, routes: UtoipaMethodRouter<App>) -> Self {
        let (schemas, mut paths, methods) = routes;
        self.declared.extend(describe(access, &mut paths));
        let guard = middleware::from_fn_with_state((self.app.clone(), access), guard);
        self.router = self.router.routes((schemas, paths, methods.route_layer(guard)));
        self
    }

    /// Adds the routes of another group, with their layers.
    #[must_use]
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.declared.extend(other.declared);
        self
    }

    /// Ends requests that take longer.
    #[must_use]
    pub(crate) fn within(mut self, budget: Duration) -> Self {
        self.router = self.router.layer(middleware::from_fn_with_state(budget, deadline));
        self
    }

    /// Draws requests from a budget of their client.
    #[must_use]
    pub(crate) fn drawing(mut self, class: Class) -> Self {
        let state = (self.app.clone(), class);
        self.router = self.router.layer(middleware::from_fn_with_state(state, limits::limit));
        self
    }

    /// Finds out who asks.
    #[must_use]
    pub(crate) fn identified(mut self) -> Self {
        let state = self.app.clone();
        self.router = self.router.layer(middleware::from_fn_with_state(state, identity::identify));
        self
    }

    /// Takes a ticket for who asks.
    #[must_use]
    pub(crate) fn ticketed(mut self) -> Self {
        let state = self.app.clone();
        self.router = self.router.layer(middleware::from_fn_with_state(state, tickets::admit));
        self
    }

    /// Lets requests in when there is a place.
    #[must_use]
    pub(crate) fn admitted(mut self) -> Self {
        let state = self.app.clone();
        self.router = self.router.layer(middleware::from_fn_with_state(state, admission::admit));
        self
    }

    /// The router and whom each of its routes is for.
    pub(crate) fn finish(self) -> (OpenApiRouter<App>, Vec<Declared>) {
        (self.router, self.declared)
    }
}

/// Writes the declaration into the description and gives it as a list.
fn describe(access: Access, paths: &mut Paths) -> Vec<Declared> {
    let mut declared = Vec::new();
    for (path, item) in &mut paths.paths {
        for (method, operation) in operations(item) {
            let extension = ExtensionsBuilder::new().add("x-permission", access.to_string()).build();
            operation.extensions.get_or_insert_default().merge(extension);
            let schemes = access.schemes().iter();
            let mut security: Vec<_> =
                schemes.map(|name| SecurityRequirement::new(*name, Vec::<String>::new())).collect();
            if matches!(access, Access::Public | Access::Visitor | Access::AgentOrNobody(_)) {
                security.insert(0, SecurityRequirement::default());
            }
            operation.security = Some(security);
            declared.push(Declared { method, path: path.clone(), access });
        }
    }
    declared
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
        (Method::PATCH, &mut item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Lets in whom the route is for, and says on whose behalf its calls are made.
async fn guard(State((app, access)): State<(App, Access)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let params = match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(params) => params.iter().map(|(_, value)| value.to_owned()).collect(),
        Err(_none) => Vec::new(),
    };
    let caller = parts.extensions.get::<Caller>().cloned();
    let caller = caller.unwrap_or_else(|| Caller::nobody(&parts.extensions));
    let caller = match access.admit(&app, caller, parts.method.is_safe(), &params) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let context = app.context().acting_as(caller.principal());
    parts.extensions.insert(caller);
    context.scope(next.run(Request::from_parts(parts, body))).await
}

/// Ends a request that takes too long. Its calls have deadlines of their own; this one is for everything else.
async fn deadline(State(budget): State<Duration>, request: Request, next: Next) -> Response {
    tokio::time::timeout(budget, next.run(request))
        .await
        .unwrap_or_else(|_elapsed| Problem::timeout().into_response())
}

#[cfg(test)]
mod tests;
