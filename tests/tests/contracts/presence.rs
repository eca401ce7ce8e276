//! What the session service makes of who is there when nobody tells it, and of owners who are plainly at work.

use crate::{
    floor::{at, call, enrol, pass, roster_line},
    words::{session, status},
    world::World,
};
use std::time::Duration;
use switchboard_domain::{Clock as _, Status};
use switchboard_mesh::Mounted;
use switchboard_proto::session::v1 as wire;
use switchboard_tests::patience::{eventually, try_within};

crate::on_both_engines!(
    nobody_loses_his_sessions_because_nothing_is_heard,
    who_writes_is_there,
    customers_go_on_waiting_while_nothing_is_heard,
);

/// The roster counts as known for ten seconds; owners may be away for two minutes.
const LISTENING: [(&str, &str); 3] = [
    ("session.routing.safety_interval", "20ms"),
    ("session.routing.auto_assign", "false"),
    ("session.routing.roster_stale_after", "10s"),
];

/// Agent-auth tells nothing new: that is all it says.
async fn beat(world: &World, replica: &Mounted) {
    enrol(world, replica, Vec::new()).await;
}

/// Time passes, and agent-auth goes on.
async fn pass_heard(world: &World, replica: &Mounted, seconds: u64) {
    for _ in 0..seconds / 5 {
        beat(world, replica).await;
        pass(world, 5);
    }
    beat(world, replica).await;
}

fn there_for(world: &World, n: u32, seconds: i64, version: i64) -> wire::RosterLine {
    let lease_until_ms = world.clock.now().millis() + seconds * 1000;
    wire::RosterLine { lease_until_ms, version, ..roster_line(n) }
}

async fn waits_again(world: &World, name: &str) {
    eventually("the session is taken back", async || {
        (status(&session(world, name).await) == Status::PendingManual).then_some(())
    })
    .await;
}

/// The tasks look at the floor every twenty milliseconds.
async fn stays(world: &World, name: &str, expected: Status) {
    let changed = try_within(Duration::from_millis(300), async || {
        (status(&session(world, name).await) != expected).then_some(())
    });
    assert_eq!(changed.await, None);
}

async fn nobody_loses_his_sessions_because_nothing_is_heard(world: &World) {
    let replica = world.replica(&LISTENING).await;
    enrol(world, &replica, vec![there_for(world, 1, 150, 1), there_for(world, 2, 60, 1)]).await;
    for (name, n) in [("kept", 1), ("left", 2)] {
        call(world, &replica, name, "hello", "manual").await;
        at(world, &replica, n).take(name).await.unwrap();
    }
    enrol(world, &replica, vec![wire::RosterLine { lease_until_ms: 0, version: 2, ..roster_line(2) }]).await;
    pass_heard(world, &replica, 125).await;
    waits_again(world, "left").await;
    // The first one's presence ends unheard of: half an hour without a word from agent-auth.
    pass(world, 30 * 60);
    stays(world, "kept", Status::ManualLive).await;
    beat(world, &replica).await;
    pass_heard(world, &replica, 115).await;
    stays(world, "kept", Status::ManualLive).await;
    // Since agent-auth is back he has not come: now it is plain.
    pass_heard(world, &replica, 10).await;
    waits_again(world, "kept").await;
}

async fn who_writes_is_there(world: &World) {
    let replica = world.replica(&LISTENING).await;
    enrol(world, &replica, vec![there_for(world, 1, 60, 1), there_for(world, 2, 60, 1)]).await;
    for (name, n) in [("written", 1), ("silent", 2)] {
        call(world, &replica, name, "hello", "manual").await;
        at(world, &replica, n).take(name).await.unwrap();
    }
    pass_heard(world, &replica, 150).await;
    let me = at(world, &replica, 1);
    me.post(me.posting("written", "one moment", "")).await.unwrap();
    pass_heard(world, &replica, 60).await;
    waits_again(world, "silent").await;
    stays(world, "written", Status::ManualLive).await;
    // Reading is a sign of life as well.
    pass_heard(world, &replica, 50).await;
    me.acknowledge(wire::AcknowledgeRequest { session: "written".into(), delivered: 3, read: 3 })
        .await
        .unwrap();
    pass_heard(world, &replica, 115).await;
    stays(world, "written", Status::ManualLive).await;
    pass_heard(world, &replica, 10).await;
    waits_again(world, "written").await;
}

async fn customers_go_on_waiting_while_nothing_is_heard(world: &World) {
    let night = [
        LISTENING[0],
        LISTENING[1],
        LISTENING[2],
        // It is 10:40 in the shop.
        ("hours.shift_start", "08:00"),
        ("hours.shift_end", "10:45"),
        ("hours.check_interval", "20ms"),
    ];
    let replica = world.replica(&night).await;
    enrol(world, &replica, vec![there_for(world, 1, 60, 1)]).await;
    beat(world, &replica).await;
    call(world, &replica, "s", "hello", "manual").await;
    assert_eq!(status(&session(world, "s").await), Status::PendingManual);
    // The shop has shut; whether the agent is there is not known.
    pass(world, 10 * 60);
    stays(world, "s", Status::PendingManual).await;
    // Agent-auth is back, and he does not come.
    pass_heard(world, &replica, 130).await;
    eventually("the request becomes mail", async || {
        (status(&session(world, "s").await) == Status::AfterHoursEmail).then_some(())
    })
    .await;
}
