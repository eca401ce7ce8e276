//! `Find`: filters, orders, pages and words, against a plain sort of everything.

use crate::{
    floor::{
        NOT_ASSIGNING, at, boss_at, call, call_again, customer, enrol, find, get_queue, greet, pass,
        roster_line, vip,
    },
    hands::agent,
    words::{assert_refused, chat},
    world::{Line, START, World},
};
use std::cmp::Reverse;
use switchboard_domain::ErrorKind;
use switchboard_mesh::Mounted;
use switchboard_proto::session::v1::{self as wire, find_request::Order};

crate::on_both_engines!(
    every_order_pages_through_everything_once,
    filters_and_their_combinations,
    words_in_names_and_messages,
    a_search_that_stopped_goes_on,
    a_page_of_a_search_looks_at_a_bounded_number_of_sessions,
    long_sessions_are_searched_to_their_beginning,
    what_cannot_be_asked,
    the_queue_is_in_the_order_of_service,
);

const ORDERS: [Order; 6] =
    [Order::Unspecified, Order::Newest, Order::Oldest, Order::Vip, Order::WaitTime, Order::Updated];

/// Forty sessions of every kind.
async fn fill(world: &World, replica: &Mounted) {
    let hands = [at(world, replica, 1), at(world, replica, 2)];
    enrol(world, replica, vec![roster_line(1), roster_line(2)]).await;
    for n in 0..40_usize {
        let name = format!("s{n:02}");
        // Some are made in the same millisecond.
        if n % 3 != 0 {
            pass(world, 5);
        }
        let profile = if n % 4 == 0 { vip() } else { wire::Profile::default() };
        greet(world, replica, &name, profile).await;
        if n % 5 != 0 {
            call_again(&customer(world, replica, &name), &name, "manual").await;
        }
        if matches!(n % 5, 2 | 3) {
            hands[n % 2].take(&name).await.unwrap();
        }
        if n % 5 == 3 {
            hands[n % 2].shut(&name).await.unwrap();
        }
    }
}

fn name(summary: &wire::Summary) -> String {
    summary.session.as_ref().unwrap().name.clone()
}

/// All pages of a request, and the names on them in order.
async fn pages(line: &Line, request: &wire::FindRequest) -> (Vec<String>, Vec<wire::FindResponse>) {
    let (mut names, mut pages, mut request) = (Vec::new(), Vec::new(), request.clone());
    loop {
        let page = find(line, request.clone()).await.unwrap();
        names.extend(page.sessions.iter().map(name));
        request.page_token.clone_from(&page.next_page_token);
        assert_eq!(page.has_more, !page.next_page_token.is_empty());
        let is_last = !page.has_more;
        pages.push(page);
        if is_last {
            return (names, pages);
        }
    }
}

async fn everything(line: &Line) -> Vec<wire::Session> {
    let request = wire::FindRequest { limit: 200, ..wire::FindRequest::default() };
    let all = find(line, request).await.unwrap();
    all.sessions.into_iter().map(|summary| summary.session.unwrap()).collect()
}

fn is_vip(session: &wire::Session) -> bool {
    session.profile.as_ref().unwrap().vip
}

/// The plain sort.
fn sorted(mut sessions: Vec<wire::Session>, order: Order) -> Vec<String> {
    let rank = |session: &wire::Session| match session.status() {
        wire::Status::PendingManual => 0,
        wire::Status::ManualLive => 1,
        wire::Status::BotActive => 2,
        wire::Status::AfterHoursEmail => 3,
        wire::Status::Closed | wire::Status::Unspecified => 4,
    };
    let due = |session: &wire::Session| session.desk.as_ref().unwrap().due_at_ms;
    sessions.sort_by_key(|one| one.name.clone());
    let updated = |one: &wire::Session| Reverse((one.updated_at_ms, one.name.clone()));
    match order {
        Order::Unspecified => sessions.sort_by_key(|one| (!is_vip(one), rank(one), updated(one))),
        Order::Newest => sessions.sort_by_key(|one| Reverse((one.created_at_ms, one.name.clone()))),
        Order::Oldest => sessions.sort_by_key(|one| (one.created_at_ms, one.name.clone())),
        Order::Vip => sessions.sort_by_key(|one| (!is_vip(one), updated(one))),
        Order::WaitTime => sessions.sort_by_key(|one| match due(one) {
            Some(due) => (0, due, one.name.clone(), Reverse((0, String::new()))),
            None => (1, 0, String::new(), updated(one)),
        }),
        Order::Updated => sessions.sort_by_key(updated),
    }
    sessions.into_iter().map(|session| session.name).collect()
}

async fn every_order_pages_through_everything_once(world: &World) {
    let replica = world.replica(&NOT_ASSIGNING).await;
    fill(world, &replica).await;
    let line = boss_at(world, &replica);
    let all = everything(&line).await;
    assert_eq!(all.len(), 40);
    for order in ORDERS {
        let expected = sorted(all.clone(), order);
        let request = wire::FindRequest { order: order.into(), limit: 7, ..wire::FindRequest::default() };
        let (names, pages) = pages(&line, &request).await;
        assert_eq!(names, expected, "{order:?}");
        assert!(pages.iter().all(|page| (page.total, page.total_exact, page.partial) == (40, true, false)));
        let by_number = wire::FindRequest { offset: 33, ..request.clone() };
        let page = find(&line, by_number).await.unwrap();
        assert_eq!(
            page.sessions.iter().map(name).collect::<Vec<_>>(),
            expected[33..],
            "{order:?} by numbers"
        );
        assert!(!page.has_more);
        let beyond = wire::FindRequest { offset: 50, ..request };
        assert!(find(&line, beyond).await.unwrap().sessions.is_empty());
    }
    // What lists show beside the session.
    let first = find(&line, wire::FindRequest { limit: 1, ..wire::FindRequest::default() }).await.unwrap();
    let first = first.sessions.into_iter().next().unwrap();
    assert!(first.last_message.is_some());
    let priority = first.priority.unwrap();
    assert_eq!((priority.level.as_str(), priority.vip), ("urgent", true));
}

async fn filters_and_their_combinations(world: &World) {
    // Once with everything in reach of a sort, once with an index and a filter for each row.
    for scan in ["20000", "200"] {
        let replica =
            world.replica(&[NOT_ASSIGNING[0], NOT_ASSIGNING[1], ("session.find.scan_sessions", scan)]).await;
        if scan == "20000" {
            fill(world, &replica).await;
        }
        let line = boss_at(world, &replica);
        let all = everything(&line).await;
        let middle = all.iter().map(|session| session.created_at_ms).sum::<i64>() / 40;
        let plain = wire::FindRequest { limit: 6, ..wire::FindRequest::default() };
        let requests = [
            wire::FindRequest { status: Some(wire::Status::PendingManual.into()), ..plain.clone() },
            wire::FindRequest { agent: Some(agent(1).id), ..plain.clone() },
            wire::FindRequest { unassigned: true, ..plain.clone() },
            wire::FindRequest { vip: Some(false), ..plain.clone() },
            wire::FindRequest { vip: Some(true), status: Some(wire::Status::Closed.into()), ..plain.clone() },
            wire::FindRequest { created_since_ms: Some(START + 60_000), ..plain.clone() },
            wire::FindRequest { created_until_ms: Some(middle), vip: Some(true), ..plain.clone() },
            wire::FindRequest {
                created_since_ms: Some(START + 20_000),
                created_until_ms: Some(middle),
                unassigned: true,
                ..plain.clone()
            },
        ];
        let owned = find(&line, wire::FindRequest { limit: 40, ..requests[1].clone() }).await.unwrap();
        let by_name = wire::FindRequest { agent: Some("USER1".into()), limit: 40, ..plain.clone() };
        assert_eq!(find(&line, by_name).await.unwrap(), owned, "the username says the same as the id");
        assert!(!owned.sessions.is_empty());
        for request in requests {
            let fits = |session: &wire::Session| {
                request.status.is_none_or(|status| status == session.status)
                    && request
                        .agent
                        .as_ref()
                        .is_none_or(|id| session.agent.as_ref().is_some_and(|a| a.id == *id))
                    && (!request.unassigned || session.agent.is_none())
                    && request.vip.is_none_or(|vip| vip == is_vip(session))
                    && request.created_since_ms.is_none_or(|since| session.created_at_ms >= since)
                    && request.created_until_ms.is_none_or(|until| session.created_at_ms < until)
            };
            let fitting: Vec<_> = all.iter().filter(|session| fits(session)).cloned().collect();
            for order in ORDERS {
                let request = wire::FindRequest { order: order.into(), ..request.clone() };
                let (names, pages) = pages(&line, &request).await;
                assert_eq!(names, sorted(fitting.clone(), order), "{request:?}");
                let total = i64::try_from(fitting.len()).unwrap();
                assert!(
                    pages
                        .iter()
                        .all(|page| page.total <= total && (!page.total_exact || page.total == total))
                );
                assert!(pages.iter().all(|page| page.total_exact), "{request:?}");
            }
        }
    }
}

async fn words_in_names_and_messages(world: &World) {
    let replica = world.replica(&NOT_ASSIGNING).await;
    fill(world, &replica).await;
    let profile = wire::Profile { nickname: Some("Zoë Müller".into()), ..wire::Profile::default() };
    greet(world, &replica, "named", profile).await;
    customer(world, &replica, "s05").say(chat("s05", "Wo bleibt meine RÜCKERSTATTUNG?")).await.unwrap();
    customer(world, &replica, "s10").say(chat("s10", "我的 \"退款\" 在哪里？")).await.unwrap();
    let line = boss_at(world, &replica);
    for (word, expected) in [
        ("rückerstattung", vec!["s05"]),
        ("退款", vec!["s10"]),
        ("\"退款\"", vec!["s10"]),
        ("zoë MÜ", vec!["named"]),
        ("S07", vec!["s07"]),
        ("agent 1", vec!["s32", "s12", "s22", "s02"]),
        ("人工", vec![]),
    ] {
        let request = wire::FindRequest { keyword: word.into(), limit: 10, ..wire::FindRequest::default() };
        let (names, pages) = pages(&line, &request).await;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(names, expected, "{word}");
        let total = i64::try_from(expected.len()).unwrap();
        assert_eq!(
            (pages.len(), pages[0].total, pages[0].total_exact, pages[0].partial),
            (1, total, true, false)
        );
    }
    let all = wire::FindRequest { keyword: "hello".into(), limit: 200, ..wire::FindRequest::default() };
    assert_eq!(find(&line, all).await.unwrap().total, 41);
}

async fn a_search_that_stopped_goes_on(world: &World) {
    // Each page looks at fifteen messages, or at one session and a bit.
    let settings = [NOT_ASSIGNING[0], NOT_ASSIGNING[1], ("session.find.scan_messages", "15")];
    let replica = world.replica(&settings).await;
    for session in ["old", "young"] {
        call(world, &replica, session, "the needle", "manual").await;
        pass(world, 1);
        for n in 0..30 {
            let said = crate::words::manual(session, &format!("hay {n}"));
            customer(world, &replica, session).say(said).await.unwrap();
        }
    }
    let line = boss_at(world, &replica);
    let request = wire::FindRequest { keyword: "needle".into(), limit: 10, ..wire::FindRequest::default() };
    let (names, pages) = pages(&line, &request).await;
    assert_eq!(names, ["young", "old"]);
    assert!(pages.len() > 4, "{}", pages.len());
    assert!(pages[..pages.len() - 1].iter().all(|page| page.partial && !page.total_exact));
    assert!(!pages[pages.len() - 1].partial);
}

async fn a_page_of_a_search_looks_at_a_bounded_number_of_sessions(world: &World) {
    // A session and its one message count as eleven: five sessions a page.
    let settings = [NOT_ASSIGNING[0], NOT_ASSIGNING[1], ("session.find.scan_messages", "55")];
    let replica = world.replica(&settings).await;
    fill(world, &replica).await;
    customer(world, &replica, "s35").say(chat("s35", "the needle")).await.unwrap();
    let line = boss_at(world, &replica);
    for order in ORDERS {
        let request = wire::FindRequest {
            keyword: "needle".into(),
            order: order.into(),
            limit: 3,
            ..wire::FindRequest::default()
        };
        let (names, pages) = pages(&line, &request).await;
        assert_eq!(names, ["s35"], "{order:?}");
        assert!((8..=9).contains(&pages.len()), "{order:?}: {}", pages.len());
        let (last, before) = pages.split_last().unwrap();
        assert!(before.iter().all(|page| page.partial && !page.total_exact), "{order:?}");
        assert!(!last.partial, "{order:?}");
        // A filter without an index of its own makes the same pages shorter, not more.
        let vips = wire::FindRequest { vip: Some(true), ..request };
        assert!(self::pages(&line, &vips).await.1.len() <= 3, "{order:?}");
    }
}

async fn long_sessions_are_searched_to_their_beginning(world: &World) {
    let replica = world.replica(&NOT_ASSIGNING).await;
    // Around what is read of every session at once, and more than one statement gives of one session.
    for count in [1, 39, 40, 41, 80, 240] {
        let session = format!("s{count}");
        call(world, &replica, &session, "the Nadel", "manual").await;
        for n in 0..count {
            let said = crate::words::manual(&session, &format!("hay {n}"));
            customer(world, &replica, &session).say(said).await.unwrap();
        }
    }
    let line = boss_at(world, &replica);
    for (word, expected) in [("nadel", 6), ("hay 0", 6), ("hay 39", 4), ("hay 239", 1), ("hay 240", 0)] {
        let request = wire::FindRequest { keyword: word.into(), limit: 10, ..wire::FindRequest::default() };
        let page = find(&line, request).await.unwrap();
        assert_eq!((page.sessions.len(), page.total_exact, page.partial), (expected, true, false), "{word}");
    }
}

async fn what_cannot_be_asked(world: &World) {
    let line = boss_at(world, &world.replica(&NOT_ASSIGNING).await);
    let plain = wire::FindRequest::default();
    for wrong in [
        wire::FindRequest { keyword: "x".repeat(101), ..plain.clone() },
        wire::FindRequest { offset: 10_001, ..plain.clone() },
        wire::FindRequest { page_token: "nonsense".into(), ..plain.clone() },
        wire::FindRequest { page_token: "1.0.5..s".into(), ..plain.clone() },
        wire::FindRequest { page_token: "0.0.5..s".into(), offset: 1, ..plain.clone() },
        wire::FindRequest { status: Some(77), ..plain.clone() },
    ] {
        assert_refused(find(&line, wrong).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
    }
    let nobodys = wire::FindRequest { agent: Some("nobody".into()), ..plain };
    assert_refused(find(&line, nobodys).await, ErrorKind::NotFound, "AGENT_NOT_FOUND");
}

async fn the_queue_is_in_the_order_of_service(world: &World) {
    let replica = world.replica(&NOT_ASSIGNING).await;
    // Those who take none shorten nobody's wait.
    let busy = wire::RosterLine { status: "busy".into(), ..roster_line(3) };
    let at_table = wire::RosterLine { status: "lunch".into(), ..roster_line(4) };
    enrol(world, &replica, vec![roster_line(1), roster_line(2), busy, at_table]).await;
    // Somebody was served before: from then on the wait can be estimated.
    call(world, &replica, "served", "hello", "manual").await;
    pass(world, 60);
    at(world, &replica, 1).take("served").await.unwrap();
    call(world, &replica, "first", "hello", "manual").await;
    pass(world, 100);
    call(world, &replica, "second", "hello", "manual").await;
    pass(world, 150);
    call(world, &replica, "angry", "Ich will eine Rückerstattung", "keyword").await;
    greet(world, &replica, "vip", vip()).await;
    call_again(&customer(world, &replica, "vip"), "vip", "vip").await;
    let line = boss_at(world, &replica);
    let order = async || {
        let queue = get_queue(&line, wire::GetQueueRequest::default()).await.unwrap();
        queue.places.iter().map(|place| name(place.summary.as_ref().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(order().await, ["vip", "angry", "first", "second"]);
    pass(world, 51);
    assert_eq!(order().await, ["vip", "first", "angry", "second"], "too long a wait is urgent");
    let queue = get_queue(&line, wire::GetQueueRequest::default()).await.unwrap();
    assert_eq!((queue.total, queue.vips, queue.max_wait_ms), (4, 1, 301_000));
    assert_eq!(queue.mean_wait_ms, (301 + 201 + 51 + 51) * 1000 / 4);
    let levels: Vec<_> = queue
        .places
        .iter()
        .map(|place| {
            let priority = place.summary.as_ref().unwrap().priority.clone().unwrap();
            (place.position, priority.level, priority.timeout, priority.urgent_words, place.estimated_wait_ms)
        })
        .collect();
    let none = Vec::new;
    assert_eq!(
        levels,
        [
            (1, "urgent".into(), false, none(), Some(30_000)),
            (2, "urgent".into(), true, none(), Some(60_000)),
            (3, "high".into(), false, vec!["rückerstattung".to_owned()], Some(90_000)),
            (4, "normal".into(), false, none(), Some(120_000)),
        ]
    );
    let other = wire::GetQueueRequest { queue: "other".into(), limit: 0 };
    assert_eq!(get_queue(&line, other).await.unwrap().total, 0);
    let two = wire::GetQueueRequest { queue: "default".into(), limit: 2 };
    let head = get_queue(&line, two).await.unwrap();
    assert_eq!((head.places.len(), head.total), (2, 4));
}
