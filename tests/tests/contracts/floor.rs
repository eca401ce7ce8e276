//! What the floor's tests are written in: the roster, calls of `FloorService`, replicas that assign or do not.

use crate::{
    hands::{Hand, agent, hand_at},
    words::{chat, escalate},
    world::{Line, START, World},
};
use std::time::Duration;
use switchboard_domain::{BuiltinRole, Clock as _, Failure, Principal, ServiceName, SessionName};
use switchboard_mesh::Mounted;
use switchboard_proto::{
    common::v1::Escalation,
    session::v1::{self as wire, floor_service_client::FloorServiceClient, roster_line::Skill},
};

/// Looks at the clock often: it stands still, and is moved.
pub(crate) const ASSIGNING: [(&str, &str); 2] =
    [("session.routing.safety_interval", "20ms"), ("session.queue.told_every", "10ms")];
pub(crate) const NOT_ASSIGNING: [(&str, &str); 2] =
    [("session.routing.safety_interval", "20ms"), ("session.routing.auto_assign", "false")];

macro_rules! calls {
    ($($name:ident: $request:ident => $answer:ident;)+) => {
        $(pub(crate) async fn $name(line: &Line, request: wire::$request) -> Result<wire::$answer, Failure> {
            let mut client = FloorServiceClient::new(line.channel());
            line.ask(async move { client.$name(request).await }).await
        })+
    };
}

calls! {
    find: FindRequest => FindResponse;
    get_queue: GetQueueRequest => GetQueueResponse;
    get_stats: GetStatsRequest => GetStatsResponse;
    get_agent_stats: GetAgentStatsRequest => GetAgentStatsResponse;
    put_roster: PutRosterRequest => PutRosterResponse;
}

/// The n-th agent's line: online for an hour, with room for three.
pub(crate) fn roster_line(n: u32) -> wire::RosterLine {
    let me = agent(n);
    wire::RosterLine {
        id: me.id,
        username: format!("user{n}"),
        name: me.name,
        status: "online".into(),
        max_sessions: 3,
        skills: Vec::new(),
        lease_until_ms: START + 3_600_000,
        version: 1,
        serves: true,
        deleted: false,
    }
}

pub(crate) fn skill(category: &str, level: &str) -> Vec<Skill> {
    vec![Skill { category: category.into(), level: level.into(), tags: Vec::new() }]
}

/// Tells a replica who is there, as agent-auth does.
pub(crate) async fn enrol(world: &World, replica: &Mounted, lines: Vec<wire::RosterLine>) {
    let auth = Principal::Service(ServiceName::AgentAuth);
    let line = world.line_to(replica, ServiceName::AgentAuth, auth);
    put_roster(&line, wire::PutRosterRequest { lines }).await.unwrap();
}

/// The n-th agent at a replica.
pub(crate) fn at(world: &World, replica: &Mounted, n: u32) -> Hand {
    hand_at(world, replica, n, BuiltinRole::Agent)
}

/// A supervisor at a replica.
pub(crate) fn boss_at(world: &World, replica: &Mounted) -> Line {
    hand_at(world, replica, 90, BuiltinRole::Supervisor).line
}

/// A customer's line to a replica.
pub(crate) fn customer(world: &World, replica: &Mounted, session: &str) -> Line {
    let visitor = Principal::Visitor(SessionName::parse(session).unwrap());
    world.line_to(replica, ServiceName::Gateway, visitor)
}

/// A customer writes and then calls a human for this reason.
pub(crate) async fn call(world: &World, replica: &Mounted, session: &str, text: &str, reason: &str) {
    let line = customer(world, replica, session);
    line.say(chat(session, text)).await.unwrap();
    call_again(&line, session, reason).await;
}

pub(crate) async fn call_again(line: &Line, session: &str, reason: &str) {
    let escalation = Some(Escalation {
        reason: reason.into(),
        severity: "high".into(),
        details: "please".into(),
        ..Escalation::default()
    });
    line.escalate(wire::EscalateRequest { escalation, ..escalate(session, None) }).await.unwrap();
}

/// A VIP writes.
pub(crate) async fn greet(world: &World, replica: &Mounted, session: &str, profile: wire::Profile) {
    let line = customer(world, replica, session);
    line.say(wire::SayRequest { profile: Some(profile), ..chat(session, "hello") }).await.unwrap();
}

pub(crate) fn vip() -> wire::Profile {
    wire::Profile { vip: true, ..wire::Profile::default() }
}

/// Time passes.
pub(crate) fn pass(world: &World, seconds: u64) {
    world.clock.advance(Duration::from_secs(seconds));
}

/// What the clock shows.
pub(crate) fn now(world: &World) -> i64 {
    world.clock.now().millis()
}
