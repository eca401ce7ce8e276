//! A session that cannot be read costs itself, not those behind it: each task goes on with the next one.

use crate::{
    floor::{ASSIGNING, NOT_ASSIGNING, at, call, enrol, pass, roster_line},
    words::{session, status},
    world::World,
};
use switchboard_db::sql;
use switchboard_domain::Status;
use switchboard_proto::session::v1 as wire;
use switchboard_tests::patience::eventually;

crate::on_both_engines!(
    offers_of_others_end_in_time,
    others_are_given_to_somebody,
    sessions_of_others_are_taken_back,
    others_hear_from_the_shop_when_it_shuts_and_opens,
);

/// A row that no program wrote.
async fn poison(world: &World, session: &'static str) {
    const POISON: &str = "UPDATE session SET desk = 'nonsense' WHERE name = $1";
    let db = world.database().await;
    db.transaction(move |tx| Box::pin(async move { tx.execute(sql(POISON).bind(session)).await }))
        .await
        .unwrap();
}

async fn becomes(world: &World, name: &str, expected: Status) {
    eventually(format!("{name} becomes {expected}"), async || {
        (status(&session(world, name).await) == expected).then_some(())
    })
    .await;
}

async fn offers_of_others_end_in_time(world: &World) {
    let replica = world.replica(&NOT_ASSIGNING).await;
    enrol(world, &replica, vec![roster_line(1), roster_line(2)]).await;
    let me = at(world, &replica, 1);
    for name in ["bad", "good"] {
        call(world, &replica, name, "hello", "manual").await;
        me.take(name).await.unwrap();
        me.transfer(me.handing(name, 2)).await.unwrap();
        pass(world, 1);
    }
    poison(world, "bad").await;
    pass(world, 31);
    call(world, &replica, "nudge", "hello", "manual").await;
    me.take("nudge").await.unwrap();
    me.transfer(me.handing("nudge", 2)).await.unwrap();
    eventually("the good one's offer expires", async || {
        let request = wire::ListOffersRequest { session: Some("good".into()), limit: 0 };
        let offer = me.list_offers(request).await.unwrap().offers.remove(0);
        (offer.state() == wire::OfferState::Expired).then_some(())
    })
    .await;
}

async fn others_are_given_to_somebody(world: &World) {
    let replica = world.replica(&ASSIGNING).await;
    for name in ["bad", "good"] {
        call(world, &replica, name, "hello", "manual").await;
        pass(world, 1);
    }
    poison(world, "bad").await;
    enrol(world, &replica, vec![roster_line(1)]).await;
    eventually("the good one is offered", async || {
        let request = wire::ListOffersRequest { session: None, limit: 0 };
        let offers = at(world, &replica, 1).list_offers(request).await.unwrap().offers;
        offers.iter().any(|offer| offer.session == "good").then_some(())
    })
    .await;
}

async fn sessions_of_others_are_taken_back(world: &World) {
    let replica = world.replica(&NOT_ASSIGNING).await;
    enrol(world, &replica, vec![roster_line(1)]).await;
    for name in ["bad", "good"] {
        call(world, &replica, name, "hello", "manual").await;
        at(world, &replica, 1).take(name).await.unwrap();
    }
    poison(world, "bad").await;
    enrol(world, &replica, vec![wire::RosterLine { lease_until_ms: 0, version: 2, ..roster_line(1) }]).await;
    pass(world, 125);
    becomes(world, "good", Status::PendingManual).await;
}

async fn others_hear_from_the_shop_when_it_shuts_and_opens(world: &World) {
    // It is 10:40 in the shop.
    let shop =
        [("hours.shift_start", "10:00"), ("hours.shift_end", "10:45"), ("hours.check_interval", "20ms")];
    let replica = world.replica(&[NOT_ASSIGNING[1], shop[0], shop[1], shop[2]]).await;
    for name in ["bad", "good"] {
        call(world, &replica, name, "hello", "manual").await;
        pass(world, 1);
    }
    poison(world, "bad").await;
    pass(world, 10 * 60);
    becomes(world, "good", Status::AfterHoursEmail).await;
    call(world, &replica, "early", "hello", "manual").await;
    poison(world, "early").await;
    call(world, &replica, "late", "hello", "manual").await;
    pass(world, 24 * 3600 - 10 * 60);
    eventually("late is followed up", async || {
        let notifier = world.notifier();
        let request = wire::LeaseEventsRequest { limit: 100, wait_ms: 0 };
        let events = notifier.lease_events(request).await.unwrap().events;
        let due =
            |event: &&wire::OutboxEvent| event.kind == "session.follow_up_due" && event.session == "late";
        events.iter().find(due).map(|_| ())
    })
    .await;
}
