//! `TakeOver`, `Post`, `Release`, `Close`: who may, what it writes, and who is told.

use crate::{
    hands::{agent, audited, boss, hand, once, owned, waiting},
    words::{
        ask, assert_refused, begin, chat, escalate, exchange, lines, log, manual, message, session, status,
    },
    world::World,
};
use switchboard_domain::{BuiltinRole, ErrorKind, Language, ServiceName, Status, notice::Notice};
use switchboard_proto::{common::v1::AgentRef, session::v1 as wire};

crate::on_both_engines!(
    one_agent_takes_a_waiting_session,
    taking_again_is_a_replay_with_its_key_and_refused_without,
    what_cannot_be_taken,
    a_supervisor_barges_in,
    nobody_acts_in_anothers_name,
    only_the_owner_writes,
    a_message_is_kept_once_for_its_id,
    released_and_closed_by_the_owner_or_a_supervisor,
    a_closed_session_opens_again_when_its_customer_writes,
    every_command_leaves_a_record,
);

async fn one_agent_takes_a_waiting_session(world: &World) {
    waiting(world, "s").await;
    let taken = hand(world, 1).take("s").await.unwrap();
    let told = Notice::TakenOver { agent: "Agent 1".into() }.text(Language::En);
    assert_eq!(lines(&taken.entries), ["pending_manual -> manual_live ()", &format!("system: {told}")]);
    let live = taken.session.unwrap();
    assert_eq!((status(&live), live.agent, live.fence), (Status::ManualLive, Some(agent(1)), 3));
    let late = hand(world, 2).take("s").await.unwrap_err();
    assert_eq!((late.kind, late.code.as_ref()), (ErrorKind::Conflict, "ALREADY_TAKEN"));
    assert_eq!(
        (late.facts["agent_id"].as_str(), late.facts["agent_name"].as_str()),
        (agent(1).id.as_str(), "Agent 1")
    );
    assert_eq!(hand(world, 1).heard().await, ["session_assigned"]);
    assert_eq!(hand(world, 2).heard().await, [""; 0]);
}

async fn taking_again_is_a_replay_with_its_key_and_refused_without(world: &World) {
    waiting(world, "s").await;
    let me = hand(world, 1);
    let request = wire::TakeOverRequest { idempotency: Some(once("k")), ..me.taking("s") };
    let first = me.take_over(request.clone()).await.unwrap();
    let again = me.take_over(request.clone()).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(again.entries, first.entries);
    assert_refused(me.take("s").await, ErrorKind::Conflict, "ALREADY_TAKEN");
    let other = Some(crate::words::once("k", "other"));
    let reused = wire::TakeOverRequest { idempotency: other, ..request };
    assert_refused(me.take_over(reused).await, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    assert_eq!(log(world, "s").await.len(), 7);
    assert_eq!(me.heard().await, ["session_assigned"], "told once");
}

async fn what_cannot_be_taken(world: &World) {
    let me = hand(world, 1);
    ask(world, "s", "hello").await;
    assert_refused(me.take("s").await, ErrorKind::Conflict, "INVALID_STATUS");
    assert_refused(me.take("nothing").await, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    assert_refused(me.barge_in("s").await, ErrorKind::Forbidden, "BARGE_IN_NOT_ALLOWED");
    let guest = crate::hands::Hand::on(world.staff(BuiltinRole::Guest), 1);
    assert_refused(guest.take("s").await, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
    let visitor = crate::hands::Hand::on(world.visitor("s"), 1);
    assert_refused(visitor.take("s").await, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
    assert_eq!(log(world, "s").await.len(), 2, "nothing was written");
}

async fn a_supervisor_barges_in(world: &World) {
    // Into a running answer of the bot: its turn ends and its answer no longer counts.
    let turn = ask(world, "s", "hello").await;
    let taken = boss(world, 7).barge_in("s").await.unwrap();
    assert_eq!(lines(&taken.entries)[..2], ["turn handed_over", "bot_active -> manual_live ()"]);
    let late = world.worker().finish_turn(crate::words::answer(&turn, "too late")).await.unwrap();
    assert_eq!(late.state(), wire::TurnState::HandedOver);
    assert!(!lines(&log(world, "s").await).contains(&"assistant: too late".to_owned()));
    // Into a colleague's session: he is told.
    let other = owned(world, "t", 1).await;
    boss(world, 7).barge_in("t").await.unwrap();
    assert_eq!(session(world, "t").await.agent, Some(agent(7)));
    let told = other.told().await;
    assert_eq!(told[1].0, "session_lost");
    assert_eq!(told[1].1["agent_info"]["agent_name"], "Agent 7");
    assert_refused(boss(world, 7).barge_in("t").await, ErrorKind::Conflict, "ALREADY_TAKEN");
    assert_eq!(boss(world, 7).heard().await, ["session_assigned", "session_assigned"]);
}

async fn nobody_acts_in_anothers_name(world: &World) {
    let me = owned(world, "s", 1).await;
    let other = Some(agent(2));
    let taking = wire::TakeOverRequest { agent: other.clone(), ..me.taking("s") };
    assert_refused(me.take_over(taking).await, ErrorKind::Forbidden, "IDENTITY_MISMATCH");
    let posting = wire::PostRequest { agent: other.clone(), ..me.posting("s", "hi", "") };
    assert_refused(me.post(posting).await, ErrorKind::Forbidden, "IDENTITY_MISMATCH");
    let handing = wire::TransferRequest { from: other.clone(), ..me.handing("s", 3) };
    assert_refused(me.transfer(handing).await, ErrorKind::Forbidden, "IDENTITY_MISMATCH");
    let answering = wire::AnswerOfferRequest {
        agent: other,
        ..me.answering("ofr_0192f0c1a2b37c4d8e5f60718293a4b5", true)
    };
    assert_refused(me.answer_offer(answering).await, ErrorKind::Forbidden, "IDENTITY_MISMATCH");
    let unnamed = wire::TakeOverRequest { agent: None, ..me.taking("s") };
    assert_refused(me.take_over(unnamed).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
    let nonsense = AgentRef { id: "bob".into(), name: "Bob".into() };
    let nonsense = wire::TakeOverRequest { agent: Some(nonsense), ..me.taking("s") };
    assert_refused(me.take_over(nonsense).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
    // Not even a part of the mesh acts as an agent.
    let part = world.line(ServiceName::ChatGateway, world.worker().principal());
    let part = crate::hands::Hand::on(part, 1);
    assert_refused(part.take("s").await, ErrorKind::Forbidden, "CALLER_NOT_ALLOWED");
}

async fn only_the_owner_writes(world: &World) {
    let me = hand(world, 1);
    exchange(world, "s", "hello", "hi").await;
    assert_refused(me.post(me.posting("s", "hi", "")).await, ErrorKind::Conflict, "INVALID_STATUS");
    world.visitor("s").escalate(escalate("s", None)).await.unwrap();
    assert_refused(me.post(me.posting("s", "hi", "")).await, ErrorKind::Conflict, "INVALID_STATUS");
    me.take("s").await.unwrap();
    let other = boss(world, 2);
    assert_refused(other.post(other.posting("s", "hi", "")).await, ErrorKind::Forbidden, "NOT_OWNER");
    let posted = me.post(me.posting("s", "  good day \r\n", "")).await.unwrap();
    assert_eq!(lines(&posted.entries), ["agent: good day"]);
    assert_eq!(message(&posted.entries[0]).agent, Some(agent(1)));
    me.post(me.posting("s", &"语".repeat(10_000), "")).await.unwrap();
    let long = me.post(me.posting("s", &"语".repeat(10_001), "")).await;
    assert_refused(long, ErrorKind::Invalid, "MESSAGE_TOO_LONG");
    assert_refused(me.post(me.posting("s", " ", "")).await, ErrorKind::Invalid, "MESSAGE_EMPTY");
    let unknown = me.post(me.posting("nothing", "hi", "")).await;
    assert_refused(unknown, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    me.let_go("s").await.unwrap();
    assert_refused(me.post(me.posting("s", "hi", "")).await, ErrorKind::Conflict, "INVALID_STATUS");
}

async fn a_message_is_kept_once_for_its_id(world: &World) {
    let me = owned(world, "s", 1).await;
    let first = me.post(me.posting("s", "good day", "k")).await.unwrap();
    me.let_go("s").await.unwrap();
    // For ever: also when the session is no longer the agent's, or has another owner.
    let again = me.post(me.posting("s", "good day", "k")).await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.entries, first.entries);
    let other_text = me.post(me.posting("s", "good night", "k")).await;
    assert_refused(other_text, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    world.visitor("s").escalate(escalate("s", None)).await.unwrap();
    let other = hand(world, 2);
    other.take("s").await.unwrap();
    let others = other.post(other.posting("s", "good day", "k")).await.unwrap();
    assert!(!others.replayed, "a colleague's ids are his own");
    let mine =
        world.visitor("s").say(wire::SayRequest { client_message_id: "k".into(), ..manual("s", "oh") }).await;
    assert!(!mine.unwrap().replayed, "a customer's ids are others");
    let said = lines(&log(world, "s").await).into_iter().filter(|line| line == "agent: good day").count();
    assert_eq!(said, 2);
}

async fn released_and_closed_by_the_owner_or_a_supervisor(world: &World) {
    let me = owned(world, "s", 1).await;
    let stranger = hand(world, 2);
    assert_refused(stranger.let_go("s").await, ErrorKind::Forbidden, "NOT_OWNER");
    assert_refused(stranger.shut("s").await, ErrorKind::Forbidden, "NOT_OWNER");
    let released = me.let_go("s").await.unwrap();
    let told = format!("system: {}", Notice::Released.text(Language::En));
    assert_eq!(lines(&released.entries), [told.as_str(), "manual_live -> bot_active (released)"]);
    let after = released.session.unwrap();
    assert_eq!((after.agent, after.escalation.is_some()), (None, true), "why a human came is kept");
    assert_refused(me.let_go("s").await, ErrorKind::Conflict, "INVALID_STATUS");
    assert_refused(me.shut("s").await, ErrorKind::Conflict, "INVALID_STATUS");
    // A supervisor does it for another, who is told.
    let other = owned(world, "t", 3).await;
    boss(world, 7).let_go("t").await.unwrap();
    let last = other.told().await.pop().unwrap();
    assert_eq!((last.0.as_str(), &last.1["reason"]), ("session_lost", &"released".into()));
    assert_eq!(me.heard().await, ["session_assigned"], "who lets go himself knows it");
    let long = wire::ReleaseRequest { session: "t".into(), reason: "x".repeat(201), idempotency: None };
    assert_refused(me.release(long).await, ErrorKind::Invalid, "INVALID_LENGTH");
}

async fn a_closed_session_opens_again_when_its_customer_writes(world: &World) {
    let me = owned(world, "s", 1).await;
    let request =
        wire::CloseRequest { session: "s".into(), reason: String::new(), idempotency: Some(once("k")) };
    let closed = me.close(request.clone()).await.unwrap();
    assert_eq!(lines(&closed.entries)[1], "manual_live -> closed (closed)");
    assert_eq!(status(&closed.session.unwrap()), Status::Closed);
    assert!(me.close(request).await.unwrap().replayed);
    assert_refused(me.take("s").await, ErrorKind::Conflict, "INVALID_STATUS");
    world.visitor("s").say(chat("s", "one more thing")).await.unwrap();
    let open = session(world, "s").await;
    assert_eq!((status(&open), open.turn.is_some()), (Status::BotActive, true));
    assert!(world.worker().begin_turn(begin("s")).await.unwrap().next.is_some());
}

async fn every_command_leaves_a_record(world: &World) {
    let me = owned(world, "s", 1).await;
    me.post(me.posting("s", "secret words", "k")).await.unwrap();
    me.post(me.posting("s", "secret words", "k")).await.unwrap();
    assert!(hand(world, 2).take("s").await.is_err());
    me.let_go("s").await.unwrap();
    me.line.escalate(escalate("s", None)).await.unwrap();
    let cancel = wire::CancelWaitRequest { session: "s".into(), idempotency: None };
    me.line.cancel_wait(cancel).await.unwrap();
    let who = format!("agent:{}", agent(1).id);
    let done =
        ["take_over", "post", "release", "escalate", "cancel_wait"].map(|verb| format!("session.{verb}"));
    let expected = done.map(|action| (who.clone(), action, "s".to_owned()));
    assert_eq!(audited(world).await, expected, "what was done, once; not what was refused or repeated");
}
