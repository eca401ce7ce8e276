//! Quick replies, customers' profiles, questions among colleagues.

use crate::{
    words::{assert_refused, chat as says},
    world::{Line, World},
};
use std::collections::HashMap;
use switchboard_domain::{AgentId, BuiltinRole, ErrorKind, Permission, Permissions, Principal, ServiceName};
use switchboard_proto::{
    audit::v1::{self as audit, audit_service_client::AuditServiceClient},
    common::v1::{AgentRef, Idempotency},
    session::v1::{
        self as wire, floor_service_client::FloorServiceClient, tools_service_client::ToolsServiceClient,
    },
};

crate::on_both_engines!(
    replies_of_ones_own_and_shared,
    a_list_without_what_is_shared,
    a_repeated_deletion_succeeds,
    filling_in_a_customers_name_needs_the_right_to_read,
    a_use_is_counted_once,
    a_reply_tells_the_time_of_the_shop,
    what_agents_note_of_a_customer,
    an_edit_is_no_sign_of_life,
    asking_a_colleague,
    what_is_asked_and_made_leaves_its_digests,
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

async fn a_list_without_what_is_shared(world: &World) {
    let (one, two) = (person(world, 1, BuiltinRole::Agent), person(world, 2, BuiltinRole::Agent));
    let boss = person(world, 3, BuiltinRole::Supervisor);
    let shared = call!(one, put_reply, greeting(true)).unwrap().reply.unwrap();
    let own = wire::PutReplyRequest { agent: Some(agent(2)), ..greeting(false) };
    let own = call!(two, put_reply, own).unwrap().reply.unwrap();
    let ids = async |line: &Line, include_shared: bool| {
        let request = wire::ListRepliesRequest { include_shared, ..wire::ListRepliesRequest::default() };
        let found = call!(*line, list_replies, request).unwrap();
        assert_eq!(found.total, i64::try_from(found.replies.len()).unwrap());
        let mut ids: Vec<String> = found.replies.into_iter().map(|reply| reply.id).collect();
        ids.sort();
        ids
    };
    let mut both = vec![shared.id.clone(), own.id.clone()];
    both.sort();
    assert_eq!(ids(&two, false).await, [own.id]);
    assert_eq!(ids(&two, true).await, both);
    assert_eq!(ids(&one, false).await, [shared.id], "his own, which he shares");
    assert_eq!(ids(&boss, false).await, both, "who manages them sees all");
}

async fn a_repeated_deletion_succeeds(world: &World) {
    let (one, two) = (person(world, 1, BuiltinRole::Agent), person(world, 2, BuiltinRole::Agent));
    let made = call!(one, put_reply, greeting(true)).unwrap().reply.unwrap();
    let delete = wire::DeleteReplyRequest { id: made.id };
    for _ in 0..2 {
        call!(one, delete_reply, delete.clone()).unwrap();
    }
    assert_refused(call!(two, delete_reply, delete), ErrorKind::NotFound, "QUICK_REPLY_NOT_FOUND");
    let never = wire::DeleteReplyRequest { id: "reply_0192f0c1a2b37c4d8e5f60718293a4b5".into() };
    assert_refused(call!(one, delete_reply, never), ErrorKind::NotFound, "QUICK_REPLY_NOT_FOUND");
    assert_eq!(crate::hands::audited(world).await.len(), 2, "made and deleted, once each");
}

async fn filling_in_a_customers_name_needs_the_right_to_read(world: &World) {
    world.anonymous().say(says("s", "hello")).await.unwrap();
    let one = AgentId::parse(&id(1)).unwrap();
    let only = |list: &[Permission]| {
        let permissions = Permissions::of(list);
        world.line(ServiceName::Gateway, Principal::Agent { id: one, permissions })
    };
    let writer = only(&[Permission::RepliesWrite]);
    let made = call!(writer, put_reply, greeting(false)).unwrap().reply.unwrap();
    let using = |session: &str| wire::UseReplyRequest {
        id: made.id.clone(),
        agent: Some(agent(1)),
        session: session.into(),
        ..wire::UseReplyRequest::default()
    };
    for session in ["s", "never"] {
        let refused = call!(writer, use_reply, using(session));
        assert_refused(refused, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
    }
    assert!(call!(writer, use_reply, using("")).is_ok());
    let reader = only(&[Permission::RepliesWrite, Permission::SessionsRead]);
    assert!(call!(reader, use_reply, using("s")).is_ok());
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
    let other = Idempotency { key: "a".into(), fingerprint: "g".into() };
    let otherwise = wire::UseReplyRequest { idempotency: Some(other), ..use_it("a") };
    assert_refused(call!(one, use_reply, otherwise), ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    let stats = call!(boss, get_reply_stats, wire::GetReplyStatsRequest {}).unwrap();
    assert_eq!((stats.total, stats.total_used, stats.by_category["greeting"]), (1, 2, 1));
    let refused = call!(one, get_reply_stats, wire::GetReplyStatsRequest {});
    assert_refused(refused, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
}

async fn a_reply_tells_the_time_of_the_shop(world: &World) {
    let one = person(world, 1, BuiltinRole::Agent);
    let clock =
        wire::PutReplyRequest { content: Some("{current_date} {current_time}".into()), ..greeting(true) };
    let made = call!(one, put_reply, clock).unwrap().reply.unwrap();
    let told =
        wire::UseReplyRequest { id: made.id, agent: Some(agent(1)), ..wire::UseReplyRequest::default() };
    // The world's clock starts at 02:40 UTC; the shop is in Shanghai.
    assert_eq!(call!(one, use_reply, told).unwrap().text, "2026-02-02 10:40");
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
    assert_eq!(
        call!(one, edit_profile, less.clone()).unwrap().profile,
        Some(after.clone()),
        "the same call again"
    );
    let other = wire::EditProfileRequest { remark: Some("tea".into()), ..less };
    assert_refused(call!(one, edit_profile, other), ErrorKind::Conflict, "PROFILE_CHANGED");
    // Who reads the session sees it beside it, unless it is the customer.
    let look = wire::GetRequest { session: "s".into(), tail: 0 };
    let insight = world.staff(BuiltinRole::Agent).get(look.clone()).await.unwrap().insight.unwrap();
    assert_eq!((insight.attributes, insight.priority), (after.attributes, None));
    assert_eq!(world.visitor("s").get(look).await.unwrap().insight, None);
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

async fn an_edit_is_no_sign_of_life(world: &World) {
    let one = person(world, 1, BuiltinRole::Agent);
    world.anonymous().say(says("s", "hello")).await.unwrap();
    let before = crate::words::session(world, "s").await;
    world.clock.advance(std::time::Duration::from_secs(5));
    let edit = wire::EditProfileRequest {
        session: "s".into(),
        nickname: Some("Ann".into()),
        ..wire::EditProfileRequest::default()
    };
    call!(one, edit_profile, edit).unwrap();
    let after = crate::words::session(world, "s").await;
    assert_eq!(after.profile.unwrap().nickname.as_deref(), Some("Ann"));
    assert_eq!(after.updated_at_ms, before.updated_at_ms, "the list shows who spoke last");
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

/// What the audit log vouches for: before and after, by action.
async fn digests(world: &World) -> HashMap<String, (String, String)> {
    let admin = person(world, 9, BuiltinRole::Admin);
    let mut client = AuditServiceClient::new(admin.channel());
    let all = audit::ListRequest { limit: 200, ..audit::ListRequest::default() };
    let listed = admin.ask(async move { client.list(all).await }).await.unwrap();
    let told = |record: audit::Record| (record.action, (record.before_digest, record.after_digest));
    listed.records.into_iter().map(told).collect()
}

async fn what_is_asked_and_made_leaves_its_digests(world: &World) {
    let (one, two) = (person(world, 1, BuiltinRole::Agent), person(world, 2, BuiltinRole::Agent));
    world.anonymous().say(says("s", "hello")).await.unwrap();
    call!(one, put_reply, greeting(true)).unwrap();
    let auth = world.line(ServiceName::AgentAuth, Principal::Service(ServiceName::AgentAuth));
    let mut floor = FloorServiceClient::new(auth.channel());
    let colleague = wire::RosterLine {
        id: id(2),
        username: "Müller".into(),
        name: "Agent 2".into(),
        status: "online".into(),
        max_sessions: 5,
        version: 1,
        serves: true,
        ..wire::RosterLine::default()
    };
    let roster = wire::PutRosterRequest { lines: vec![colleague] };
    auth.ask(async move { floor.put_roster(roster).await }).await.unwrap();
    let asked = wire::AskAssistRequest {
        session: "s".into(),
        requester: Some(agent(1)),
        // Names are compared as those who log in may write them.
        assistant: "MÜLLER".into(),
        question: "how?".into(),
        idempotency: None,
    };
    let asked = call!(one, ask_assist, asked).unwrap().assist.unwrap();
    let answer = wire::AnswerAssistRequest { id: asked.id, answer: "so".into(), ..Default::default() };
    call!(two, answer_assist, answer).unwrap();
    one.escalate(crate::words::escalate("s", None)).await.unwrap();
    one.cancel_wait(wire::CancelWaitRequest { session: "s".into(), idempotency: None }).await.unwrap();
    let digests = digests(world).await;
    let of = |action: &str| digests.get(action).unwrap_or_else(|| panic!("{action}: {digests:?}"));
    for made in ["quick_reply.create", "assist.ask"] {
        assert!(of(made).0.is_empty() && !of(made).1.is_empty(), "{made}: {:?}", of(made));
    }
    for changed in ["assist.answer", "session.escalate", "session.cancel_wait"] {
        let (before, after) = of(changed);
        assert!(!before.is_empty() && !after.is_empty() && before != after, "{changed}: {before} {after}");
    }
    assert_eq!(of("assist.ask").1, of("assist.answer").0);
    // Between the two nothing else happened to the session.
    assert_eq!(of("session.escalate").1, of("session.cancel_wait").0);
}
