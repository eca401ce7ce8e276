//! `Transfer`, `AnswerOffer`, `ListOffers`: a session passes from agent to agent when the other one wants it, in time.

use crate::{
    hands::{Hand, agent, audited, boss, enrol, hand, once, owned, roster},
    words::{assert_refused, escalate, lines, log, session},
    world::{START, World},
};
use std::time::Duration;
use switchboard_domain::{ErrorKind, Failure};
use switchboard_proto::session::v1 as wire;

crate::on_both_engines!(
    a_colleague_accepts,
    a_colleague_declines,
    nobody_answers_in_time,
    what_cannot_be_handed_over,
    only_the_addressee_answers_once,
    an_offer_ends_with_what_it_offers,
    a_supervisor_gives_at_once,
    handing_over_and_answering_are_repeatable,
    old_offers_are_forgotten,
);

async fn offered(me: &Hand, session: &str, to: u32) -> wire::Offer {
    me.transfer(me.handing(session, to)).await.unwrap().offer.unwrap()
}

async fn offer(hand: &Hand, session: &str) -> wire::Offer {
    let request = wire::ListOffersRequest { session: Some(session.into()), limit: 0 };
    hand.list_offers(request).await.unwrap().offers.remove(0)
}

async fn mine(hand: &Hand) -> Vec<wire::Offer> {
    hand.list_offers(wire::ListOffersRequest::default()).await.unwrap().offers
}

async fn a_colleague_accepts(world: &World) {
    roster(world, 2).await;
    let (me, other) = (owned(world, "s", 1).await, hand(world, 2));
    let before = session(world, "s").await;
    let made = me.transfer(me.handing("s", 2)).await.unwrap();
    let offer = made.offer.unwrap();
    assert_eq!((offer.state(), offer.kind()), (wire::OfferState::Open, wire::OfferKind::Transfer));
    assert_eq!((offer.made_at_ms, offer.expires_at_ms), (START, START + 30_000));
    assert_eq!((made.entries, made.session), (vec![], Some(before.clone())), "nothing has changed yet");
    assert_eq!(mine(&other).await, std::slice::from_ref(&offer));
    let asked = other.told().await.pop().unwrap();
    assert_eq!(asked.0, "transfer_request");
    for (field, value) in [
        ("id", offer.id.as_str()),
        ("session_name", "s"),
        ("from_agent", &agent(1).id),
        ("from_agent_name", "Agent 1"),
        ("to_agent_name", "Agent 2"),
        ("reason", "knows better"),
        ("note", "likes tea"),
    ] {
        assert_eq!(asked.1["data"][field], value, "{field}");
    }
    assert_eq!(asked.1["data"]["created_at"], 1_770_000_000.0);

    let answered = other.answer_offer(other.answering(&offer.id, true)).await.unwrap();
    assert_eq!(lines(&answered.entries)[1], "manual_live -> manual_live (transferred)");
    let after = answered.session.unwrap();
    assert_eq!((after.agent, after.fence), (Some(agent(2)), before.fence + 1));
    let ended = answered.offer.unwrap();
    assert_eq!((ended.state(), ended.answer_note.as_str()), (wire::OfferState::Accepted, "well"));
    assert_eq!(me.heard().await, ["session_assigned", "transfer_answered", "session_lost"]);
    assert_eq!(me.told().await[1].1["data"]["decision"], "accepted");
    assert_eq!(other.heard().await, ["transfer_request", "offer_ended", "session_assigned"]);
    assert_eq!(mine(&other).await, []);
    assert_refused(me.post(me.posting("s", "hi", "")).await, ErrorKind::Forbidden, "NOT_OWNER");
    other.post(other.posting("s", "hi", "")).await.unwrap();
}

async fn a_colleague_declines(world: &World) {
    roster(world, 2).await;
    let (me, other) = (owned(world, "s", 1).await, hand(world, 2));
    // By his user name, too.
    let handing = wire::TransferRequest { to: "user2".into(), ..me.handing("s", 2) };
    let made = me.transfer(handing).await.unwrap().offer.unwrap();
    assert_eq!(made.to, Some(agent(2)));
    let answered = other.answer_offer(other.answering(&made.id, false)).await.unwrap();
    assert_eq!((answered.entries, answered.session), (vec![], Some(session(world, "s").await)));
    assert_eq!(answered.offer.unwrap().state(), wire::OfferState::Declined);
    assert_eq!(session(world, "s").await.agent, Some(agent(1)));
    let told = me.told().await.pop().unwrap();
    assert_eq!((told.0.as_str(), &told.1["data"]["decision"]), ("transfer_answered", &"declined".into()));
    assert_eq!(told.1["data"]["response_note"], "well");
    // Now another may be asked.
    offered(&me, "s", 2).await;
    let history = wire::ListOffersRequest { session: Some("s".into()), limit: 0 };
    assert_eq!(me.list_offers(history).await.unwrap().offers.len(), 2);
}

async fn nobody_answers_in_time(world: &World) {
    roster(world, 2).await;
    let (me, other) = (owned(world, "s", 1).await, hand(world, 2));
    let mut feed = me.feed(None).await.unwrap();
    let made = offered(&me, "s", 2).await;
    world.clock.advance(Duration::from_millis(29_999));
    let pending = me.transfer(me.handing("s", 2)).await;
    assert_refused(pending, ErrorKind::Conflict, "TRANSFER_PENDING");
    world.clock.advance(Duration::from_millis(1));
    // Too late, whether or not somebody has looked.
    let late = other.answer_offer(other.answering(&made.id, true)).await.unwrap_err();
    assert_eq!((late.code.as_ref(), late.facts["state"].as_str()), ("OFFER_GONE", "expired"));
    let settings = [("session.poll_interval", "20ms")];
    let _replicas = (world.replica(&settings).await, world.replica(&settings).await);
    // Told by another replica, hence found when this one looks: it does not, so ask.
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while offer(&me, "s").await.state() == wire::OfferState::Open {
        assert!(tokio::time::Instant::now() < deadline, "nobody ends it");
        tokio::task::yield_now().await;
    }
    assert_eq!(offer(&me, "s").await.state(), wire::OfferState::Expired);
    assert_eq!(me.heard().await, ["session_assigned", "transfer_answered"], "told once, by one replica");
    assert_eq!(other.heard().await, ["transfer_request", "offer_ended"]);
    assert_eq!(session(world, "s").await.agent, Some(agent(1)));
    // A waker of this replica brings what the other one committed.
    offered(&me, "s", 2).await;
    other.answer_offer(other.answering(&offer(&me, "s").await.id, false)).await.unwrap();
    assert_eq!((feed.entry().await.kind.as_str(), feed.entry().await.seq), ("transfer_answered", 3));
}

async fn what_cannot_be_handed_over(world: &World) {
    roster(world, 2).await;
    enrol(world, 3, "offline", START + 60_000).await;
    enrol(world, 4, "online", START).await;
    // A colleague without the permission to serve: asked or given, he could do nothing with it.
    let replica = world.replica(&[("session.routing.auto_assign", "false")]).await;
    let clerk = wire::RosterLine { serves: false, ..crate::floor::roster_line(5) };
    crate::floor::enrol(world, &replica, vec![clerk]).await;
    let me = owned(world, "s", 1).await;
    let asking = |to: u32| me.transfer(me.handing("s", to));
    assert_refused(asking(1).await, ErrorKind::Invalid, "SAME_AGENT");
    assert_refused(asking(9).await, ErrorKind::NotFound, "UNKNOWN_AGENT");
    assert_refused(asking(3).await, ErrorKind::Conflict, "AGENT_OFFLINE");
    assert_refused(asking(4).await, ErrorKind::Conflict, "AGENT_OFFLINE");
    assert_refused(asking(5).await, ErrorKind::Conflict, "AGENT_CANNOT_SERVE");
    let chief = boss(world, 7);
    let given = wire::TransferRequest { immediate: true, ..chief.handing("s", 5) };
    assert_refused(chief.transfer(given).await, ErrorKind::Conflict, "AGENT_CANNOT_SERVE");
    // However his name is written.
    let shouting = wire::TransferRequest { to: " USER5".into(), ..me.handing("s", 5) };
    assert_refused(me.transfer(shouting).await, ErrorKind::Conflict, "AGENT_CANNOT_SERVE");
    let blank = wire::TransferRequest { reason: " \t".into(), ..me.handing("s", 2) };
    assert_refused(me.transfer(blank).await, ErrorKind::Invalid, "REASON_REQUIRED");
    for long in [
        wire::TransferRequest { reason: "x".repeat(201), ..me.handing("s", 2) },
        wire::TransferRequest { note: "x".repeat(2001), ..me.handing("s", 2) },
    ] {
        assert_refused(me.transfer(long).await, ErrorKind::Invalid, "INVALID_LENGTH");
    }
    let at_once = wire::TransferRequest { immediate: true, ..me.handing("s", 2) };
    assert_refused(me.transfer(at_once).await, ErrorKind::Forbidden, "IMMEDIATE_NOT_ALLOWED");
    let other = hand(world, 2);
    assert_refused(other.transfer(other.handing("s", 1)).await, ErrorKind::Forbidden, "NOT_OWNER");
    assert_refused(other.transfer(other.handing("s", 9)).await, ErrorKind::Forbidden, "NOT_OWNER");
    me.let_go("s").await.unwrap();
    assert_refused(asking(2).await, ErrorKind::Conflict, "INVALID_STATUS");
    assert_eq!(other.heard().await, [""; 0]);
}

async fn only_the_addressee_answers_once(world: &World) {
    roster(world, 3).await;
    let (me, other, third) = (owned(world, "s", 1).await, hand(world, 2), hand(world, 3));
    let made = offered(&me, "s", 2).await;
    for somebody in [&me, &third, &boss(world, 7)] {
        let refused = somebody.answer_offer(somebody.answering(&made.id, true)).await;
        assert_refused(refused, ErrorKind::Forbidden, "NOT_YOUR_OFFER");
    }
    let unknown = other.answering("ofr_0192f0c1a2b37c4d8e5f60718293a4b5", true);
    assert_refused(other.answer_offer(unknown).await, ErrorKind::NotFound, "OFFER_GONE");
    let nonsense = other.answer_offer(other.answering("42", true)).await;
    assert_refused(nonsense, ErrorKind::Invalid, "MALFORMED_MESSAGE");
    let long = wire::AnswerOfferRequest { note: "x".repeat(501), ..other.answering(&made.id, true) };
    assert_refused(other.answer_offer(long).await, ErrorKind::Invalid, "INVALID_LENGTH");
    other.answer_offer(other.answering(&made.id, false)).await.unwrap();
    for accept in [true, false] {
        let again = other.answer_offer(other.answering(&made.id, accept)).await.unwrap_err();
        assert_eq!((again.kind, again.facts["state"].as_str()), (ErrorKind::Conflict, "declined"));
    }
}

/// Whatever passes the right to speak on ends the offer, and a late yes changes nothing.
async fn an_offer_ends_with_what_it_offers(world: &World) {
    roster(world, 2).await;
    let other = hand(world, 2);
    let gone = |outcome: Result<_, Failure>| {
        let failure = Result::<wire::AnswerOfferResponse, Failure>::unwrap_err(outcome);
        assert_eq!((failure.code.as_ref(), failure.facts["state"].as_str()), ("OFFER_GONE", "withdrawn"));
    };
    for (n, name) in ["released", "closed", "taken"].into_iter().enumerate() {
        let me = owned(world, name, 1).await;
        let made = offered(&me, name, 2).await;
        match n {
            0 => me.let_go(name).await.unwrap(),
            1 => me.shut(name).await.unwrap(),
            _ => boss(world, 7).barge_in(name).await.unwrap(),
        };
        gone(other.answer_offer(other.answering(&made.id, true)).await);
        assert_eq!(offer(&me, name).await.state(), wire::OfferState::Withdrawn);
        assert_eq!(mine(&other).await, []);
    }
    assert_eq!(other.heard().await, ["transfer_request", "offer_ended"].repeat(3));
    // Whoever is asked and takes it by another way has accepted.
    let me = owned(world, "barged", 1).await;
    offered(&me, "barged", 2).await;
    boss(world, 2).barge_in("barged").await.unwrap();
    assert_eq!(offer(&me, "barged").await.state(), wire::OfferState::Accepted);
    // A customer who gives up waiting leaves nothing behind either.
    let me = owned(world, "back", 1).await;
    offered(&me, "back", 2).await;
    me.let_go("back").await.unwrap();
    world.visitor("back").escalate(escalate("back", None)).await.unwrap();
    let cancel = wire::CancelWaitRequest { session: "back".into(), idempotency: None };
    world.visitor("back").cancel_wait(cancel).await.unwrap();
    assert_eq!(offer(&me, "back").await.state(), wire::OfferState::Withdrawn);
}

async fn a_supervisor_gives_at_once(world: &World) {
    roster(world, 3).await;
    let (me, chief) = (owned(world, "s", 1).await, boss(world, 7));
    let asked = offered(&me, "s", 2).await;
    let at_once = wire::TransferRequest { immediate: true, ..chief.handing("s", 3) };
    let given = chief.transfer(at_once).await.unwrap();
    assert_eq!((given.offer, given.session.unwrap().agent), (None, Some(agent(3))));
    assert_eq!(lines(&given.entries)[1], "manual_live -> manual_live (transferred)");
    let other = hand(world, 2);
    let late = other.answer_offer(other.answering(&asked.id, true)).await;
    assert_refused(late, ErrorKind::Conflict, "OFFER_GONE");
    assert_eq!(me.heard().await, ["session_assigned", "transfer_answered", "session_lost"]);
    // He may also ask for another's session; the colleague's yes is enough.
    let asked = offered(&chief, "s", 2).await;
    other.answer_offer(other.answering(&asked.id, true)).await.unwrap();
    assert_eq!(session(world, "s").await.agent, Some(agent(2)));
    assert_eq!(hand(world, 3).heard().await, ["session_assigned", "session_lost"]);
    assert_eq!(chief.heard().await, ["transfer_answered"]);
    let actions: Vec<_> = audited(world).await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!(actions[2..], ["session.transfer", "session.transfer", "session.answer_offer"]);
}

async fn handing_over_and_answering_are_repeatable(world: &World) {
    roster(world, 2).await;
    let (me, other) = (owned(world, "s", 1).await, hand(world, 2));
    let handing = wire::TransferRequest { idempotency: Some(once("t")), ..me.handing("s", 2) };
    let first = me.transfer(handing.clone()).await.unwrap();
    let again = me.transfer(handing.clone()).await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.offer, first.offer);
    let id = first.offer.unwrap().id;
    let answering = wire::AnswerOfferRequest { idempotency: Some(once("a")), ..other.answering(&id, true) };
    let yes = other.answer_offer(answering.clone()).await.unwrap();
    let length = log(world, "s").await.len();
    assert_eq!(other.answer_offer(answering).await.unwrap(), yes);
    assert_eq!(log(world, "s").await.len(), length);
    let late = me.transfer(handing).await.unwrap();
    assert_eq!(late.offer.unwrap().state(), wire::OfferState::Accepted, "the offer as it stands now");
}

async fn old_offers_are_forgotten(world: &World) {
    for n in 1..=3 {
        enrol(world, n, "online", START + 10 * 3_600_000).await;
    }
    let (me, other) = (owned(world, "s", 1).await, hand(world, 2));
    let first = offered(&me, "s", 2).await;
    other.answer_offer(other.answering(&first.id, false)).await.unwrap();
    world.clock.advance(Duration::from_hours(2));
    let young = offered(&me, "s", 3).await;
    let settings = [("session.cleanup_interval", "1ms"), ("session.offer_retention", "1h")];
    world.replica(&settings).await;
    let asked = || wire::ListOffersRequest { session: Some("s".into()), limit: 0 };
    switchboard_tests::patience::eventually("the old offer is deleted", async || {
        let kept = me.list_offers(asked()).await.unwrap().offers;
        (kept == std::slice::from_ref(&young)).then_some(())
    })
    .await;
}
