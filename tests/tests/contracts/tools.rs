//! Quick replies, customers' profiles, questions among colleagues.

use crate::{
    words::{assert_refused, chat as says},
    world::{Line, World},
};
use std::collections::HashMap;
use switchboard_domain::{AgentId, BuiltinRole, ErrorKind, Principal, ServiceName};
use switchboard_proto::{
    common::v1::{AgentRef, Idempotency},
    session::v1::{
        self as wire, floor_service_client::FloorServiceClient, tools_service_client::ToolsServiceClient,
    },
};

crate::on_both_engines!(
    replies_of_ones_own_and_shared,
    a_use_is_counted_once,
    what_agents_note_of_a_customer,
    asking_a_colleague,
);

fn id(number: u8) -> String {
    format!("agt_{number:032x}")
}

fn person(world: &World, number: u8, role: BuiltinRole) -> Line {
    let id = AgentId::parse(&id(number)).unwrap();
    world.line(ServiceName::Gateway, Principal::Agent { id, permissions: role.permissions() })
}

fn agent(number: u8) -> AgentRef {
    AgentRef { id: id(number), name: format!("Agent {number}") }
}

macro_rules! call {
    ($line:expr, $name:ident, $request:expr) => {{
        let line = &$line;
        let mut client = ToolsServiceClient::new(line.channel());
        let request = $request;
        line.ask(async move { client.$name(request).await }).await
    }};
}

fn greeting(shared: bool) -> wire::PutReplyRequest {
    wire::PutReplyRequest {
        agent: Some(agent(1)),
        title: Some("Hello".into()),
        content: Some("Hi {customer_name}, I am {agent_name}: {order_id} {unknown}".into()),
        category: Some("greeting".into()),
        shortcut: Some("/hi".into()),
        shared: Some(shared),
        ..wire::PutReplyRequest::default()
    }
}

async fn replies_of_ones_own_and_shared(world: &World) {
    let (one, two) = (person(world, 1, BuiltinRole::Agent), person(world, 2, BuiltinRole::Agent));
    let boss = person(world, 3, BuiltinRole::Supervisor);
    let key = Some(Idempotency { key: "make-1".into(), fingerprint: "f".into() });
    let make = wire::PutReplyRequest { idempotency: key.clone(), ..greeting(false) };
    let made = call!(one, put_reply, make.clone()).unwrap().reply.unwrap();
    assert_eq!(made.variables, ["customer_name", "agent_name", "order_id", "unknown"]);
    assert_eq!(call!(one, put_reply, make.clone()).unwrap().reply.unwrap(), made, "the same call again");
    let other = Some(Idempotency { key: "make-1".into(), fingerprint: "g".into() });
    let other = wire::PutReplyRequest { idempotency: other, ..greeting(false) };
    assert_refused(call!(one, put_reply, other), ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    assert_refused(call!(one, put_reply, greeting(false)), ErrorKind::Conflict, "SHORTCUT_TAKEN");
    let posing = wire::PutReplyRequest { shortcut: None, ..greeting(false) };
    assert_refused(call!(two, put_reply, posing), ErrorKind::Forbidden, "IDENTITY_MISMATCH");
    let nameless = wire::PutReplyRequest { title: None, shortcut: None, ..greeting(false) };
    assert_refused(call!(one, put_reply, nameless), ErrorKind::Invalid, "FIELD_REQUIRED");
    let odd = wire::PutReplyRequest { category: Some("gossip".into()), shortcut: None, ..greeting(false) };
    assert_refused(call!(one, put_reply, odd), ErrorKind::Invalid, "INVALID_CATEGORY");

    // What is not shared does not exist for others, who do not manage replies.
    let get = wire::GetReplyRequest { id: made.id.clone() };
    assert_refused(call!(two, get_reply, get.clone()), ErrorKind::NotFound, "QUICK_REPLY_NOT_FOUND");
    assert!(call!(boss, get_reply, get.clone()).is_ok());
    let share = wire::PutReplyRequest {
        id: made.id.clone(),
        agent: Some(agent(1)),
        shared: Some(true),
        ..wire::PutReplyRequest::default()
    };
    let shared = call!(one, put_reply, share.clone()).unwrap().reply.unwrap();
    assert_eq!((shared.title.as_str(), shared.shared), ("Hello", true), "the rest stays");
    assert!(call!(two, get_reply, get.clone()).is_ok());
    let steal = wire::PutReplyRequest { agent: Some(agent(2)), title: Some("Mine".into()), ..share };
    assert_refused(call!(two, put_reply, steal), ErrorKind::Forbidden, "PERMISSION_DENIED");

    let find = |keyword: &str| wire::ListRepliesRequest {
        keyword: keyword.into(),
        include_shared: true,
        ..wire::ListRepliesRequest::default()
    };
    for (keyword, hits) in [("HELLO", 1), ("order_id", 1), ("/hi", 1), ("%", 0), ("_", 1), ("nothing", 0)] {
        let found = call!(two, list_replies, find(keyword)).unwrap();
        assert_eq!((found.replies.len(), found.total), (hits, i64::try_from(hits).unwrap()), "{keyword}");
    }
    let delete = wire::DeleteReplyRequest { id: made.id.clone() };
    assert_refused(call!(two, delete_reply, delete.clone()), ErrorKind::Forbidden, "PERMISSION_DENIED");
    call!(boss, delete_reply, delete).unwrap();
    assert_refused(call!(one, get_reply, get), ErrorKind::NotFound, "QUICK_REPLY_NOT_FOUND");
}

async fn a_use_is_counted_once(world: &World) {
    let (one, boss) = (person(world, 1, BuiltinRole::Agent), person(world, 3, BuiltinRole::Supervisor));
    let made = call!(one, put_reply, greeting(true)).unwrap().reply.unwrap();
    let profile = wire::Profile { nickname: Some("Alice".into()), ..wire::Profile::default() };
    let said = wire::SayRequest { profile: Some(profile), ..says("s", "hello") };
    world.anonymous().say(said).await.unwrap();
    let use_it = |key: &str| wire::UseReplyRequest {
        id: made.id.clone(),
        agent: Some(agent(1)),
        session: "s".into(),
        values: HashMap::from([("order_id".into(), "ORD-1 {agent_name}".into())]),
        idempotency: Some(Idempotency { key: key.into(), fingerprint: "f".into() }),
    };
    let used = call!(one, use_reply, use_it("a")).unwrap();
    assert_eq!(used.text, "Hi Alice, I am Agent 1: ORD-1 {agent_name} {unknown}");
    assert_eq!(used.replaced.len(), 3);
    for (key, times) in [("a", 1), ("a", 1), ("b", 2)] {
        assert_eq!(call!(one, use_reply, use_it(key)).unwrap().reply.unwrap().used, times, "{key}");
    }
    let stats = call!(boss, get_reply_stats, wire::GetReplyStatsRequest {}).unwrap();
    assert_eq!((stats.total, stats.total_used, stats.by_category["greeting"]), (1, 2, 1));
    let refused = call!(one, get_reply_stats, wire::GetReplyStatsRequest {});
    assert_refused(refused, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
}

async fn what_agents_note_of_a_customer(world: &World) {
    let one = person(world, 1, BuiltinRole::Agent);
    world.anonymous().say(says("s", "你好")).await.unwrap();
    let get = wire::GetProfileRequest { session: "s".into() };
    let before = call!(one, get_profile, get.clone()).unwrap().profile.unwrap();
    assert_eq!((before.version, before.language.as_str()), (0, "zh"));
    let edit = wire::EditProfileRequest {
        session: "s".into(),
        nickname: Some("爱丽丝".into()),
        email: Some("alice@example.com".into()),
        attributes: HashMap::from([("phone".into(), "123".into()), ("city".into(), "Köln".into())]),
        remark: Some("likes tea".into()),
        ..wire::EditProfileRequest::default()
    };
    let after = call!(one, edit_profile, edit.clone()).unwrap().profile.unwrap();
    assert_eq!(
        (after.version, after.nickname.as_deref(), after.attributes["phone"].as_str()),
        (1, Some("爱丽丝"), "123")
    );
    // Removed by an empty value; what is not named stays.
    let less = wire::EditProfileRequest {
        session: "s".into(),
        expected_version: 1,
        attributes: HashMap::from([("phone".into(), String::new())]),
        ..wire::EditProfileRequest::default()
    };
    let after = call!(one, edit_profile, less.clone()).unwrap().profile.unwrap();
    assert_eq!(after.attributes.keys().collect::<Vec<_>>(), ["city"]);
    assert_eq!((after.remark.as_str(), after.email.as_deref()), ("likes tea", Some("alice@example.com")));
    assert_refused(call!(one, edit_profile, less), ErrorKind::Conflict, "PROFILE_CHANGED");
    for email in ["alice", "a@b", "a b@c.d", "a@b.c\r\nBcc: x@y.z", "<a@b.c>"] {
        let bad = wire::EditProfileRequest { email: Some(email.into()), ..edit.clone() };
        assert_eq!(call!(one, edit_profile, bad).unwrap_err().kind, ErrorKind::Invalid, "{email}");
    }
    let bad = HashMap::from([("Phone".into(), "1".into())]);
    let bad = wire::EditProfileRequest { attributes: bad, ..edit };
    assert_refused(call!(one, edit_profile, bad), ErrorKind::Invalid, "INVALID_ATTRIBUTE");
    // What a token of the shop says wins.
    let profile = wire::Profile { nickname: Some("Alice L.".into()), ..wire::Profile::default() };
    world.visitor("s").say(wire::SayRequest { profile: Some(profile), ..says("s", "again") }).await.unwrap();
    assert_eq!(call!(one, get_profile, get).unwrap().profile.unwrap().nickname.as_deref(), Some("Alice L."));
    let nobody = wire::GetProfileRequest { session: "never".into() };
    assert_refused(call!(one, get_profile, nobody), ErrorKind::NotFound, "SESSION_NOT_FOUND");
}

async fn asking_a_colleague(world: &World) {
    let (one, two) = (person(world, 1, BuiltinRole::Agent), person(world, 2, BuiltinRole::Agent));
    world.anonymous().say(says("s", "hello")).await.unwrap();
    let line = |number: u8| wire::RosterLine {
        id: id(number),
        username: format!("agent{number}"),
        name: format!("Agent {number}"),
        status: "online".into(),
        max_sessions: 5,
        version: 1,
        serves: true,
        ..wire::RosterLine::default()
    };
    let auth = world.line(ServiceName::AgentAuth, Principal::Service(ServiceName::AgentAuth));
    let mut floor = FloorServiceClient::new(auth.channel());
    let roster = wire::PutRosterRequest { lines: vec![line(1), line(2)] };
    auth.ask(async move { floor.put_roster(roster).await }).await.unwrap();

    let ask = |assistant: &str| wire::AskAssistRequest {
        session: "s".into(),
        requester: Some(agent(1)),
        assistant: assistant.into(),
        question: "怎么退款？".into(),
        idempotency: Some(Idempotency { key: format!("ask-{assistant}"), fingerprint: "f".into() }),
    };
    assert_refused(call!(one, ask_assist, ask("nobody")), ErrorKind::NotFound, "ASSISTANT_NOT_FOUND");
    assert_refused(call!(one, ask_assist, ask("agent1")), ErrorKind::Invalid, "SAME_AGENT");
    let never = wire::AskAssistRequest { session: "never".into(), ..ask("agent2") };
    assert_refused(call!(one, ask_assist, never), ErrorKind::NotFound, "SESSION_NOT_FOUND");
    let asked = call!(one, ask_assist, ask("agent2")).unwrap().assist.unwrap();
    assert_eq!(call!(one, ask_assist, ask("agent2")).unwrap().assist.unwrap(), asked);

    let list = |status: &str| wire::ListAssistsRequest { status: status.into(), limit: 10 };
    let mine = call!(two, list_assists, list("pending")).unwrap();
    assert_eq!((mine.received.len(), mine.sent.len(), mine.received_pending), (1, 0, 1));
    let answer = |text: &str| wire::AnswerAssistRequest {
        id: asked.id.clone(),
        answer: text.into(),
        ..wire::AnswerAssistRequest::default()
    };
    assert_refused(call!(one, answer_assist, answer("me")), ErrorKind::Forbidden, "PERMISSION_DENIED");
    let answered = call!(two, answer_assist, answer("在后台点退款")).unwrap().assist.unwrap();
    assert_eq!(answered.status, "answered");
    assert!(call!(two, answer_assist, answer("在后台点退款")).is_ok(), "the same call again");
    assert_refused(call!(two, answer_assist, answer("other")), ErrorKind::Invalid, "ALREADY_ANSWERED");
    let sent = call!(one, list_assists, list("answered")).unwrap();
    assert_eq!((sent.sent.len(), sent.received_pending), (1, 0));
    assert_refused(call!(one, list_assists, list("lost")), ErrorKind::Invalid, "INVALID_STATUS");
}
