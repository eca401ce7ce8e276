//! `Get`, `ListEntries`: every page once, nothing twice, for those who may.

use crate::{
    words::{ask, assert_refused, chat, keyed, lines, log, message},
    world::{Line, World},
};
use futures::{StreamExt as _, stream};
use std::collections::BTreeSet;
use switchboard_domain::{BuiltinRole, ErrorKind, ServiceName};
use switchboard_proto::session::v1 as wire;

crate::on_both_engines!(
    the_tail_is_the_last_fifty_messages,
    who_may_read_a_session,
    a_restart_keeps_everything,
    pages_cover_a_long_log_without_gap_or_overlap,
    nonsense_is_refused,
);

/// Lets a session's customer say `count` things at once, behind a running turn.
async fn chatter(world: &World, session: &str, count: usize) {
    let visitor = world.visitor(session);
    let saying = (0..count).map(|n| visitor.say(chat(session, &format!("message {n}"))));
    // Boxed: otherwise the compiler asks for more than these futures promise.
    let saying: Vec<futures::future::BoxFuture<'_, _>> = saying.map(|say| Box::pin(say) as _).collect();
    let said: Vec<_> = stream::iter(saying).buffer_unordered(32).collect().await;
    assert!(said.iter().all(Result::is_ok), "{said:?}");
}

async fn get(line: &Line, session: &str, tail: u32) -> wire::GetResponse {
    line.get(wire::GetRequest { session: session.into(), tail }).await.unwrap()
}

async fn the_tail_is_the_last_fifty_messages(world: &World) {
    chatter(world, "s", 120).await;
    let all: Vec<_> = log(world, "s").await;
    let messages: Vec<_> =
        all.into_iter().filter(|entry| lines(std::slice::from_ref(entry))[0].starts_with("user")).collect();
    assert_eq!(messages.len(), 120);
    for (asked, got) in [(50, 50), (51, 50), (u32::MAX, 50), (7, 7), (1, 1), (0, 0)] {
        let response = get(&world.worker(), "s", asked).await;
        assert_eq!(response.tail, messages[120 - got..], "{asked}");
        assert_eq!(response.session.unwrap().head, 121);
    }
    world
        .visitor("empty")
        .open(wire::OpenRequest { session: "empty".into(), ..Default::default() })
        .await
        .unwrap();
    assert_eq!(get(&world.worker(), "empty", 50).await.tail, []);
}

async fn who_may_read_a_session(world: &World) {
    ask(world, "s", "hello").await;
    for line in
        [world.visitor("s"), world.staff(BuiltinRole::Agent), world.staff(BuiltinRole::Admin), world.worker()]
    {
        assert_eq!(get(&line, "s", 50).await.tail.len(), 1);
        assert_eq!(crate::words::log_by(&line, "s").await.len(), 2);
    }
    let asked = wire::GetRequest { session: "s".into(), tail: 50 };
    let page = wire::ListEntriesRequest { session: "s".into(), ..Default::default() };
    let (stranger, nobody) = (world.visitor("t"), world.anonymous());
    assert_refused(stranger.get(asked.clone()).await, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    assert_refused(stranger.list_entries(page.clone()).await, ErrorKind::Forbidden, "NOT_YOUR_SESSION");
    assert_refused(nobody.get(asked).await, ErrorKind::Unauthenticated, "TOKEN_REQUIRED");
    assert_refused(nobody.list_entries(page).await, ErrorKind::Unauthenticated, "TOKEN_REQUIRED");
}

async fn a_restart_keeps_everything(world: &World) {
    let said = world.visitor("s").say(keyed("s", "hello", "k")).await.unwrap();
    world.clock.advance(std::time::Duration::from_hours(24));
    let restarted = world.replica(&[]).await;
    let visitor = world.line_to(&restarted, ServiceName::Gateway, world.visitor("s").principal());
    assert_eq!(crate::words::log_by(&visitor, "s").await, said.entries);
    let again = visitor.say(keyed("s", "hello", "k")).await.unwrap();
    assert!(again.replayed);
    assert_eq!((again.epoch, again.session), (said.epoch, said.session), "places mean what they meant");
}

/// 520 entries; every tenth is no message.
async fn long_log(world: &World) -> Vec<wire::Entry> {
    chatter(world, "s", 100).await;
    for round in 0..4 {
        for n in 0..13 {
            let request = wire::SetConversationRequest {
                session: "s".into(),
                conversation: format!("c-{round}-{n}"),
                idempotency: None,
            };
            world.worker().set_conversation(request).await.unwrap();
        }
        chatter(world, "s", if round == 3 { 67 } else { 100 }).await;
    }
    let log = log(world, "s").await;
    assert_eq!(log.len(), 520);
    log
}

fn page(
    before: Option<i64>,
    after: Option<i64>,
    limit: u32,
    messages_only: bool,
) -> wire::ListEntriesRequest {
    wire::ListEntriesRequest { session: "s".into(), before, after, limit, messages_only }
}

/// Reads a log forwards or backwards, page by page.
async fn paged(world: &World, forwards: bool, limit: u32, messages_only: bool) -> Vec<wire::Entry> {
    let mut all: Vec<wire::Entry> = Vec::new();
    for _ in 0..600 {
        let request = match (forwards, all.first(), all.last()) {
            (true, _, last) => page(None, Some(last.map_or(0, |entry| entry.seq)), limit, messages_only),
            (false, Some(first), _) => page(Some(first.seq), None, limit, messages_only),
            (false, None, _) => page(None, None, limit, messages_only),
        };
        let response = world.worker().list_entries(request).await.unwrap();
        let full = usize::try_from(limit).unwrap().min(200);
        assert!(response.entries.len() <= full);
        assert!(!response.has_more || response.entries.len() == full, "only the last page is short");
        if forwards {
            all.extend(response.entries);
        } else {
            all.splice(0..0, response.entries);
        }
        if !response.has_more {
            return all;
        }
    }
    panic!("there is always more")
}

async fn pages_cover_a_long_log_without_gap_or_overlap(world: &World) {
    let log = long_log(world).await;
    let body = |entry: &&wire::Entry| matches!(entry.body, Some(wire::entry::Body::Message(_)));
    let messages: Vec<_> = log.iter().filter(body).cloned().collect();
    let different: BTreeSet<_> = messages.iter().map(|entry| message(entry).id.clone()).collect();
    assert_eq!((messages.len(), different.len()), (467, 467));
    // 40 divides the log; of more than 200, 200 are given.
    for limit in [40, 1000] {
        for forwards in [true, false] {
            assert_eq!(paged(world, forwards, limit, false).await, log, "limit {limit}, forwards {forwards}");
        }
    }
    for (limit, forwards) in [(200, true), (60, false)] {
        assert_eq!(paged(world, forwards, limit, true).await, messages, "limit {limit}, forwards {forwards}");
    }
    let read = |request| async { world.worker().list_entries(request).await.unwrap() };
    assert_eq!(read(page(None, None, 0, false)).await.entries.len(), 50, "a page of the usual size");
    let beyond = read(page(None, Some(520), 10, false)).await;
    assert_eq!((beyond.entries, beyond.has_more), (vec![], false));
    let middle = read(page(Some(300), None, 1, false)).await;
    assert_eq!((middle.entries, middle.has_more), (log[298..299].to_vec(), true));
    let start = read(page(Some(1), None, 10, false)).await;
    assert_eq!((start.entries, start.has_more), (vec![], false));
}

async fn nonsense_is_refused(world: &World) {
    ask(world, "s", "hello").await;
    let both = world.worker().list_entries(page(Some(2), Some(1), 10, false)).await;
    assert_refused(both, ErrorKind::Invalid, "MALFORMED_MESSAGE");
    let unknown = wire::ListEntriesRequest { session: "t".into(), ..page(None, None, 1, false) };
    assert_refused(world.worker().list_entries(unknown).await, ErrorKind::NotFound, "SESSION_NOT_FOUND");
}
