//! Assignment: who is offered what, why, and what happens when nobody answers, or leaves.

use crate::{
    floor::{
        ASSIGNING, NOT_ASSIGNING, at, boss_at, call, call_again, customer, enrol, find, get_queue, pass,
        roster_line, skill,
    },
    hands::{Hand, agent},
    words::{chat, escalate, lines, log, manual, session, status},
    world::{START, World},
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use switchboard_domain::{BuiltinRole, Language, Status, notice::Notice};
use switchboard_mesh::Mounted;
use switchboard_proto::session::v1::{self as wire, subscribe_response::Event};
use switchboard_tests::patience::eventually;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

crate::on_both_engines!(
    a_waiting_session_is_offered_and_the_offer_explains_itself,
    who_says_no_is_not_asked_again_for_a_while,
    nobody_gets_more_than_he_may,
    who_leaves_loses_his_offer_and_later_his_sessions,
    skills_are_needed_for_a_while,
    an_offer_locks_nobody_out,
    a_restart_goes_on_with_the_queue,
    assignment_can_be_turned_off,
    a_request_from_the_night_is_offered_in_the_morning,
    customers_are_told_their_places,
    places_of_a_queue_that_another_replica_fills,
    what_a_waiting_customer_adds_is_heard,
    two_replicas_never_offer_twice,
);

/// The session's offers, oldest first.
async fn offers(world: &World, replica: &Mounted, session: &str) -> Vec<wire::Offer> {
    let asked = wire::ListOffersRequest { session: Some(session.into()), limit: 200 };
    let mut offers = at(world, replica, 90).list_offers(asked).await.unwrap().offers;
    offers.reverse();
    offers
}

/// Waits until a session is offered to the n-th agent.
async fn offered(world: &World, replica: &Mounted, session: &str, n: u32) -> wire::Offer {
    eventually(format!("{session} is offered to agent {n}"), async || {
        let open = offers(world, replica, session).await.pop()?;
        (open.state() == wire::OfferState::Open && open.to.as_ref()?.id == agent(n).id).then_some(open)
    })
    .await
}

fn why(offer: &wire::Offer) -> Value {
    serde_json::from_str(&offer.explanation_json).unwrap()
}

async fn a_waiting_session_is_offered_and_the_offer_explains_itself(world: &World) {
    let replica = world.replica(&ASSIGNING).await;
    let lunch = wire::RosterLine { status: "lunch".into(), ..roster_line(2) };
    enrol(world, &replica, vec![roster_line(1), lunch]).await;
    call(world, &replica, "s", "hello", "manual").await;
    let offer = offered(world, &replica, "s", 1).await;
    assert_eq!((offer.kind(), offer.from.clone()), (wire::OfferKind::Assignment, None));
    assert_eq!(offer.expires_at_ms - offer.made_at_ms, 30_000);
    let why = why(&offer);
    assert_eq!((why["chosen"].as_str(), why["reason"].as_str()), (Some(agent(1).id.as_str()), Some("only")));
    assert_eq!(why["candidates"][1]["excluded"], "unavailable");
    assert_eq!(why["candidates"][0]["scores"]["load_ppm"], 0);
    let me = at(world, &replica, 1);
    let heard = me.told().await;
    assert_eq!((heard[0].0.as_str(), heard[0].1["data"]["id"].as_str()), ("offer", Some(offer.id.as_str())));
    let queue = get_queue(&boss_at(world, &replica), wire::GetQueueRequest::default()).await.unwrap();
    assert_eq!(queue.places[0].offered_to, Some(agent(1)));
    let taken = me.answer_offer(me.answering(&offer.id, true)).await.unwrap();
    assert_eq!(status(&taken.session.unwrap()), Status::ManualLive);
}

async fn who_says_no_is_not_asked_again_for_a_while(world: &World) {
    let replica = world.replica(&ASSIGNING).await;
    enrol(world, &replica, vec![roster_line(1), roster_line(2)]).await;
    call(world, &replica, "s", "hello", "manual").await;
    let first = offered(world, &replica, "s", 1).await;
    let one = at(world, &replica, 1);
    one.answer_offer(one.answering(&first.id, false)).await.unwrap();
    offered(world, &replica, "s", 2).await;
    // The second does not answer. Another offer makes the keeper of offers look at the clock that was moved.
    pass(world, 31);
    call(world, &replica, "nudge", "hello", "manual").await;
    eventually("the second offer expires", async || {
        let states: Vec<_> = offers(world, &replica, "s").await.iter().map(wire::Offer::state).collect();
        (states == [wire::OfferState::Declined, wire::OfferState::Expired]).then_some(())
    })
    .await;
    pass(world, 5 * 60 - 30);
    let third = offered(world, &replica, "s", 1).await;
    let explained = why(&third);
    let of = |n: u32| {
        let all = explained["candidates"].as_array().unwrap();
        all.iter().find(|one| one["agent"] == agent(n).id).unwrap()["excluded"].clone()
    };
    assert_eq!((of(1), of(2)), (Value::Null, "refused".into()));
}

async fn nobody_gets_more_than_he_may(world: &World) {
    let replica = world.replica(&ASSIGNING).await;
    enrol(world, &replica, vec![roster_line(1)]).await;
    for session in ["a", "b", "c", "d"] {
        call(world, &replica, session, "hello", "manual").await;
        pass(world, 1);
    }
    for session in ["a", "b", "c"] {
        let offer = offered(world, &replica, session, 1).await;
        let me = at(world, &replica, 1);
        me.answer_offer(me.answering(&offer.id, true)).await.unwrap();
    }
    assert!(offers(world, &replica, "d").await.is_empty(), "three are enough");
    at(world, &replica, 1).let_go("b").await.unwrap();
    offered(world, &replica, "d", 1).await;
}

async fn who_leaves_loses_his_offer_and_later_his_sessions(world: &World) {
    let replica = world.replica(&ASSIGNING).await;
    enrol(world, &replica, vec![roster_line(1)]).await;
    call(world, &replica, "live", "hello", "manual").await;
    let offer = offered(world, &replica, "live", 1).await;
    let me = at(world, &replica, 1);
    me.answer_offer(me.answering(&offer.id, true)).await.unwrap();
    call(world, &replica, "asked", "hello", "manual").await;
    offered(world, &replica, "asked", 1).await;
    // He signs off, a colleague signs on.
    let gone = wire::RosterLine { lease_until_ms: 0, version: 2, ..roster_line(1) };
    enrol(world, &replica, vec![gone, roster_line(2)]).await;
    let second = offered(world, &replica, "asked", 2).await;
    assert_eq!(offers(world, &replica, "asked").await[0].state(), wire::OfferState::Withdrawn);
    assert_ne!(second.id, offer.id);
    pass(world, 119);
    assert_eq!(status(&session(world, "live").await), Status::ManualLive, "he may come back");
    pass(world, 1);
    let third = offered(world, &replica, "live", 2).await;
    let waiting = session(world, "live").await;
    assert_eq!((status(&waiting), waiting.agent), (Status::PendingManual, None));
    assert_eq!(waiting.desk.unwrap().last_agent, Some(agent(1)));
    let told = Notice::OwnerLost.text(Language::En);
    let said = lines(&log(world, "live").await);
    assert_eq!(
        said[said.len() - 2..],
        ["manual_live -> pending_manual (owner_lost)", &format!("system: {told}")]
    );
    assert!(me.heard().await.contains(&"session_lost".to_owned()));
    let other = at(world, &replica, 2);
    other.answer_offer(other.answering(&third.id, true)).await.unwrap();
    assert_eq!(session(world, "live").await.agent, Some(agent(2)));
}

async fn skills_are_needed_for_a_while(world: &World) {
    let settings = [ASSIGNING[0], ("session.routing.skills.refund", "退款,refund")];
    let replica = world.replica(&settings).await;
    let expert =
        wire::RosterLine { status: "busy".into(), skills: skill("refund", "senior"), ..roster_line(2) };
    enrol(world, &replica, vec![roster_line(1), expert.clone()]).await;
    call(world, &replica, "s", "I want a REFUND", "manual").await;
    let needs = session(world, "s").await.desk.unwrap();
    assert_eq!((needs.needs, needs.urgent), (vec!["refund".to_owned()], vec!["refund".to_owned()]));
    pass(world, 59);
    call(world, &replica, "plain", "hello", "manual").await;
    offered(world, &replica, "plain", 1).await;
    assert!(offers(world, &replica, "s").await.is_empty(), "the expert is there and may come back");
    pass(world, 1);
    let offer = offered(world, &replica, "s", 1).await;
    assert_eq!(why(&offer)["relaxed"], true);
    // The expert is back, and comes first.
    enrol(world, &replica, vec![wire::RosterLine { status: "online".into(), version: 2, ..expert }]).await;
    call(world, &replica, "t", "refund!", "manual").await;
    assert_eq!(offered(world, &replica, "t", 2).await.reason, "only");
}

async fn an_offer_locks_nobody_out(world: &World) {
    let replica = world.replica(&ASSIGNING).await;
    enrol(world, &replica, vec![roster_line(1)]).await;
    call(world, &replica, "s", "hello", "manual").await;
    let offer = offered(world, &replica, "s", 1).await;
    at(world, &replica, 2).take("s").await.unwrap();
    assert_eq!(offers(world, &replica, "s").await[0].state(), wire::OfferState::Withdrawn);
    let me = at(world, &replica, 1);
    me.answer_offer(me.answering(&offer.id, true)).await.unwrap_err();
    // Back to the bot, and called again: whoever served it last comes first.
    at(world, &replica, 2).let_go("s").await.unwrap();
    enrol(world, &replica, vec![roster_line(2)]).await;
    call_again(&customer(world, &replica, "s"), "s", "manual").await;
    assert_eq!(offered(world, &replica, "s", 2).await.reason, "sticky");
}

async fn a_restart_goes_on_with_the_queue(world: &World) {
    // Nobody assigns in the world itself.
    world.visitor("s").say(chat("s", "hello")).await.unwrap();
    world.visitor("s").escalate(escalate("s", None)).await.unwrap();
    let quiet = world.replica(&[("session.routing.auto_assign", "false")]).await;
    enrol(world, &quiet, vec![roster_line(1)]).await;
    let replica = world.replica(&ASSIGNING).await;
    offered(world, &replica, "s", 1).await;
}

async fn assignment_can_be_turned_off(world: &World) {
    let replica = world.replica(&crate::floor::NOT_ASSIGNING).await;
    let gone = wire::RosterLine { lease_until_ms: START + 1000, ..roster_line(2) };
    enrol(world, &replica, vec![roster_line(1), gone]).await;
    call(world, &replica, "mine", "hello", "manual").await;
    at(world, &replica, 2).take("mine").await.unwrap();
    call(world, &replica, "s", "hello", "manual").await;
    pass(world, 122);
    // The task is at work: it puts an abandoned session into the queue, and offers nothing.
    eventually("the abandoned session waits", async || {
        (status(&session(world, "mine").await) == Status::PendingManual).then_some(())
    })
    .await;
    assert!(
        offers(world, &replica, "s").await.is_empty() && offers(world, &replica, "mine").await.is_empty()
    );
}

async fn a_request_from_the_night_is_offered_in_the_morning(world: &World) {
    let shop = [ASSIGNING[0], ("hours.shift_start", "12:00"), ("hours.shift_end", "23:00")];
    let replica = world.replica(&shop).await;
    enrol(world, &replica, vec![wire::RosterLine { lease_until_ms: START + 86_400_000, ..roster_line(1) }])
        .await;
    call(world, &replica, "s", "hello", "manual").await;
    assert_eq!(status(&session(world, "s").await), Status::AfterHoursEmail);
    pass(world, 80 * 60 - 1);
    call_again(&customer(world, &replica, "s"), "s", "manual").await;
    assert!(offers(world, &replica, "s").await.is_empty());
    pass(world, 1);
    let offer = offered(world, &replica, "s", 1).await;
    let me = at(world, &replica, 1);
    me.answer_offer(me.answering(&offer.id, true)).await.unwrap();
    assert_eq!(status(&session(world, "s").await), Status::ManualLive);
}

async fn customers_are_told_their_places(world: &World) {
    let settings = [ASSIGNING[0], ASSIGNING[1], ("session.poll_interval", "20ms")];
    let replica = world.replica(&settings).await;
    call(world, &replica, "first", "hello", "manual").await;
    pass(world, 1);
    call(world, &replica, "second", "hello", "manual").await;
    let request = wire::SubscribeRequest { session: "second".into(), after: None };
    let mut stream = customer(world, &replica, "second").subscribe(request).await.unwrap();
    let mut place = async || loop {
        let next =
            tokio::time::timeout(Duration::from_mins(1), stream.next()).await.unwrap().unwrap().unwrap();
        if let Some(Event::QueuePosition(position)) = next.event {
            return (position.position, position.total);
        }
    };
    assert_eq!(place().await, (2, 2));
    at(world, &replica, 1).take("first").await.unwrap();
    assert_eq!(place().await, (1, 1));
    at(world, &replica, 1).take("second").await.unwrap();
    assert_eq!(place().await, (0, 0));
}

async fn places_of_a_queue_that_another_replica_fills(world: &World) {
    let settings = [("session.queue.told_every", "10ms"), ("session.poll_interval", "20ms")];
    let (one, other) = (world.replica(&settings).await, world.replica(&settings).await);
    // Two who listen at the one: when the second is told something, the first look found nobody for certain.
    customer(world, &one, "s").say(chat("s", "hello")).await.unwrap();
    let request = wire::SubscribeRequest { session: "s".into(), after: None };
    let mut stream = customer(world, &one, "s").subscribe(request).await.unwrap();
    call_again(&customer(world, &other, "s"), "s", "manual").await;
    let place = async {
        loop {
            let next = stream.next().await.unwrap().unwrap();
            if let Some(Event::QueuePosition(position)) = next.event {
                return (position.position, position.total);
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), place).await, Ok((1, 1)));
}

async fn what_a_waiting_customer_adds_is_heard(world: &World) {
    let settings = [NOT_ASSIGNING[1], ("session.routing.skills.refund", "退款,refund")];
    let replica = world.replica(&settings).await;
    call(world, &replica, "first", "hello", "manual").await;
    pass(world, 1);
    call(world, &replica, "second", "hello", "manual").await;
    let agent = at(world, &replica, 3);
    let mut feed = agent.feed(None).await.unwrap();
    let line = customer(world, &replica, "second");
    line.say(manual("second", "where is my REFUND?")).await.unwrap();
    // Whoever looks at the queue is told that it has changed.
    let hint = tokio::time::timeout(Duration::from_secs(20), feed.hint()).await.unwrap();
    assert_eq!((hint.waiting, hint.live), (2, 0));
    let heard = session(world, "second").await.desk.unwrap();
    assert_eq!((heard.urgent, heard.needs), (vec!["refund".to_owned()], vec!["refund".to_owned()]));
    let queue = get_queue(&boss_at(world, &replica), wire::GetQueueRequest::default()).await.unwrap();
    let order: Vec<_> = queue.places.iter().map(name_of).collect();
    assert_eq!(order, ["second", "first"]);
    // What he said stays said, however much he writes after it.
    for n in 0..11 {
        line.say(manual("second", &format!("{n}"))).await.unwrap();
    }
    assert_eq!(session(world, "second").await.desk.unwrap().urgent, ["refund"]);
}

fn name_of(place: &wire::get_queue_response::Place) -> &str {
    &place.summary.as_ref().unwrap().session.as_ref().unwrap().name
}

const MANY: usize = 1000;
const AGENTS: u32 = 40;

/// No agent has more than he may, no session more than one open offer; gives how many are offered and how many live.
async fn assert_within_bounds(world: &World, replica: &Mounted, hands: &[Hand]) -> (usize, usize) {
    let (mut offered, mut live) = (BTreeMap::new(), 0);
    for hand in hands {
        let open =
            hand.list_offers(wire::ListOffersRequest { session: None, limit: 200 }).await.unwrap().offers;
        let owned = wire::FindRequest { agent: Some(hand.me.id.clone()), ..wire::FindRequest::default() };
        let owned = find(&boss_at(world, replica), owned).await.unwrap();
        assert!(owned.total_exact && open.len() + owned.sessions.len() <= 3, "{}", hand.me.name);
        live += owned.sessions.len();
        for offer in open {
            assert_eq!(offered.insert(offer.session, hand.me.id.clone()), None, "offered twice");
        }
    }
    (offered.len(), live)
}

async fn two_replicas_never_offer_twice(world: &World) {
    let (one, two) = (world.replica(&ASSIGNING).await, world.replica(&ASSIGNING).await);
    let mut calls = JoinSet::new();
    for n in 0..MANY {
        let replica = if n % 2 == 0 { &one } else { &two };
        let (name, line) = (format!("s{n}"), customer(world, replica, &format!("s{n}")));
        calls.spawn(async move {
            line.say(chat(&name, "hello")).await.unwrap();
            call_again(&line, &name, "manual").await;
        });
    }
    calls.join_all().await;
    enrol(world, &one, (1..=AGENTS).map(roster_line).collect()).await;
    let hands: Vec<Hand> = (1..=AGENTS)
        .map(|n| crate::hands::hand_at(world, if n % 2 == 0 { &one } else { &two }, n, BuiltinRole::Agent))
        .collect();
    let full = 3 * AGENTS as usize;
    for round in 0..3 {
        eventually("everybody has as many as he may", async || {
            let (offered, live) = assert_within_bounds(world, &one, &hands).await;
            (offered + live == full).then_some(())
        })
        .await;
        let mut answers = JoinSet::new();
        for hand in hands.clone() {
            answers.spawn(async move {
                let open = wire::ListOffersRequest { session: None, limit: 200 };
                for (n, offer) in hand.list_offers(open).await.unwrap().offers.into_iter().enumerate() {
                    let accept = (n + round) % 3 != 0;
                    hand.answer_offer(hand.answering(&offer.id, accept)).await.unwrap();
                    if accept {
                        hand.shut(&offer.session).await.unwrap();
                    }
                }
            });
        }
        answers.join_all().await;
    }
    assert_within_bounds(world, &one, &hands).await;
}
