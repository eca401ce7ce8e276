//! Who is let in when several could be meant.

use super::*;
use crate::{
    identity::{Agent, Visitor},
    jwt::{Signer, Verified},
    request::ClientIp,
    testing::{START_MS, token::AGENT, world::edge},
};
use std::sync::Arc;
use switchboard_domain::{AgentId, Permissions, Principal, SessionName, Timestamp};

fn visitor(carrier: Carrier) -> Visitor {
    let token = Verified {
        session: SessionName::parse("alice").unwrap(),
        profile: None,
        issued: Timestamp::from_millis(START_MS),
        expires: Timestamp::from_millis(START_MS + 1000),
        signer: Signer::Switchboard,
    };
    Visitor { token: Arc::new(token), carrier }
}

fn agent(carrier: Carrier) -> Agent {
    Agent {
        id: AgentId::parse(AGENT).unwrap(),
        name: "王小明".into(),
        username: "xiaoming".into(),
        role: "agent".into(),
        permissions: Permissions::of(&[Permission::SessionsRead]),
        login: None,
        key: None,
        carrier,
        issued: Timestamp::from_millis(START_MS),
        expires: Timestamp::from_millis(START_MS + 1000),
    }
}

/// Who is left, or the code of the refusal.
fn outcome(access: Access, visitor: Option<Visitor>, agent: Option<Agent>, params: &[&str]) -> String {
    let edge = edge();
    let caller = Caller { visitor, agent, ip: ClientIp(std::net::Ipv4Addr::LOCALHOST.into()) };
    let params: Vec<String> = params.iter().map(|param| (*param).to_owned()).collect();
    match access.admit(&edge.app, caller, true, &params) {
        Ok(Caller { visitor: Some(_), agent: Some(_), .. }) => "both".into(),
        Ok(caller) => match caller.principal() {
            Principal::Anonymous => "nobody".into(),
            Principal::Visitor(_) => "visitor".into(),
            Principal::Agent { .. } => "agent".into(),
            Principal::Service(_) => "service".into(),
        },
        Err(problem) => problem.code().to_owned(),
    }
}

#[test]
fn a_route_takes_those_it_is_for() {
    let read = Permission::SessionsRead;
    let (v, a) = (|| Some(visitor(Carrier::Bearer)), || Some(agent(Carrier::Bearer)));
    for (access, visitor, agent, wanted) in [
        (Access::Public, v(), None, "nobody"),
        (Access::Public, None, a(), "nobody"),
        (Access::Visitor, None, None, "nobody"),
        (Access::Visitor, v(), None, "visitor"),
        (Access::Visitor, None, a(), "VISITORS_ONLY"),
        (Access::Agent(read), None, None, "AGENT_TOKEN_REQUIRED"),
        (Access::Agent(read), v(), None, "AGENT_TOKEN_REQUIRED"),
        (Access::Agent(read), None, a(), "agent"),
        (Access::Agent(Permission::AuditRead), None, a(), "PERMISSION_REQUIRED"),
        (Access::AgentOrNobody(read), None, None, "nobody"),
        (Access::AgentOrNobody(read), v(), None, "nobody"),
        (Access::AgentOrNobody(read), None, a(), "agent"),
        (Access::AgentOrNobody(Permission::AuditRead), None, a(), "PERMISSION_REQUIRED"),
        (Access::Either(read), None, None, "TOKEN_REQUIRED"),
        (Access::Either(read), v(), None, "visitor"),
        (Access::Either(read), None, a(), "agent"),
        (Access::Either(Permission::AuditRead), None, a(), "PERMISSION_REQUIRED"),
    ] {
        assert_eq!(outcome(access, visitor, agent, &["alice"]), wanted, "{access}");
    }
}

#[test]
fn a_browser_with_both_cookies_is_the_customer_on_his_own_session_only() {
    let both = || (Some(visitor(Carrier::Cookie)), Some(agent(Carrier::Cookie)));
    for (access, params, wanted) in [
        (Access::Visitor, &[][..], "visitor"),
        (Access::Agent(Permission::SessionsRead), &["alice"], "agent"),
        (Access::Either(Permission::SessionsRead), &["alice"], "visitor"),
        (Access::Either(Permission::SessionsRead), &["bob"], "agent"),
        // The body says which session it is about.
        (Access::Either(Permission::SessionsRead), &[], "both"),
        (Access::Either(Permission::AuditRead), &[], "visitor"),
    ] {
        let (visitor, agent) = both();
        assert_eq!(outcome(access, visitor, agent, params), wanted, "{access} {params:?}");
    }
    // His cookie as an agent does not keep him from being a customer.
    assert_eq!(outcome(Access::Visitor, None, Some(agent(Carrier::Cookie)), &[]), "nobody");
}

#[test]
fn agents_write_only_while_it_is_known_who_still_may() {
    let edge = edge();
    let caller = || Caller {
        visitor: None,
        agent: Some(agent(Carrier::Bearer)),
        ip: ClientIp(std::net::Ipv4Addr::LOCALHOST.into()),
    };
    let access = Access::Agent(Permission::SessionsRead);
    assert!(access.admit(&edge.app, caller(), true, &[]).is_ok());
    let problem = access.admit(&edge.app, caller(), false, &[]).unwrap_err();
    assert_eq!(problem.code(), "REVOCATIONS_UNKNOWN");
}
