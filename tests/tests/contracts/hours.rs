//! `HoursService`, and what the hours mean for those who ask for a human: a promise, and that it is kept.

use crate::{
    words::{answer, ask, assert_refused, escalate, escalation, lines, log, session, status},
    world::{START, World},
};
use std::time::Duration;
use switchboard_db::sql;
use switchboard_domain::{BuiltinRole, ErrorKind, Failure, Principal, ServiceName, SessionName, Status};
use switchboard_mesh::{Mounted, status::from_status};
use switchboard_proto::audit::v1::{self as audit, audit_service_client::AuditServiceClient};
use switchboard_proto::session::v1::{self as wire, hours_service_client::HoursServiceClient};
use switchboard_tests::patience::{eventually, try_within};

crate::on_both_engines!(
    who_asks_out_of_hours_is_promised_the_next_opening,
    a_turn_that_hands_over_keeps_the_hours_too,
    each_queue_has_its_hours,
    a_document_is_published_once_for_each_version,
    an_invalid_document_changes_nothing,
    checking_publishes_nothing,
    customers_do_not_see_the_document,
    who_may_publish,
    another_replica_learns_of_it,
    who_still_waits_when_hours_end_is_told,
    an_agent_who_is_there_may_still_take_them,
    a_request_is_due_once_when_hours_begin,
    hours_that_begin_earlier_are_used,
);

/// The world's clock starts on Monday, the 2nd of February 2026, at 10:40 in Shanghai.
const OFFICE: [(&str, &str); 5] = [
    ("hours.shift_start", "09:00"),
    ("hours.shift_end", "18:00"),
    ("hours.weekends_disabled", "true"),
    ("hours.refresh", "5ms"),
    ("hours.check_interval", "10ms"),
];
/// From the start of the clock to 18:00.
const TO_CLOSING: Duration = Duration::from_mins(7 * 60 + 20);
const NIGHT: Duration = Duration::from_hours(15);

const ALWAYS: &str =
    "default:\n  time_zone: Asia/Shanghai\n  week: {mon: [\"00:00-24:00\"], tue: [\"00:00-24:00\"]}\n";
const NEVER_SALES: &str = "default:\n  time_zone: Asia/Shanghai\n  week: {mon: [\"09:00-18:00\"]}\nqueues:\n  sales:\n    \
                           time_zone: Europe/Berlin\n    week: {wed: [\"08:00-12:00\"]}\n";

async fn office(world: &World) -> Mounted {
    world.replica(&OFFICE).await
}

fn visitor(session: &str) -> Principal {
    Principal::Visitor(SessionName::parse(session).unwrap())
}

/// A waiting customer at a replica.
async fn call_a_human(world: &World, at: &Mounted, name: &str) -> wire::CommandResponse {
    ask(world, name, "hello").await;
    let line = world.line_to(at, ServiceName::Gateway, visitor(name));
    line.escalate(escalate(name, None)).await.unwrap()
}

fn due(session: &wire::Session) -> Option<i64> {
    session.desk.as_ref().unwrap().due_at_ms
}

/// A full hour in Shanghai, in milliseconds; day 0 is the Monday on which the clock starts.
fn at(day: i64, hour: i64) -> i64 {
    START - (10 * 60 + 40) * 60_000 + (day * 24 + hour) * 3_600_000
}

macro_rules! ask_hours {
    ($world:expr, $at:expr, $principal:expr, $method:ident, $request:expr) => {{
        let (channel, request) = ($world.channel(ServiceName::Gateway, $at), $request);
        let call = async move { HoursServiceClient::new(channel).$method(request).await };
        match $world.acting($principal, call).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(from_status(&status)),
        }
    }};
}

async fn get(world: &World, at: &Mounted, principal: Principal, queue: &str) -> wire::GetHoursResponse {
    ask_hours!(world, at, principal, get_hours, wire::GetHoursRequest { queue: queue.into() }).unwrap()
}

async fn put(
    world: &World,
    at: &Mounted,
    document: &str,
    expected: i64,
) -> Result<wire::HoursVersion, Failure> {
    let request = wire::PutHoursRequest { document: document.into(), expected_version: expected };
    let answer: Result<wire::PutHoursResponse, Failure> =
        ask_hours!(world, at, supervisor(world), put_hours, request);
    answer.map(|answer| answer.published.unwrap())
}

fn supervisor(world: &World) -> Principal {
    world.staff(BuiltinRole::Admin).principal()
}

/// Waits until the session is in a status.
async fn becomes(world: &World, name: &str, wanted: Status) -> wire::Session {
    eventually(format!("{name} is {wanted}"), async || {
        let now = session(world, name).await;
        (status(&now) == wanted).then_some(now)
    })
    .await
}

/// Events of a kind that the outbox has. They come again: the clock goes beyond their lease.
async fn told(world: &World, kind: &str) -> Vec<wire::OutboxEvent> {
    let leased =
        world.notifier().lease_events(wire::LeaseEventsRequest { limit: 100, wait_ms: 0 }).await.unwrap();
    world.clock.advance(Duration::from_mins(1));
    leased.events.into_iter().filter(|event| event.kind == kind).collect()
}

/// Waits for events of a kind.
async fn told_at_least(world: &World, kind: &str, count: usize) -> Vec<wire::OutboxEvent> {
    eventually(format!("{count} {kind}"), async || {
        let events = told(world, kind).await;
        (events.len() >= count).then_some(events)
    })
    .await
}

async fn who_asks_out_of_hours_is_promised_the_next_opening(world: &World) {
    let office = office(world).await;
    let open = call_a_human(world, &office, "early").await.session.unwrap();
    assert_eq!(status(&open), Status::PendingManual);
    assert_eq!(due(&open), Some(START), "at once");

    world.clock.advance(TO_CLOSING);
    let called = call_a_human(world, &office, "late").await;
    let promise = "system: We are closed right now. Your request went to our team; we will get back to you from \
                   Tue 3 Feb 09:00 (UTC+8).";
    assert_eq!(lines(&called.entries)[1..], ["bot_active -> after_hours_email (manual)", promise]);
    let late = called.session.unwrap();
    assert_eq!(due(&late), Some(at(1, 9)));
    let mails = told(world, "session.after_hours_request").await;
    assert_eq!(mails.iter().filter(|event| event.session == "late").count(), 1);

    // The bot goes on answering, and asking again changes nothing.
    let turn = ask(world, "late", "meanwhile").await;
    world.worker().finish_turn(answer(&turn, "I am here")).await.unwrap();
    let line = world.line_to(&office, ServiceName::Gateway, visitor("late"));
    let again = line.escalate(escalate("late", None)).await.unwrap();
    assert_eq!((again.entries, due(&again.session.unwrap())), (vec![], due(&late)));
}

async fn a_turn_that_hands_over_keeps_the_hours_too(world: &World) {
    let office = office(world).await;
    world.clock.advance(TO_CLOSING + Duration::from_hours(24 * 4));
    let turn = ask(world, "s", "转人工").await;
    let worker =
        world.line_to(&office, ServiceName::ChatGateway, Principal::Service(ServiceName::ChatGateway));
    let finish = wire::FinishTurnRequest { escalation: Some(escalation("keyword")), ..answer(&turn, "") };
    let finished = worker.finish_turn(finish).await.unwrap();
    let after = finished.session.unwrap();
    assert_eq!(status(&after), Status::AfterHoursEmail);
    assert_eq!(due(&after), Some(at(7, 9)), "after the weekend");
    let said =
        "system: 当前为非工作时间，您的请求已转给客服团队，我们会在2月9日 09:00（UTC+8）起尽快联系您。";
    assert!(lines(&finished.entries).iter().any(|line| line == said), "{:?}", lines(&finished.entries));
}

async fn each_queue_has_its_hours(world: &World) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hours.yaml");
    std::fs::write(&file, NEVER_SALES).unwrap();
    let replica = world.replica(&[("hours.document", file.to_str().unwrap())]).await;
    let default = get(world, &replica, Principal::Anonymous, "").await.hours.unwrap();
    assert_eq!((default.queue.as_str(), default.open), ("default", true));
    assert_eq!(default.closes_at_ms, Some(at(0, 18)));
    let sales = get(world, &replica, Principal::Anonymous, "sales").await.hours.unwrap();
    assert_eq!((sales.open, sales.time_zone.as_str()), (false, "Europe/Berlin"));
    assert_eq!(sales.next_opening_ms, Some(at(2, 15)));
    assert_eq!(sales.next_opening_en, "Wed 4 Feb 08:00 (UTC+1)");
    assert_eq!(sales.next_opening_zh, "2月4日 08:00（UTC+1）");
    let shift = sales.shift.unwrap();
    assert_eq!((shift.start.as_str(), shift.end.as_str(), shift.weekends_disabled), ("08:00", "12:00", true));
}

async fn a_document_is_published_once_for_each_version(world: &World) {
    let office = office(world).await;
    let first = put(world, &office, ALWAYS, 0).await.unwrap();
    assert_eq!((first.version, first.document.as_str(), first.at_ms), (1, ALWAYS, START));
    assert!(first.by.starts_with("agent:agt_"), "{}", first.by);
    assert_eq!(put(world, &office, ALWAYS, 0).await.unwrap(), first, "a repeat is told the first answer");
    let stale = put(world, &office, NEVER_SALES, 0).await;
    assert_eq!(stale.as_ref().unwrap_err().facts["version"], "1");
    assert_refused(stale, ErrorKind::Conflict, "VERSION_CONFLICT");

    // Several at once: one is published.
    let puts = (0..8).map(|n| {
        let document = format!("{ALWAYS}# {n}\n");
        let office = &office;
        async move { put(world, office, &document, 1).await }
    });
    let outcomes = futures::future::join_all(puts).await;
    let published: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(published.len(), 1, "{outcomes:?}");
    let now = get(world, &office, supervisor(world), "").await.published.unwrap();
    assert_eq!((now.version, &now), (2, published[0]));
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_refused(outcome, ErrorKind::Conflict, "VERSION_CONFLICT");
    }

    // All of them can be read again, newest first, a page at a time.
    let list = |before, limit| {
        let channel = world.channel(ServiceName::Gateway, &office);
        let request = wire::ListHoursVersionsRequest { before, limit };
        world.acting(supervisor(world), async move {
            HoursServiceClient::new(channel).list_hours_versions(request).await.unwrap().into_inner()
        })
    };
    let all = list(0, 0).await;
    assert_eq!((all.versions.clone(), all.has_more), (vec![now.clone(), first.clone()], false));
    let newest = list(0, 1).await;
    assert_eq!((newest.versions, newest.has_more), (vec![now], true));
    assert_eq!(
        list(2, 1).await,
        wire::ListHoursVersionsResponse { versions: vec![first.clone()], has_more: false }
    );

    // Each publication is on record, in its own transaction; what was refused is not.
    let channel = world.channel(ServiceName::Gateway, &office);
    let query = audit::ListRequest { object: "hours".into(), limit: 10, ..audit::ListRequest::default() };
    let asked = async move { AuditServiceClient::new(channel).list(query).await };
    let records = world.acting(supervisor(world), asked).await.unwrap().into_inner().records;
    let told: Vec<_> = records.iter().map(|record| (record.action.as_str(), record.actor.as_str())).collect();
    assert_eq!(told, [("hours.publish", first.by.as_str()); 2]);
    assert_eq!(records[0].before_digest, records[1].after_digest, "one follows the other");
}

async fn an_invalid_document_changes_nothing(world: &World) {
    let office = office(world).await;
    put(world, &office, ALWAYS, 0).await.unwrap();
    let broken =
        "default:\n  time_zone: Asia/Shanghai\n  week:\n    mon: [\"9-18\"]\n    tue: [\"25:00-26:00\"]\n";
    let refused = put(world, &office, broken, 1).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_ref()), (ErrorKind::Invalid, "INVALID_HOURS"));
    assert_eq!(refused.facts["line"], "4");
    assert!(refused.message.starts_with("line 4, column "), "{refused}");
    assert!(refused.facts["reason"].contains("9-18 is no interval"), "{:?}", refused.facts);
    assert!(refused.facts["problems"].contains("\"line\":5"), "{:?}", refused.facts);
    let still = get(world, &office, supervisor(world), "").await.published.unwrap();
    assert_eq!((still.version, still.document.as_str()), (1, ALWAYS));
}

async fn checking_publishes_nothing(world: &World) {
    let office = office(world).await;
    let check = async |document: &str, at: Option<i64>| -> wire::CheckHoursResponse {
        let request = wire::CheckHoursRequest { document: document.into(), queue: "sales".into(), at_ms: at };
        ask_hours!(world, &office, supervisor(world), check_hours, request).unwrap()
    };
    let good = check(NEVER_SALES, Some(at(2, 16))).await;
    assert_eq!(good.problems, []);
    let hours = good.hours.unwrap();
    assert_eq!((hours.open, hours.closes_at_ms), (true, Some(at(2, 19))));
    assert!(!check(NEVER_SALES, None).await.hours.unwrap().open, "without a moment: now");
    let bad = check("default: {time_zone: Nowhere, week: {}}\n", None).await;
    assert_eq!((bad.problems.len(), bad.problems[0].line, bad.hours), (1, 1, None));
    assert_eq!(get(world, &office, supervisor(world), "").await.published.unwrap().version, 0);
}

async fn customers_do_not_see_the_document(world: &World) {
    let shop = world.replica(&[("hours.time_zone", "Mars/Base")]).await;
    let inside = get(world, &shop, supervisor(world), "").await;
    let published = inside.published.unwrap();
    assert!(published.document.contains("time_zone: Asia/Shanghai"), "{}", published.document);
    assert_eq!((published.version, inside.warnings.len()), (0, 1), "{:?}", inside.warnings);
    put(world, &shop, ALWAYS, 0).await.unwrap();
    for outside in [Principal::Anonymous, visitor("s")] {
        let seen = get(world, &shop, outside, "").await;
        let published = seen.published.unwrap();
        assert_eq!((published.version, published.document.as_str(), published.by.as_str()), (1, "", ""));
        assert!(seen.hours.unwrap().open && seen.warnings.is_empty());
    }
}

async fn who_may_publish(world: &World) {
    let office = office(world).await;
    let request = wire::PutHoursRequest { document: ALWAYS.into(), expected_version: 0 };
    for (principal, kind, code) in [
        (Principal::Anonymous, ErrorKind::Unauthenticated, "TOKEN_REQUIRED"),
        (visitor("s"), ErrorKind::Forbidden, "PERMISSION_REQUIRED"),
        (world.staff(BuiltinRole::Agent).principal(), ErrorKind::Forbidden, "PERMISSION_REQUIRED"),
    ] {
        let outcome: Result<wire::PutHoursResponse, Failure> =
            ask_hours!(world, &office, principal, put_hours, request.clone());
        assert_refused(outcome, kind, code);
    }
    assert_eq!(get(world, &office, supervisor(world), "").await.published.unwrap().version, 0);
}

async fn another_replica_learns_of_it(world: &World) {
    let (one, other) = (office(world).await, office(world).await);
    put(world, &one, ALWAYS, 0).await.unwrap();
    eventually("the other replica has version 1", async || {
        let known = get(world, &other, Principal::Anonymous, "").await.published.unwrap().version;
        (known == 1).then_some(())
    })
    .await;
    // And publishes what follows it.
    assert_eq!(put(world, &other, NEVER_SALES, 1).await.unwrap().version, 2);
}

async fn who_still_waits_when_hours_end_is_told(world: &World) {
    let (one, _other) = (office(world).await, office(world).await);
    for name in ["a", "b", "c"] {
        call_a_human(world, &one, name).await;
    }
    world.clock.advance(TO_CLOSING);
    for name in ["a", "b", "c"] {
        let after = becomes(world, name, Status::AfterHoursEmail).await;
        assert_eq!(due(&after), Some(at(1, 9)));
        let log = lines(&log(world, name).await);
        let ended = log.iter().filter(|line| line.contains("(hours_ended)")).count();
        assert_eq!(ended, 1, "once, with two replicas: {log:?}");
        assert!(log.last().unwrap().contains("Tue 3 Feb 09:00 (UTC+8)"), "{log:?}");
    }
    assert_eq!(told_at_least(world, "session.after_hours_request", 3).await.len(), 3);
}

async fn an_agent_who_is_there_may_still_take_them(world: &World) {
    const SIGN_ON: &str = "INSERT INTO roster (agent_id, username, name, status, max_sessions, skills, lease_until, \
                           version, serves, deleted) VALUES ($1, $1, 'Ann', $2, 3, '[]', $3, 1, 1, 0)";
    let sign_on = async |id: &'static str, status: &'static str, until: i64| {
        let db = world.database().await;
        db.transaction(move |tx| {
            Box::pin(async move { tx.execute(sql(SIGN_ON).bind(id).bind(status).bind(until)).await })
        })
        .await
        .unwrap();
    };
    // One is at her desk until half past six; one who is at lunch serves nobody.
    sign_on("agt_00000000000000000000000000000001", "online", at(0, 18) + 30 * 60_000).await;
    sign_on("agt_00000000000000000000000000000002", "lunch", at(5, 0)).await;
    let office = office(world).await;
    call_a_human(world, &office, "s").await;
    world.clock.advance(TO_CLOSING);
    assert_eq!(status(&call_a_human(world, &office, "late").await.session.unwrap()), Status::AfterHoursEmail);
    let mailed = try_within(Duration::from_millis(300), async || {
        (status(&session(world, "s").await) == Status::AfterHoursEmail).then_some(())
    });
    assert_eq!(mailed.await, None, "she may still take it");
    // She leaves.
    world.clock.advance(Duration::from_mins(30));
    becomes(world, "s", Status::AfterHoursEmail).await;
}

async fn a_request_is_due_once_when_hours_begin(world: &World) {
    let (one, _other) = (office(world).await, office(world).await);
    world.clock.advance(TO_CLOSING);
    call_a_human(world, &one, "s").await;
    assert_eq!(told(world, "session.follow_up_due").await, []);
    world.clock.advance(NIGHT);
    let events = told_at_least(world, "session.follow_up_due", 1).await;
    assert_eq!((events.len(), events[0].session.as_str()), (1, "s"));
    let waiting = session(world, "s").await;
    assert_eq!(status(&waiting), Status::AfterHoursEmail, "the bot answers until an agent takes it");
    assert_eq!(due(&waiting), Some(at(1, 9)), "as promised");

    // Another evening, another request: due once more.
    world.clock.advance(Duration::from_hours(10));
    let line = world.line_to(&one, ServiceName::Gateway, visitor("s"));
    line.cancel_wait(wire::CancelWaitRequest { session: "s".into(), idempotency: None }).await.unwrap();
    line.escalate(escalate("s", None)).await.unwrap();
    world.clock.advance(NIGHT);
    assert_eq!(told_at_least(world, "session.follow_up_due", 2).await.len(), 2);
}

async fn hours_that_begin_earlier_are_used(world: &World) {
    let office = office(world).await;
    world.clock.advance(TO_CLOSING);
    call_a_human(world, &office, "s").await;
    put(world, &office, ALWAYS, 0).await.unwrap();
    eventually("the request is due", async || {
        (due(&session(world, "s").await) == Some(at(0, 18))).then_some(())
    })
    .await;
}
