//! Telling the session service who works here: at once, after an outage, after a restart, after its restore.

use super::{
    people::{call, eventually, shops, shops_with},
    world::settings,
};
use crate::config::{RosterSettings, Settings};
use std::time::Duration;
use switchboard_domain::BuiltinRole;
use switchboard_proto::agentauth::v1::{SetStatusRequest, UpdateAgentRequest};

fn status(status: &str) -> SetStatusRequest {
    SetStatusRequest { status: status.into(), note: None }
}

#[tokio::test]
async fn the_whole_roster_is_told_at_start_in_bounded_pieces() {
    for world in shops().await {
        world.build().await.stop().await;
        let role = BuiltinRole::Agent;
        for at in 0..250 {
            world.hire_as(format!("agent-{at}"), role.as_str(), role.permissions()).await;
        }
        world.floor.forget();
        let part = world.build().await;
        world.floor.until(|lines| lines.len() == 251).await;
        assert_eq!(world.floor.largest(), 100);
        let admin = world.floor.line(&world.row("admin").await.id).unwrap();
        assert_eq!((admin.username.as_str(), admin.serves, admin.max_sessions), ("admin", true, 5));
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn an_outage_of_the_session_service_delays_nothing_else_and_loses_nothing() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let boss = world.boss().await;
        call!(part, anna, set_status, status("online")).unwrap();
        world.floor.until_line(&anna.id(), |line| line.status == "online").await;
        world.floor.be_away(true);
        let refused = world.floor.refused();
        for to in ["lunch", "busy", "break"] {
            call!(part, anna, set_status, status(to)).unwrap();
        }
        let rename = UpdateAgentRequest {
            agent: anna.id(),
            name: Some("大王".into()),
            ..UpdateAgentRequest::default()
        };
        call!(part, boss, update_agent, rename).unwrap();
        eventually(|| async { world.floor.refused() > refused + 3 }).await;
        assert_eq!(world.floor.line(&anna.id()).unwrap().status, "online");
        world.floor.be_away(false);
        world.floor.until_line(&anna.id(), |line| line.status == "break" && line.name == "大王").await;
        eventually(|| async {
            world.count("SELECT COUNT(*) FROM roster_out WHERE version > sent_version").await == 0
        })
        .await;
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn what_was_not_told_is_told_after_a_restart() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        world.floor.until_line(&anna.id(), |_| true).await;
        world.floor.be_away(true);
        call!(part, anna, set_status, status("training")).unwrap();
        part.stop().await;
        world.floor.be_away(false);
        let part = world.build().await;
        world.floor.until_line(&anna.id(), |line| line.status == "training").await;
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_session_database_that_was_restored_catches_up() {
    let often = RosterSettings { refresh: Duration::from_millis(50), ..settings().roster };
    for world in shops_with(Settings { roster: often.clone(), ..settings() }).await {
        let part = world.build().await;
        world.floor.until(|lines| lines.len() == 1).await;
        world.floor.forget();
        assert_eq!(world.floor.lines(), 0);
        world.floor.until(|lines| lines.len() == 1).await;
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_replica_tells_what_another_one_changed_and_could_not_tell() {
    for world in shops().await {
        let (one, other) = (world.build().await, world.build().await);
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        call!(one, anna, set_status, status("online")).unwrap();
        let version = "SELECT CAST(MAX(version) AS BIGINT) FROM roster_out";
        one.stop().await;
        world.floor.until_line(&anna.id(), |line| line.status == "online").await;
        let told = world.floor.line(&anna.id()).unwrap().version;
        assert_eq!(told, world.count(version).await);
        let calls = world.floor.calls();
        call!(other, anna, set_status, status("busy")).unwrap();
        world.floor.until_line(&anna.id(), |line| line.status == "busy" && line.version > told).await;
        assert!(world.floor.calls() > calls);
        other.stop().await;
        world.close().await;
    }
}
