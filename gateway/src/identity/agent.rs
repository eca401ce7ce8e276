//! People of the shop and their programs, and what handlers ask about them.

use super::{Caller, Carrier, Visitor};
use crate::{error::Problem, jwt::AgentToken, state::App};
use axum::extract::FromRequestParts;
use http::request::Parts;
use switchboard_domain::{
    AgentId, ApiKeyId, ErrorKind, LoginId, Permission, Permissions, Principal, SessionName, Timestamp,
};
use switchboard_proto::common::v1::AgentRef;

/// A verified person of the shop, or a program that acts for one. Handlers take it as an argument; only routes that declare
/// a permission have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    /// The name that customers and colleagues see.
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) role: String,
    pub(crate) permissions: Permissions,
    /// The login that the token belongs to; none with an API key.
    pub(crate) login: Option<LoginId>,
    /// The API key; none with a token.
    pub(crate) key: Option<ApiKeyId>,
    pub(crate) carrier: Carrier,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

/// A session's visitor, or an agent: whom the route lets in.
#[derive(Debug, Clone)]
pub(crate) enum Person {
    /// The handler still has to ask whose session it is.
    Visitor(Visitor),
    /// Has the permission that the route declares.
    Agent(Agent),
}

/// Whom a route lets in whose body says which session it is about: one person, or the two that one browser is.
#[derive(Debug, Clone)]
pub(crate) struct People {
    visitor: Option<Visitor>,
    agent: Option<Agent>,
}

impl People {
    /// Who acts on a session: its visitor, else the agent.
    pub(crate) fn on(self, session: &SessionName) -> Result<Person, Problem> {
        let is_own = self.visitor.as_ref().is_some_and(|visitor| visitor.token.session == *session);
        if is_own { self.customer() } else { self.agent() }
    }

    /// The visitor, if there is one.
    pub(crate) fn customer(self) -> Result<Person, Problem> {
        let visitor = self.visitor.map(Person::Visitor);
        visitor.or(self.agent.map(Person::Agent)).ok_or_else(Problem::unauthenticated)
    }

    /// The agent, if there is one.
    pub(crate) fn agent(self) -> Result<Person, Problem> {
        let agent = self.agent.map(Person::Agent);
        agent.or(self.visitor.map(Person::Visitor)).ok_or_else(Problem::unauthenticated)
    }
}

impl<S: Sync> FromRequestParts<S> for People {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().ok_or_else(Problem::unauthenticated)?;
        Ok(Self { visitor: caller.visitor.clone(), agent: caller.agent.clone() })
    }
}

impl Person {
    /// On whose behalf calls are made.
    pub(crate) fn principal(&self) -> Principal {
        match self {
            Self::Visitor(visitor) => Principal::Visitor(visitor.token.session.clone()),
            Self::Agent(agent) => agent.principal(),
        }
    }

    /// When the token ends.
    pub(crate) fn expires(&self) -> Timestamp {
        match self {
            Self::Visitor(visitor) => visitor.token.expires,
            Self::Agent(agent) => agent.expires,
        }
    }

    /// Waits until the person no longer counts although the token has not expired. Visitors' tokens are not revoked.
    pub(crate) async fn revoked(self, app: App) {
        match self {
            Self::Visitor(_) => std::future::pending().await,
            Self::Agent(agent) => app.identities.revocations.revoked(&agent).await,
        }
    }
}

impl Agent {
    /// Somebody whose access token was verified.
    pub(crate) fn of(token: &AgentToken, carrier: Carrier) -> Self {
        Self {
            id: token.id,
            name: token.name.clone(),
            username: token.username.clone(),
            role: token.role.clone(),
            permissions: token.permissions,
            login: Some(token.login),
            key: None,
            carrier,
            issued: token.issued,
            expires: token.expires,
        }
    }

    /// On whose behalf calls are made.
    pub(crate) fn principal(&self) -> Principal {
        Principal::Agent { id: self.id, permissions: self.permissions }
    }

    /// Demands a permission.
    ///
    /// # Errors
    /// 403 `PERMISSION_REQUIRED` with the permission.
    pub(crate) fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.permissions.contains(permission) {
            return Ok(());
        }
        let told = format!("this needs the permission {permission}");
        Err(Problem::new(ErrorKind::Forbidden, "PERMISSION_REQUIRED", told).with("permission", permission))
    }

    /// The login, for what a program with a key must not do: it would outlive the key.
    ///
    /// # Errors
    /// 403 `LOGIN_REQUIRED` for an API key.
    pub(crate) fn own_login(&self) -> Result<LoginId, Problem> {
        let told = "this needs a login, an API key is not enough";
        self.login.ok_or_else(|| Problem::new(ErrorKind::Forbidden, "LOGIN_REQUIRED", told))
    }

    /// As other parts of the mesh are told of him.
    pub(crate) fn as_ref(&self) -> AgentRef {
        AgentRef { id: self.id.to_string(), name: self.name.clone() }
    }

    /// Compares who acts with who a body says acts: the id or the username as `agent_id`, the name as `agent_name`. What is
    /// absent or empty says nothing.
    ///
    /// # Errors
    /// 403 `IDENTITY_MISMATCH`.
    pub(crate) fn identity_matches(
        &self,
        agent_id: Option<&str>,
        agent_name: Option<&str>,
    ) -> Result<(), Problem> {
        let id = self.id.to_string();
        let is_id = |told: &str| told == id || told == self.username;
        let is_mine = agent_id.is_none_or(|told| told.is_empty() || is_id(told))
            && agent_name.is_none_or(|told| told.is_empty() || told == self.name || is_id(told));
        if is_mine {
            return Ok(());
        }
        let told = "agent_id and agent_name must be those of the token";
        Err(Problem::new(ErrorKind::Forbidden, "IDENTITY_MISMATCH", told))
    }
}

impl<S: Sync> FromRequestParts<S> for Agent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>();
        caller.and_then(|caller| caller.agent.clone()).ok_or_else(Problem::agent_required)
    }
}

impl<S: Sync> FromRequestParts<S> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The guard has left one of the two.
        match parts.extensions.get::<Caller>() {
            Some(Caller { agent: Some(agent), .. }) => Ok(Self::Agent(agent.clone())),
            Some(Caller { visitor: Some(visitor), .. }) => Ok(Self::Visitor(visitor.clone())),
            Some(_) | None => Err(Problem::unauthenticated()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> Agent {
        Agent {
            id: AgentId::parse("agt_00000000000000000000000000000001").unwrap(),
            name: "王小明".into(),
            username: "xiaoming".into(),
            role: "agent".into(),
            permissions: Permissions::of(&[Permission::AccountSelf]),
            login: None,
            key: None,
            carrier: Carrier::Bearer,
            issued: Timestamp::from_millis(0),
            expires: Timestamp::from_millis(1),
        }
    }

    #[test]
    fn a_body_may_say_who_acts_but_not_that_it_is_somebody_else() {
        let agent = agent();
        for good in [
            (None, None),
            (Some("xiaoming"), None),
            (Some("agt_00000000000000000000000000000001"), Some("王小明")),
            (Some("xiaoming"), Some("xiaoming")),
            (Some(""), Some("")),
        ] {
            assert!(agent.identity_matches(good.0, good.1).is_ok(), "{good:?}");
        }
        for bad in [
            (Some("agt_00000000000000000000000000000002"), None),
            (Some("Xiaoming"), None),
            (Some("王小明"), None),
            (Some("xiaoming"), Some("王大明")),
            (None, Some("admin")),
            (Some("xiaoming "), None),
        ] {
            let problem = agent.identity_matches(bad.0, bad.1).unwrap_err();
            assert_eq!(problem.code(), "IDENTITY_MISMATCH", "{bad:?}");
        }
        assert_eq!(agent.as_ref().name, "王小明");
    }

    #[test]
    fn a_missing_permission_is_named() {
        assert!(agent().require(Permission::AccountSelf).is_ok());
        let problem = agent().require(Permission::AuditRead).unwrap_err();
        assert_eq!(problem.code(), "PERMISSION_REQUIRED");
        assert!(problem.detail().contains("audit.read"));
    }
}
