//! `GetStats` and `GetAgentStats` on timelines that are awkward to count, against a slow count of the logs themselves.

use crate::{
    floor::{
        NOT_ASSIGNING, at, boss_at, call, call_again, customer, enrol, get_agent_stats, get_stats, greet,
        now, pass, roster_line, vip,
    },
    hands::{agent, hand_at},
    words::{answer, chat, log_by, manual, turn_of},
    world::{START, World},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use switchboard_domain::{
    AgentId, BuiltinRole, Entry, EntryBody, ErrorKind, Permission, Permissions, Principal, Sender,
    ServiceName, Status, turn::TurnState,
};
use switchboard_mesh::Mounted;
use switchboard_proto::session::v1::{
    self as wire,
    get_stats_response::{AgentEfficiency, AiQuality, Today},
};

crate::on_both_engines!(
    every_number_is_what_the_logs_say,
    a_database_without_sessions_has_numbers,
    one_agent_counts_his_own,
);

/// When the shop opens that is shut at [`START`].
const OPENS: i64 = START + 80 * 60_000;
const SESSIONS: [&str; 10] =
    ["back", "cancelled", "transferred", "barged", "night", "waiting", "live", "bot", "vip", "reopened"];

/// Spans of a session's log with a human in mind.
#[derive(Debug, Clone)]
struct Span {
    status: Status,
    agent: Option<String>,
    /// A human was called by it.
    called: bool,
    messages: i64,
    waited: Option<i64>,
    from: i64,
    to: Option<i64>,
    outcome: Option<&'static str>,
}

/// What is read in one log.
#[derive(Debug, Default)]
struct Read {
    spans: Vec<Span>,
    /// State, beginning and end of each turn.
    turns: Vec<(TurnState, i64, i64)>,
}

fn is_manual(status: Status) -> bool {
    matches!(status, Status::PendingManual | Status::ManualLive | Status::AfterHoursEmail)
}

/// Reads a log from its beginning, word for word after the definitions.
fn read(entries: &[Entry]) -> Read {
    let (mut read, mut begun, mut messages, mut due) = (Read::default(), HashMap::new(), 0, 0);
    for entry in entries {
        let now = entry.at.millis();
        match &entry.body {
            EntryBody::Message(message) if message.sender == Sender::Customer => messages += 1,
            EntryBody::Message(_) | EntryBody::Conversation(_) => {}
            EntryBody::Turn(turn) if turn.state == TurnState::Accepted => {
                begun.insert(turn.turn, now);
            }
            EntryBody::Turn(turn) => read.turns.push((turn.state, begun[&turn.turn], now)),
            EntryBody::Status(change) => {
                let outcome = match (change.from, change.to) {
                    (Status::ManualLive, Status::ManualLive) if change.reason.is_some() => "transferred",
                    (Status::ManualLive, Status::ManualLive) => "taken_away",
                    (_, Status::ManualLive) => "taken",
                    (_, Status::BotActive) => "released",
                    (_, Status::Closed) => "closed",
                    (_, Status::PendingManual | Status::AfterHoursEmail) => "waits",
                };
                let waits = matches!(change.from, Status::PendingManual | Status::AfterHoursEmail);
                if is_manual(change.from) {
                    let last = read.spans.last_mut().expect("a span ends that has begun");
                    (last.to, last.outcome) = (Some(now), Some(outcome));
                }
                let called = matches!(change.from, Status::BotActive | Status::Closed)
                    && matches!(change.to, Status::PendingManual | Status::AfterHoursEmail);
                if is_manual(change.to) {
                    read.spans.push(Span {
                        status: change.to,
                        agent: change.agent.as_ref().map(|agent| agent.id.to_string()),
                        called,
                        messages: if called { messages } else { 0 },
                        waited: (waits && change.to == Status::ManualLive).then_some((now - due).max(0)),
                        from: now,
                        to: None,
                        outcome: None,
                    });
                }
                if is_manual(change.from) {
                    messages = 0;
                }
                due = if change.to == Status::AfterHoursEmail { OPENS } else { now };
            }
        }
    }
    read
}

fn mean(values: &[i64]) -> Option<i64> {
    (!values.is_empty()).then(|| values.iter().sum::<i64>() / i64::try_from(values.len()).unwrap())
}

fn share(part: usize, whole: usize, one: usize) -> Option<i64> {
    (whole > 0).then(|| i64::try_from(part * one / whole).unwrap())
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

/// The slow count over all sessions.
async fn counted(world: &World, replica: &Mounted, day: i64) -> wire::GetStatsResponse {
    let line = boss_at(world, replica);
    let now = now(world);
    let (mut sessions, mut logs) = (Vec::new(), Vec::new());
    for name in SESSIONS {
        let got = line.get(wire::GetRequest { session: name.into(), tail: 0 }).await.unwrap();
        sessions.push(got.session.unwrap());
        let entries = log_by(&line, name).await;
        let entries: Vec<Entry> = entries.into_iter().map(|entry| entry.try_into().unwrap()).collect();
        logs.push(read(&entries));
    }
    let mut by_status: HashMap<String, i64> =
        Status::ALL.into_iter().map(|status| (status.to_string(), 0)).collect();
    let (mut by_reason, mut waits, mut services) = (HashMap::new(), Vec::new(), Vec::new());
    for (session, read) in sessions.iter().zip(&logs) {
        let status = crate::words::status(session);
        *by_status.get_mut(status.as_str()).unwrap() += 1;
        let due = session.desk.as_ref().unwrap().due_at_ms.filter(|due| *due <= now);
        waits.extend(due.map(|due| now - due));
        services.extend(session.manual_since_ms.map(|since| now - since));
        let uncalled = read.spans.len() == 1 && read.spans[0].status == Status::ManualLive;
        if (due.is_some() || status == Status::ManualLive) && !uncalled {
            *by_reason.entry(session.escalation.as_ref().unwrap().reason.clone()).or_insert(0) += 1;
        }
    }
    let spans: Vec<(usize, usize, Span)> = logs
        .iter()
        .enumerate()
        .flat_map(|(log, read)| read.spans.iter().cloned().enumerate().map(move |(n, span)| (log, n, span)))
        .collect();
    let begun: Vec<&Span> = spans.iter().map(|(.., span)| span).filter(|span| span.from >= day).collect();
    let owners: BTreeSet<_> =
        sessions.iter().filter_map(|session| session.agent.as_ref()).map(|a| &a.id).collect();
    wire::GetStatsResponse {
        total_sessions: number(sessions.len()),
        active_sessions: number(sessions.len()) - by_status["closed"],
        by_status,
        mean_wait_ms: mean(&waits).unwrap_or(0),
        max_wait_ms: waits.iter().copied().max().unwrap_or(0),
        mean_service_ms: mean(&services).unwrap_or(0),
        active_agents: number(owners.len()),
        by_reason,
        today: Some(today(&begun, &spans, day)),
        ai: Some(ai(&begun, &logs, day)),
        agents: Some(efficiency(&begun, &spans, day)),
    }
}

fn is_over(span: &Span) -> bool {
    matches!(span.outcome, Some("released" | "closed")) && span.status == Status::ManualLive
}

fn today(begun: &[&Span], spans: &[(usize, usize, Span)], day: i64) -> Today {
    let open = |status| number(begun.iter().filter(|s| s.status == status && s.to.is_none()).count());
    let called: Vec<_> = begun.iter().filter(|span| span.called).collect();
    Today {
        escalations: number(called.len()),
        waiting: open(Status::PendingManual),
        serving: open(Status::ManualLive),
        served: number(spans.iter().filter(|(.., s)| is_over(s) && s.to >= Some(day)).count()),
        after_hours: number(called.iter().filter(|span| span.status == Status::AfterHoursEmail).count()),
    }
}

fn ai(begun: &[&Span], logs: &[Read], day: i64) -> AiQuality {
    let turns: Vec<_> = logs.iter().flat_map(|read| &read.turns).filter(|(.., end)| *end >= day).collect();
    let of =
        |state| turns.iter().filter(|turn| turn.0 == state).map(|turn| turn.2 - turn.1).collect::<Vec<_>>();
    let called: Vec<_> = begun.iter().filter(|span| span.called).collect();
    let messages: i64 = called.iter().map(|span| span.messages).sum();
    AiQuality {
        mean_answer_ms: mean(&of(TurnState::Done)),
        success_ppm: share(of(TurnState::Done).len(), turns.len(), 1_000_000),
        escalation_ppm: share(of(TurnState::HandedOver).len(), turns.len(), 1_000_000),
        mean_messages_before_escalation_milli: share(usize::try_from(messages).unwrap(), called.len(), 1000),
    }
}

fn efficiency(begun: &[&Span], spans: &[(usize, usize, Span)], day: i64) -> AgentEfficiency {
    let live = |span: &&Span| span.status == Status::ManualLive;
    let ended: Vec<_> =
        spans.iter().filter(|(.., span)| span.status == Status::ManualLive && span.to >= Some(day)).collect();
    let over: Vec<_> = ended.iter().filter(|(.., span)| is_over(span)).collect();
    let again = |log: usize, n: usize| {
        spans.iter().any(|(other, later, span)| *other == log && *later > n && span.called)
    };
    let services: Vec<_> = begun.iter().copied().filter(live).collect();
    let agents: BTreeSet<_> = services.iter().map(|span| span.agent.clone()).collect();
    let durations: Vec<i64> = ended.iter().map(|(.., span)| span.to.unwrap() - span.from).collect();
    let waited: Vec<i64> = begun.iter().filter_map(|span| span.waited).collect();
    AgentEfficiency {
        mean_takeover_ms: mean(&waited),
        mean_service_ms: mean(&durations),
        resolution_ppm: share(
            over.iter().filter(|(log, n, _)| !again(*log, *n)).count(),
            over.len(),
            1_000_000,
        ),
        sessions_per_agent_milli: share(services.len(), agents.len(), 1000),
    }
}

/// What ten sessions went through, over some hours.
async fn history(world: &World, replica: &Mounted) {
    let (one, two) = (at(world, replica, 1), at(world, replica, 2));
    let boss = hand_at(world, replica, 90, BuiltinRole::Supervisor);
    // Shut: the request waits for the opening.
    call(world, replica, "night", "anybody there", "manual").await;
    customer(world, replica, "night").say(chat("night", "hello?")).await.unwrap();
    pass(world, 90 * 60);
    // Bot, human, bot, human, closed.
    call(world, replica, "back", "hello", "keyword").await;
    pass(world, 7);
    one.take("back").await.unwrap();
    pass(world, 3);
    one.post(one.posting("back", "hi", "k1")).await.unwrap();
    pass(world, 60);
    one.let_go("back").await.unwrap();
    let back = customer(world, replica, "back");
    back.say(chat("back", "one more thing")).await.unwrap();
    back.say(chat("back", "and another")).await.unwrap();
    pass(world, 5);
    call_again(&back, "back", "manual").await;
    pass(world, 11);
    two.take("back").await.unwrap();
    two.shut("back").await.unwrap();
    // Asked for and given up, twice.
    call(world, replica, "cancelled", "hello", "manual").await;
    pass(world, 20);
    let given_up = customer(world, replica, "cancelled");
    let cancel = wire::CancelWaitRequest { session: "cancelled".into(), idempotency: None };
    given_up.cancel_wait(cancel.clone()).await.unwrap();
    call_again(&given_up, "cancelled", "manual").await;
    given_up.cancel_wait(cancel).await.unwrap();
    // From hand to hand.
    call(world, replica, "transferred", "hello", "sentiment").await;
    one.take("transferred").await.unwrap();
    pass(world, 30);
    let handing = wire::TransferRequest { immediate: true, ..boss.handing("transferred", 2) };
    boss.transfer(handing).await.unwrap();
    pass(world, 15);
    boss.barge_in("transferred").await.unwrap();
    pass(world, 4);
    boss.let_go("transferred").await.unwrap();
    pass(world, 1);
    uncalled(world, replica).await;
}

/// The rest of it, from a supervisor whom nobody called to those who still wait.
async fn uncalled(world: &World, replica: &Mounted) {
    let (one, two) = (at(world, replica, 1), at(world, replica, 2));
    let boss = hand_at(world, replica, 90, BuiltinRole::Supervisor);
    let worker = world.worker();
    let turn = turn_of(&customer(world, replica, "barged").say(chat("barged", "hello")).await.unwrap());
    pass(world, 2);
    boss.barge_in("barged").await.unwrap();
    assert!(worker.finish_turn(answer(&turn, "too late")).await.unwrap().state != 0);
    pass(world, 40);
    // Taken in the morning.
    one.take("night").await.unwrap();
    // Answered by the bot, closed and opened again.
    let turn = turn_of(&customer(world, replica, "bot").say(chat("bot", "hello")).await.unwrap());
    pass(world, 1);
    worker.finish_turn(answer(&turn, "hello")).await.unwrap();
    call(world, replica, "reopened", "hello", "fail_loop").await;
    one.take("reopened").await.unwrap();
    pass(world, 9);
    one.shut("reopened").await.unwrap();
    customer(world, replica, "reopened").say(chat("reopened", "still there?")).await.unwrap();
    greet(world, replica, "vip", vip()).await;
    call_again(&customer(world, replica, "vip"), "vip", "vip").await;
    pass(world, 13);
    call(world, replica, "waiting", "hello", "manual").await;
    customer(world, replica, "waiting").say(manual("waiting", "please")).await.unwrap();
    call(world, replica, "live", "hello", "keyword").await;
    pass(world, 8);
    two.take("live").await.unwrap();
    pass(world, 6);
}

async fn every_number_is_what_the_logs_say(world: &World) {
    let shop = [NOT_ASSIGNING[1], ("hours.shift_start", "12:00"), ("hours.shift_end", "23:00")];
    let replica = world.replica(&shop).await;
    enrol(world, &replica, vec![roster_line(1), roster_line(2)].into_iter().map(all_day).collect()).await;
    history(world, &replica).await;
    let line = boss_at(world, &replica);
    // Midnight of the shop, the opening, in the middle of things, and now: what is before does not count.
    let midnight = START - (10 * 60 + 40) * 60_000;
    for day in [midnight, OPENS, START + 93 * 60_000, now(world)] {
        let asked = wire::GetStatsRequest { day_start_ms: day };
        let told = get_stats(&line, asked).await.unwrap();
        assert_eq!(told, counted(world, &replica, day).await, "since {day}");
    }
    let told = get_stats(&line, wire::GetStatsRequest::default()).await.unwrap();
    assert_eq!(told, counted(world, &replica, midnight).await, "the day is the shop's");
    // A few by hand, so that both counts are not wrong in the same way.
    let by_status: BTreeMap<_, _> = told.by_status.iter().map(|(status, n)| (status.as_str(), *n)).collect();
    let expected = [
        ("after_hours_email", 0),
        ("bot_active", 4),
        ("closed", 1),
        ("manual_live", 3),
        ("pending_manual", 2),
    ];
    assert_eq!(by_status, BTreeMap::from(expected));
    let today = told.today.unwrap();
    assert_eq!((today.escalations, today.after_hours, today.waiting, today.serving), (10, 1, 2, 3));
    assert_eq!(today.served, 4, "back twice, transferred, reopened");
    assert_eq!(told.agents.unwrap().resolution_ppm, Some(750_000), "back called again");
    assert_eq!(told.max_wait_ms, 27_000, "the VIP");
}

fn all_day(line: wire::RosterLine) -> wire::RosterLine {
    wire::RosterLine { lease_until_ms: START + 86_400_000, ..line }
}

async fn a_database_without_sessions_has_numbers(world: &World) {
    let replica = world.replica(&NOT_ASSIGNING).await;
    let told = get_stats(&boss_at(world, &replica), wire::GetStatsRequest::default()).await.unwrap();
    assert_eq!((told.total_sessions, told.by_status.len()), (0, 5));
    assert_eq!((told.ai.unwrap(), told.agents.unwrap()), (AiQuality::default(), AgentEfficiency::default()));
}

async fn one_agent_counts_his_own(world: &World) {
    let replica = world.replica(&NOT_ASSIGNING).await;
    enrol(world, &replica, vec![all_day(roster_line(1)), all_day(roster_line(2))]).await;
    let (one, two) = (at(world, &replica, 1), at(world, &replica, 2));
    for session in ["a", "b", "c"] {
        call(world, &replica, session, "hello", "manual").await;
        one.take(session).await.unwrap();
    }
    pass(world, 4);
    one.post(one.posting("a", "hi", "k1")).await.unwrap();
    pass(world, 6);
    one.post(one.posting("a", "still there?", "k2")).await.unwrap();
    one.post(one.posting("b", "hi", "k3")).await.unwrap();
    one.let_go("a").await.unwrap();
    pass(world, 20);
    one.shut("b").await.unwrap();
    let mine = get_agent_stats(&one.line, wire::GetAgentStatsRequest::default()).await.unwrap();
    assert_eq!((mine.current_sessions, mine.max_sessions, mine.processed), (1, 3, 2));
    assert_eq!((mine.mean_response_ms, mine.mean_duration_ms), (Some(7000), Some(20_000)));
    let others = wire::GetAgentStatsRequest { agent: agent(1).id, day_start_ms: 0 };
    assert_eq!(get_agent_stats(&boss_at(world, &replica), others.clone()).await.unwrap(), mine);
    let id = AgentId::parse(&agent(2).id).unwrap();
    let modest = Principal::Agent { id, permissions: Permissions::of(&[Permission::PresenceSelf]) };
    let line = world.line_to(&replica, ServiceName::Gateway, modest);
    assert_eq!(get_agent_stats(&line, others).await.unwrap_err().kind, ErrorKind::Forbidden);
    let theirs = get_agent_stats(&two.line, wire::GetAgentStatsRequest::default()).await.unwrap();
    assert_eq!((theirs.processed, theirs.mean_response_ms, theirs.mean_duration_ms), (0, None, None));
}
