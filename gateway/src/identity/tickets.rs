//! Tickets: what stands for a person where a browser opens an event stream and can send no headers. A ticket counts once,
//! for seconds, for one stream, from one origin; agent-auth keeps it, so that any edge takes what another one gave.

use super::{Agent, Caller, Carrier, Person, Visitor, revoked};
use crate::{
    cross_site,
    error::Problem,
    extract::Query,
    jwt::{Signer, Verified},
    state::App,
};
use axum::{
    extract::{FromRequestParts as _, RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use switchboard_domain::{
    AgentId, ErrorKind, LoginId, Permissions, Principal, ServiceName, SessionName, Timestamp,
};
use switchboard_mesh::CallContext;
use switchboard_proto::agentauth::v1::{
    IssueEventTicketRequest, IssueEventTicketResponse, RedeemEventTicketRequest,
};

/// Who holds a ticket: what the edge had verified when it was made. No credential is in it.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    issued_ms: i64,
    expires_ms: i64,
    who: Who,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    Visitor { session: String },
    Agent { id: String, name: String, username: String, role: String, permissions: String, login: String },
}

impl Holder {
    /// # Errors
    /// 403 `LOGIN_REQUIRED` for an API key: programs can send headers.
    fn of(person: &Person) -> Result<Self, Problem> {
        let (issued, who) = match person {
            Person::Visitor(visitor) => {
                (visitor.token.issued, Who::Visitor { session: visitor.token.session.to_string() })
            }
            Person::Agent(agent) => {
                let who = Who::Agent {
                    id: agent.id.to_string(),
                    name: agent.name.clone(),
                    username: agent.username.clone(),
                    role: agent.role.clone(),
                    permissions: agent.permissions.to_string(),
                    login: agent.own_login()?.to_string(),
                };
                (agent.issued, who)
            }
        };
        Ok(Self { issued_ms: issued.millis(), expires_ms: person.expires().millis(), who })
    }

    /// `None` for what [`Holder::of`] never made.
    fn person(self) -> Option<Person> {
        let (issued, expires) =
            (Timestamp::from_millis(self.issued_ms), Timestamp::from_millis(self.expires_ms));
        Some(match self.who {
            Who::Visitor { session } => {
                let session = SessionName::parse(&session).ok()?;
                // Whose signature it was matters to renewal only, and streams renew nothing.
                let token = Verified { session, profile: None, issued, expires, signer: Signer::Shop };
                Person::Visitor(Visitor { token: Arc::new(token), carrier: Carrier::Bearer })
            }
            Who::Agent { id, name, username, role, permissions, login } => Person::Agent(Agent {
                id: AgentId::parse(&id).ok()?,
                name,
                username,
                role,
                permissions: Permissions::parse(&permissions)?,
                login: Some(LoginId::parse(&login).ok()?),
                key: None,
                carrier: Carrier::Bearer,
                issued,
                expires,
            }),
        })
    }
}

/// Has a ticket made for the events of `session`, or the agent's own without one, to be used from `origin`.
///
/// # Errors
/// 403 `LOGIN_REQUIRED` for an API key; 503 when agent-auth is away.
pub(crate) async fn issue(
    app: &App,
    person: &Person,
    session: Option<&SessionName>,
    origin: Option<&str>,
) -> Result<IssueEventTicketResponse, Problem> {
    let holder_json = serde_json::to_string(&Holder::of(person)?).map_err(|_| Problem::broken())?;
    let request = IssueEventTicketRequest {
        session: session.map(ToString::to_string).unwrap_or_default(),
        origin: origin.unwrap_or_default().to_owned(),
        holder_json,
    };
    let mut auth = app.peers.auth();
    Ok(as_myself(app).scope(auth.issue_event_ticket(request)).await?.into_inner())
}

/// Lets in whoever comes with `?ticket=`, as the person it was made for. For event streams only.
pub(crate) async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match redeem(&app, &mut parts).await {
        Ok(None) => {}
        Ok(Some(caller)) => drop(parts.extensions.insert(caller)),
        Err(problem) => return problem.into_response(),
    }
    next.run(Request::from_parts(parts, body)).await
}

async fn redeem(app: &App, parts: &mut Parts) -> Result<Option<Caller>, Problem> {
    let query = Query::from_request_parts(parts, &()).await?;
    let Some(ticket) = query.text("ticket") else { return Ok(None) };
    let params = RawPathParams::from_request_parts(parts, &()).await.ok();
    let session = params.as_ref().and_then(|params| params.iter().next()).map(|(_, session)| session);
    let origin = cross_site::foreign_origin(&app.settings, &parts.uri, &parts.headers);
    let request = RedeemEventTicketRequest {
        ticket: ticket.to_owned(),
        session: session.unwrap_or_default().to_owned(),
        origin: origin.unwrap_or_default().to_owned(),
    };
    let mut auth = app.peers.auth();
    let redeemed = as_myself(app).scope(auth.redeem_event_ticket(request)).await?.into_inner();
    let holder: Holder = serde_json::from_str(&redeemed.holder_json).map_err(|_| Problem::broken())?;
    let person = holder.person().ok_or_else(Problem::broken)?;
    if app.clock.now() >= person.expires() {
        let told = "the token that this ticket was made with has expired";
        return Err(Problem::new(ErrorKind::Unauthenticated, "INVALID_TICKET", told));
    }
    let nobody = Caller::nobody(&parts.extensions);
    Ok(Some(match person {
        Person::Visitor(visitor) => Caller { visitor: Some(visitor), ..nobody },
        Person::Agent(agent) => {
            app.identities.revocations.look().await;
            if app.identities.revocations.is_revoked(&agent) {
                return Err(revoked());
            }
            Caller { agent: Some(agent), ..nobody }
        }
    }))
}

fn as_myself(app: &App) -> CallContext {
    app.context().acting_as(Principal::Service(ServiceName::Gateway))
}
