//! Who is there, over minutes of a clock that the test moves.

use super::{
    desk::{Desk, claims, request},
    people::{Person, call, eventually, shops},
    world::{Part, World, settings},
};
use crate::{changes::Changes, config::PresenceSettings, presence::Presence};
use futures::future::join_all;
use std::{sync::Arc, time::Duration};
use switchboard_db::sql;
use switchboard_domain::{BuiltinRole, Clock as _};
use switchboard_proto::agentauth::v1::{
    Agent, GetAgentRequest, HeartbeatRequest, HeartbeatResponse, ListAvailableRequest, LogOutRequest,
    SetStatusRequest, UpdateAgentRequest, UpdateMeRequest,
};

const BEAT: Duration = Duration::from_secs(15);
const HISTORY: &str = "SELECT COUNT(*) FROM presence_change";

fn status(status: &str, note: Option<&str>) -> SetStatusRequest {
    SetStatusRequest { status: status.into(), note: note.map(str::to_owned) }
}

async fn set(part: &Part, who: Person, to: &str, note: Option<&str>) -> Agent {
    call!(part, who, set_status, status(to, note)).unwrap().agent.unwrap()
}

async fn beat(part: &Part, who: Person, active: bool) -> HeartbeatResponse {
    call!(part, who, heartbeat, HeartbeatRequest { active }).unwrap()
}

async fn seen(part: &Part, who: Person) -> Agent {
    call!(part, who, get_agent, GetAgentRequest { agent: who.id() }).unwrap().agent.unwrap()
}

/// How often the line in the roster has moved.
async fn moved(world: &World, who: Person) -> i64 {
    let version = sql("SELECT version FROM roster_out WHERE agent = $1").bind(who.id());
    world.db().await.fetch_one::<(i64,)>(version).await.unwrap().0
}

#[tokio::test]
async fn a_status_has_a_note_that_is_kept_said_or_removed() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let lunch = set(&part, anna, "lunch", Some(" 13:00 回来 ")).await;
        assert_eq!((lunch.status.as_str(), lunch.status_note.as_str()), ("lunch", "13:00 回来"));
        assert_eq!(lunch.status_at_ms, world.clock.now().millis());
        world.clock.pass(Duration::from_secs(10));
        let training = set(&part, anna, "training", None).await;
        assert_eq!(training.status_note, "13:00 回来");
        let again = set(&part, anna, "training", Some("  ")).await;
        assert_eq!((again.status_note.as_str(), again.status_at_ms), ("", training.status_at_ms));
        assert!(again.version > training.version);
        let failure = call!(part, anna, set_status, status("away", None)).unwrap_err();
        assert_eq!((&*failure.code, failure.facts["field"].as_str()), ("VALIDATION_ERROR", "status"));
        let failure = call!(part, anna, set_status, status("busy", Some(&"长".repeat(121)))).unwrap_err();
        assert_eq!(failure.facts["field"], "note");
        assert_eq!(world.count(HISTORY).await, 2);
        assert_eq!(world.records().await, [], "one's own status is no command");
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn beats_keep_somebody_there_and_write_only_when_it_is_worth_it() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let offline = beat(&part, anna, true).await;
        assert_eq!((offline.status.as_str(), offline.lease_until_ms), ("offline", 0));
        set(&part, anna, "busy", None).await;
        let lease = beat(&part, anna, false).await.lease_until_ms;
        assert_eq!(lease, world.clock.now().plus(settings().presence.lease).millis());
        let before = moved(&world, anna).await;
        world.clock.pass(Duration::from_secs(14));
        assert_eq!(beat(&part, anna, false).await.lease_until_ms, lease);
        assert_eq!(moved(&world, anna).await, before, "nothing was written");
        // Two hours of beats, on time and a little late.
        for at in 0..480 {
            world.clock.pass(BEAT + Duration::from_millis(at % 3 * 100));
            assert_eq!(beat(&part, anna, false).await.status, "busy");
        }
        let until = world.clock.now().plus(settings().presence.lease).millis();
        world.floor.until_line(&anna.id(), |line| line.lease_until_ms == until).await;
        assert_eq!(world.count(HISTORY).await, 1);
        let active = beat(&part, anna, true).await;
        assert_eq!(active.last_active_at_ms, Some(world.clock.now().millis()));
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn who_is_silent_goes_offline_and_comes_back_only_himself() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let bert = world.hire("bert", BuiltinRole::Agent).await;
        set(&part, anna, "online", Some("在")).await;
        set(&part, bert, "online", None).await;
        let available = || async { call!(part, bert, list_available, ListAvailableRequest {}).unwrap() };
        let found = available().await;
        assert_eq!((found.agents[0].id.as_str(), found.total), (anna.id().as_str(), 1));

        world.clock.pass(Duration::from_secs(30));
        beat(&part, bert, false).await;
        world.clock.pass(Duration::from_secs(14));
        assert_eq!(seen(&part, anna).await.status, "online", "a second is left");
        world.clock.pass(Duration::from_secs(2));
        assert_eq!(available().await.total, 0, "whether or not anybody has noticed yet");
        eventually(|| async { seen(&part, anna).await.status == "offline" }).await;
        assert_eq!(seen(&part, anna).await.status_note, "心跳超时（46秒无活动）");
        assert_eq!(seen(&part, bert).await.status, "online");
        world.floor.until_line(&anna.id(), |line| line.status == "offline" && line.lease_until_ms == 0).await;
        assert_eq!(beat(&part, anna, true).await.status, "offline");
        set(&part, anna, "online", Some("")).await;
        world.floor.until_line(&anna.id(), |line| line.status == "online" && line.lease_until_ms > 0).await;
        set(&part, anna, "offline", None).await;
        world.floor.until_line(&anna.id(), |line| line.lease_until_ms == 0).await;
        assert_eq!(world.count(HISTORY).await, 5);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn who_is_there_and_does_nothing_becomes_busy() {
    for world in shops().await {
        let part = world.build().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let bert = world.hire("bert", BuiltinRole::Agent).await;
        for person in [anna, bert] {
            set(&part, person, "online", None).await;
        }
        for _ in 0..20 {
            world.clock.pass(BEAT);
            // One works, the other has only left the window open.
            beat(&part, anna, false).await;
            beat(&part, bert, true).await;
        }
        eventually(|| async { seen(&part, anna).await.status == "busy" }).await;
        assert_eq!(seen(&part, anna).await.status_note, "系统检测到超过5分钟无操作，已自动置为忙碌");
        assert_eq!(seen(&part, bert).await.status, "online");
        world.floor.until_line(&anna.id(), |line| line.status == "busy" && line.lease_until_ms > 0).await;
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn who_logs_in_is_there_and_who_logs_out_everywhere_is_not() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let one = Desk::at(&part).log_in(request("admin", super::people::PASSWORD)).await.unwrap();
        let here = one.agent.clone().unwrap();
        assert_eq!(
            (here.status.as_str(), here.last_active_at_ms),
            ("online", Some(world.clock.now().millis()))
        );
        world.floor.until_line(&boss.id(), |line| line.status == "online" && line.lease_until_ms > 0).await;
        set(&part, boss, "lunch", Some("13:00")).await;
        let other = Desk::at(&part).log_in(request("admin", super::people::PASSWORD)).await.unwrap();
        let here = other.agent.clone().unwrap();
        assert_eq!((here.status.as_str(), here.status_note.as_str()), ("online", ""));

        let desk = Desk::holding(&part, &one).await;
        let me = UpdateMeRequest { name: Some("老板".into()), avatar_url: None };
        desk.call(desk.client().update_me(me)).await.unwrap();
        world.floor.until_line(&boss.id(), |line| line.name == "老板").await;
        for (answer, status) in [(&one, "online"), (&other, "offline")] {
            let login = claims(&part, &answer.access_token).await["sid"].as_str().unwrap().to_owned();
            let out = LogOutRequest { login, everywhere: false };
            desk.call(desk.client().log_out(out)).await.unwrap();
            assert_eq!(seen(&part, boss).await.status, status);
        }
        world.floor.until_line(&boss.id(), |line| line.lease_until_ms == 0).await;

        Desk::at(&part).log_in(request("admin", super::people::PASSWORD)).await.unwrap();
        let out = LogOutRequest { login: String::new(), everywhere: true };
        desk.call(desk.client().log_out(out)).await.unwrap();
        assert_eq!(seen(&part, boss).await.status, "offline");
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_login_that_lay_idle_keeps_nobody_there() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let password = super::people::PASSWORD;
        Desk::at(&part).log_in(request("admin", password)).await.unwrap();
        world.clock.pass(settings().refresh_idle + Duration::from_secs(1));
        let now = Desk::at(&part).log_in(request("admin", password)).await.unwrap();
        assert_eq!(seen(&part, boss).await.status, "online");
        let login = claims(&part, &now.access_token).await["sid"].as_str().unwrap().to_owned();
        let desk = Desk::holding(&part, &now).await;
        desk.call(desk.client().log_out(LogOutRequest { login, everywhere: false })).await.unwrap();
        assert_eq!(seen(&part, boss).await.status, "offline", "the other login cannot be used any more");
        part.stop().await;
        world.close().await;
    }
}

/// One replica's watch, moved by hand.
async fn watch(world: &World) -> Presence {
    let settings = PresenceSettings { ..settings().presence };
    Presence::new(world.db().await, Arc::new(world.clock.clone()), settings, Changes::default())
}

#[tokio::test]
async fn replicas_that_notice_at_once_say_it_once() {
    for world in shops().await {
        world.build().await.stop().await;
        let watches = join_all((0..4).map(|_| watch(&world))).await;
        let mut people = Vec::new();
        for at in 0..10 {
            let role = BuiltinRole::Agent;
            let person = world.hire_as(format!("agent-{at}"), role.as_str(), role.permissions()).await;
            watches[0].set(person.id, "online".parse().unwrap(), crate::presence::Note::Keep).await.unwrap();
            people.push(person);
        }
        let next = watches[1].sweep().await.unwrap();
        assert_eq!(next, Some(world.clock.now().plus(settings().presence.lease)));
        world.clock.pass(Duration::from_secs(44));
        // The beat of one comes in time.
        watches[2].beat(people[0].id, false).await.unwrap();
        world.clock.pass(Duration::from_secs(2));
        // The beat of another comes at the same moment: it wins or loses as a whole.
        let (beat, swept) =
            tokio::join!(watches[3].beat(people[1].id, false), join_all(watches.iter().map(Presence::sweep)));
        for outcome in swept {
            outcome.unwrap();
        }
        let expected = if beat.unwrap().unwrap().status.as_str() == "online" { 18 } else { 19 };
        assert_eq!(world.count(HISTORY).await, expected);
        let offline =
            "SELECT COUNT(*) FROM agent WHERE status = 'offline' AND lease_until = 0 AND username <> 'admin'";
        assert_eq!(world.count(offline).await, expected - 10);
        world.close().await;
    }
}

#[tokio::test]
async fn an_admin_sets_others_and_old_changes_are_forgotten() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let anna = world.hire("anna", BuiltinRole::Agent).await;
        let to = |status: &str| UpdateAgentRequest {
            agent: "anna".into(),
            status: Some(status.into()),
            ..UpdateAgentRequest::default()
        };
        let there = call!(part, boss, update_agent, to("online")).unwrap().agent.unwrap();
        assert_eq!(there.status, "online");
        assert_eq!(beat(&part, anna, false).await.status, "online", "her own beats keep her there");
        assert_eq!(call!(part, boss, update_agent, to("offline")).unwrap().agent.unwrap().status, "offline");
        assert_eq!(world.records().await.len(), 2);
        assert_eq!(world.count(HISTORY).await, 2);
        part.stop().await;
        world.clock.pass(settings().presence.history + Duration::from_secs(1));
        let part = world.build().await;
        eventually(|| async { world.count(HISTORY).await == 0 }).await;
        part.stop().await;
        world.close().await;
    }
}
