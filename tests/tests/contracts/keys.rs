//! A key belongs to whoever uses it: what one has done under it says nothing of another.

use crate::{
    hands::{boss, hand, once, owned, roster, waiting},
    words::{assert_refused, lines, log},
    world::World,
};
use switchboard_db::sql;
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1 as wire;

crate::on_both_engines!(
    of_many_with_one_key_one_takes_the_session,
    a_note_is_its_authors,
    agents_count_their_messages_each_for_himself,
    messages_of_before_are_still_known,
);

async fn of_many_with_one_key_one_takes_the_session(world: &World) {
    waiting(world, "s").await;
    let taking = |n: u32| {
        let hand = hand(world, n);
        let request = wire::TakeOverRequest { idempotency: Some(once("takeover-s")), ..hand.taking("s") };
        async move { hand.take_over(request).await }
    };
    assert!(!taking(1).await.unwrap().replayed);
    for late in 2..=16 {
        assert_refused(taking(late).await, ErrorKind::Conflict, "ALREADY_TAKEN");
    }
    assert!(taking(1).await.unwrap().replayed, "who took it may ask again");
    // Not even when he has let it go is another's key his.
    hand(world, 1).let_go("s").await.unwrap();
    assert!(taking(1).await.unwrap().replayed);
    assert_refused(taking(2).await, ErrorKind::Conflict, "INVALID_STATUS");
}

async fn a_note_is_its_authors(world: &World) {
    waiting(world, "s").await;
    let adding = |n: u32, text: &str| {
        let hand = hand(world, n);
        let request = wire::AddNoteRequest {
            session: "s".into(),
            author: Some(hand.me.clone()),
            text: text.into(),
            mentions: Vec::new(),
            idempotency: Some(once("note-1")),
        };
        async move { hand.add_note(request).await.unwrap().note.unwrap() }
    };
    let (mine, theirs) = (adding(1, "mine").await, adding(2, "theirs").await);
    assert_eq!((mine.text.as_str(), theirs.text.as_str()), ("mine", "theirs"));
    assert_ne!(mine.id, theirs.id);
    assert_eq!((adding(1, "mine").await, adding(2, "theirs").await), (mine, theirs));
}

async fn agents_count_their_messages_each_for_himself(world: &World) {
    roster(world, 2).await;
    let (one, two) = (owned(world, "s", 1).await, hand(world, 2));
    one.post(one.posting("s", "good day", "m1")).await.unwrap();
    let chief = boss(world, 7);
    let given = wire::TransferRequest { immediate: true, ..chief.handing("s", 2) };
    chief.transfer(given).await.unwrap();
    assert!(!two.post(two.posting("s", "good evening", "m1")).await.unwrap().replayed);
    assert!(two.post(two.posting("s", "good evening", "m1")).await.unwrap().replayed);
    let again = one.post(one.posting("s", "good day", "m1")).await.unwrap();
    assert!(again.replayed, "for ever, as it is written in the contract");
    assert_eq!(lines(&again.entries), ["agent: good day"]);
    let other = two.post(two.posting("s", "good night", "m1")).await;
    assert_refused(other, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    let said: Vec<_> =
        lines(&log(world, "s").await).into_iter().filter(|line| line.starts_with("agent:")).collect();
    assert_eq!(said, ["agent: good day", "agent: good evening"]);
}

/// Ids of messages were kept without whose they are.
async fn messages_of_before_are_still_known(world: &World) {
    roster(world, 2).await;
    let (one, two) = (owned(world, "s", 1).await, hand(world, 2));
    one.post(one.posting("s", "good day", "m1")).await.unwrap();
    const AS_BEFORE: &str =
        "UPDATE entry SET client_message_id = 'm1' WHERE session = 's' AND sender = 'agent'";
    let before = world.database().await;
    before.transaction(|tx| Box::pin(async move { tx.execute(sql(AS_BEFORE)).await })).await.unwrap();
    assert!(one.post(one.posting("s", "good day", "m1")).await.unwrap().replayed);
    let other = one.post(one.posting("s", "good night", "m1")).await;
    assert_refused(other, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    let chief = boss(world, 7);
    chief.transfer(wire::TransferRequest { immediate: true, ..chief.handing("s", 2) }).await.unwrap();
    assert!(!two.post(two.posting("s", "good evening", "m1")).await.unwrap().replayed);
}
