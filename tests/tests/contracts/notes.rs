//! Notes and tags: what agents keep beside a session, out of the customer's sight.

use crate::{
    feed::{Feed, after},
    hands::{agent, audited, boss, hand, once, owned, roster, waiting},
    words::{assert_refused, log, session},
    world::World,
};
use std::time::Duration;
use switchboard_domain::{BuiltinRole, ErrorKind};
use switchboard_proto::{
    common::v1::Idempotency,
    session::v1::{self as wire, subscribe_response::Event},
};

crate::on_both_engines!(
    a_note_mentions_colleagues,
    notes_are_paged_newest_first,
    notes_belong_to_their_authors,
    a_note_is_added_once_for_its_key,
    customers_never_see_notes,
    tags_there_are,
    a_session_has_tags,
    a_deleted_tag_leaves_every_session,
);

fn note(session: &str, n: u32, text: &str, mentions: &[&str]) -> wire::AddNoteRequest {
    wire::AddNoteRequest {
        session: session.into(),
        author: Some(agent(n)),
        text: text.into(),
        mentions: mentions.iter().map(|&name| name.to_owned()).collect(),
        idempotency: None,
    }
}

fn listing(session: &str, limit: u32, before: &str) -> wire::ListNotesRequest {
    wire::ListNotesRequest { session: session.into(), limit, before: before.into() }
}

fn tag(id: &str, name: &str) -> wire::PutTagRequest {
    let tag = wire::Tag {
        id: id.into(),
        name: name.into(),
        color: "#00ff7F".into(),
        icon: "🧪".into(),
        built_in: false,
    };
    wire::PutTagRequest { tag: Some(tag), idempotency: None }
}

fn tagging(session: &str, add: &[&str], remove: &[&str]) -> wire::TagSessionRequest {
    let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    wire::TagSessionRequest { session: session.into(), add: list(add), remove: list(remove) }
}

async fn a_note_mentions_colleagues(world: &World) {
    roster(world, 3).await;
    waiting(world, "s").await;
    let before = session(world, "s").await;
    let me = hand(world, 1);
    let long = "字".repeat(200);
    let names = ["user2", &agent(3).id, "user3", &agent(1).id];
    let added = me.add_note(note("s", 1, &long, &names)).await.unwrap().note.unwrap();
    assert_eq!(added.mentions, [agent(2).id, agent(3).id, agent(1).id], "each once, in order");
    assert_eq!(added.author, Some(agent(1)));
    let told = hand(world, 2).told().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "mention");
    for (field, value) in [
        ("source", "session_note"),
        ("session_name", "s"),
        ("note_id", &added.id),
        ("from_agent", &agent(1).id),
        ("content", &"字".repeat(120)),
    ] {
        assert_eq!(told[0].1[field], value, "{field}");
    }
    assert_eq!(me.heard().await, [""; 0], "nobody is told of his own note");
    assert_eq!(session(world, "s").await, before, "the session is as it was");
    let unknown = me.add_note(note("s", 1, "hi", &["user2", "nobody"])).await.unwrap_err();
    assert_eq!((unknown.code.as_ref(), unknown.facts["mention"].as_str()), ("UNKNOWN_MENTION", "nobody"));
    assert_eq!(me.list_notes(listing("s", 0, "")).await.unwrap().total, 1);

    // Who is mentioned anew is told, the others are not again.
    world.clock.advance(Duration::from_secs(1));
    let edit = wire::EditNoteRequest {
        session: "s".into(),
        note: added.id.clone(),
        text: "short".into(),
        mentions: vec!["user3".into(), "user2".into()],
    };
    let edited = me.edit_note(edit.clone()).await.unwrap().note.unwrap();
    assert_eq!((edited.text.as_str(), edited.edited_at_ms), ("short", Some(added.created_at_ms + 1000)));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(me.edit_note(edit).await.unwrap().note.unwrap(), edited, "the same again changes nothing");
    assert_eq!(hand(world, 2).heard().await, ["mention"]);
}

async fn notes_are_paged_newest_first(world: &World) {
    waiting(world, "s").await;
    let me = hand(world, 1);
    for n in 0..5 {
        me.add_note(note("s", 1, &format!("note {n}"), &[])).await.unwrap();
        world.clock.advance(Duration::from_millis(1));
    }
    let texts =
        |page: &wire::ListNotesResponse| page.notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>();
    let first = me.list_notes(listing("s", 2, "")).await.unwrap();
    assert_eq!(
        (texts(&first), first.total, first.has_more),
        (vec!["note 4".into(), "note 3".into()], 5, true)
    );
    let rest = me.list_notes(listing("s", 3, &first.notes[1].id)).await.unwrap();
    assert_eq!(texts(&rest), ["note 2", "note 1", "note 0"]);
    assert!(!rest.has_more);
    let unknown = me.list_notes(listing("nothing", 0, "")).await;
    assert_refused(unknown, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    assert_refused(me.list_notes(listing("s", 0, "x")).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
}

async fn notes_belong_to_their_authors(world: &World) {
    waiting(world, "s").await;
    waiting(world, "t").await;
    let (me, other, chief) = (hand(world, 1), hand(world, 2), boss(world, 7));
    let added = me.add_note(note("s", 1, "mine", &[])).await.unwrap().note.unwrap();
    let edit = |text: &str, session: &str| wire::EditNoteRequest {
        session: session.into(),
        note: added.id.clone(),
        text: text.into(),
        mentions: vec![],
    };
    let delete = wire::DeleteNoteRequest { session: "s".into(), note: added.id.clone() };
    assert_refused(other.edit_note(edit("x", "s")).await, ErrorKind::Forbidden, "NOT_AUTHOR");
    assert_refused(other.delete_note(delete.clone()).await, ErrorKind::Forbidden, "NOT_AUTHOR");
    assert_refused(me.edit_note(edit("x", "t")).await, ErrorKind::NotFound, "NOTE_NOT_FOUND");
    assert_refused(me.edit_note(edit(" ", "s")).await, ErrorKind::Invalid, "INVALID_LENGTH");
    let long = "x".repeat(2001);
    assert_refused(me.add_note(note("s", 1, &long, &[])).await, ErrorKind::Invalid, "INVALID_LENGTH");
    assert_refused(me.add_note(note("s", 2, "x", &[])).await, ErrorKind::Forbidden, "IDENTITY_MISMATCH");
    let many = vec!["user1"; 21];
    assert_refused(me.add_note(note("s", 1, "x", &many)).await, ErrorKind::Conflict, "TOO_MANY");
    chief.edit_note(edit("better", "s")).await.unwrap();
    for _ in 0..2 {
        chief.delete_note(delete.clone()).await.unwrap(); // again: it is done
    }
    assert_refused(me.delete_note(delete).await, ErrorKind::NotFound, "NOTE_NOT_FOUND");
    assert_eq!(me.list_notes(listing("s", 0, "")).await.unwrap().total, 0);
    let actions: Vec<_> = audited(world).await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!(actions, ["note.add", "note.edit", "note.delete"]);
}

async fn a_note_is_added_once_for_its_key(world: &World) {
    roster(world, 2).await;
    waiting(world, "s").await;
    let me = hand(world, 1);
    let request = wire::AddNoteRequest { idempotency: Some(once("k")), ..note("s", 1, "once", &["user2"]) };
    let first = me.add_note(request.clone()).await.unwrap();
    assert_eq!(me.add_note(request.clone()).await.unwrap(), first);
    assert_eq!(me.list_notes(listing("s", 0, "")).await.unwrap().total, 1);
    assert_eq!(hand(world, 2).heard().await, ["mention"]);
    let other = wire::AddNoteRequest { idempotency: Some(crate::words::once("k", "g")), ..request };
    assert_refused(me.add_note(other).await, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
}

async fn customers_never_see_notes(world: &World) {
    let me = owned(world, "s", 1).await;
    let mut feed = Feed::open(&world.visitor("s"), after("s", None)).await.unwrap();
    feed.catch_up().await;
    let secret = "the customer is difficult";
    me.add_note(note("s", 1, secret, &[])).await.unwrap();
    me.tag_session(tagging("s", &["tag_vip"], &[])).await.unwrap();
    me.post(me.posting("s", "good day", "")).await.unwrap();
    let next = feed.entry().await;
    assert!(format!("{next:?}").contains("good day"), "the note came in between: {next:?}");
    let everything = format!("{:?}{:?}", log(world, "s").await, feed.opened);
    assert!(!everything.contains(secret));
    let got = world.visitor("s").get(wire::GetRequest { session: "s".into(), tail: 50 }).await.unwrap();
    assert!(!format!("{got:?}").contains(secret));
    let visitor = crate::hands::Hand::on(world.visitor("s"), 1);
    let refused = visitor.list_notes(listing("s", 0, "")).await;
    assert_refused(refused, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
    me.let_go("s").await.unwrap();
    for _ in 0..2 {
        assert!(matches!(feed.next().await, Some(Event::Entry(_))));
    }
}

async fn tags_there_are(world: &World) {
    let (me, chief) = (hand(world, 1), boss(world, 7));
    let built_in = me.list_tags(wire::ListTagsRequest {}).await.unwrap().tags;
    let told: Vec<_> =
        built_in.iter().map(|tag| (tag.id.as_str(), tag.name.as_str(), tag.color.as_str())).collect();
    assert_eq!(told.len(), 6);
    assert_eq!(
        told[..4],
        [
            ("tag_vip", "VIP", "#F59E0B"),
            ("tag_urgent", "紧急", "#EF4444"),
            ("tag_technical", "技术", "#3B82F6"),
            ("tag_refund", "退款", "#8B5CF6"),
        ]
    );
    assert_refused(me.put_tag(tag("", "new")).await, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
    let made = chief.put_tag(tag("", " new ")).await.unwrap().tag.unwrap();
    assert_eq!((made.name.as_str(), made.color.as_str(), made.built_in), ("new", "#00FF7F", false));
    assert_refused(chief.put_tag(tag("", "new")).await, ErrorKind::Conflict, "TAG_EXISTS");
    assert_refused(chief.put_tag(tag(&made.id, "VIP")).await, ErrorKind::Conflict, "TAG_EXISTS");
    assert_refused(chief.put_tag(tag("tag_none", "n")).await, ErrorKind::NotFound, "TAG_NOT_FOUND");
    assert_refused(chief.put_tag(tag("", &"x".repeat(41))).await, ErrorKind::Invalid, "INVALID_LENGTH");
    let mut gaudy = tag("", "gaudy");
    gaudy.tag.as_mut().unwrap().color = "red".into();
    assert_refused(chief.put_tag(gaudy).await, ErrorKind::Invalid, "INVALID_COLOR");
    let renamed = chief.put_tag(tag("tag_vip", "Gold")).await.unwrap().tag.unwrap();
    assert!(renamed.built_in && renamed.name == "Gold");
    assert_eq!(chief.put_tag(tag(&made.id, "newer")).await.unwrap().tag.unwrap().id, made.id);
    assert_eq!(me.list_tags(wire::ListTagsRequest {}).await.unwrap().tags.last().unwrap().name, "newer");
    let keyed = |name: &str, fingerprint: &str| wire::PutTagRequest {
        idempotency: Some(Idempotency { key: "k".into(), fingerprint: fingerprint.into() }),
        ..tag("", name)
    };
    let once = chief.put_tag(keyed("once", "f")).await.unwrap().tag.unwrap();
    assert_eq!(chief.put_tag(keyed("once", "f")).await.unwrap().tag.unwrap(), once);
    for name in ["once", "twice"] {
        let refused = chief.put_tag(keyed(name, "g")).await;
        assert_refused(refused, ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH");
    }
    let delete = |id: &str| wire::DeleteTagRequest { id: id.into() };
    chief.delete_tag(delete(&once.id)).await.unwrap();
    assert_refused(chief.delete_tag(delete("tag_vip")).await, ErrorKind::Conflict, "TAG_BUILT_IN");
    assert_refused(chief.delete_tag(delete("tag_none")).await, ErrorKind::NotFound, "TAG_NOT_FOUND");
    for _ in 0..2 {
        chief.delete_tag(delete(&made.id)).await.unwrap(); // again: it is done
    }
    assert_eq!(me.list_tags(wire::ListTagsRequest {}).await.unwrap().tags.len(), 6);
    let actions: Vec<_> = audited(world).await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!(actions, ["tag.put", "tag.put", "tag.put", "tag.put", "tag.delete", "tag.delete"]);
}

async fn a_session_has_tags(world: &World) {
    waiting(world, "s").await;
    let me = hand(world, 1);
    let before = session(world, "s").await;
    world.clock.advance(Duration::from_mins(1));
    let tags = me.tag_session(tagging("s", &["tag_vip", "tag_refund", "tag_vip"], &[])).await.unwrap().tags;
    assert_eq!(tags, ["tag_vip", "tag_refund"]);
    let after = session(world, "s").await;
    assert_eq!(after.desk.unwrap().tags, tags);
    assert_eq!((after.version, after.head), (before.version + 1, before.head), "a new version, no entry");
    assert_eq!(after.updated_at_ms, before.updated_at_ms, "not a sign of life");
    me.tag_session(tagging("s", &["tag_vip"], &["tag_urgent"])).await.unwrap();
    assert_eq!(session(world, "s").await.version, before.version + 1, "nothing has changed");
    let tags = me.tag_session(tagging("s", &["tag_urgent"], &["tag_vip"])).await.unwrap().tags;
    assert_eq!(tags, ["tag_refund", "tag_urgent"]);
    let unknown = me.tag_session(tagging("s", &["tag_none"], &["tag_refund"])).await;
    assert_refused(unknown, ErrorKind::NotFound, "TAG_NOT_FOUND");
    assert_eq!(session(world, "s").await.desk.unwrap().tags, tags);
    let elsewhere = me.tag_session(tagging("nothing", &["tag_vip"], &[])).await;
    assert_refused(elsewhere, ErrorKind::NotFound, "SESSION_NOT_FOUND");
    let guest = crate::hands::Hand::on(world.staff(BuiltinRole::Guest), 1);
    let refused = guest.tag_session(tagging("s", &["tag_vip"], &[])).await;
    assert_refused(refused, ErrorKind::Forbidden, "PERMISSION_REQUIRED");
}

async fn a_deleted_tag_leaves_every_session(world: &World) {
    let (me, chief) = (hand(world, 1), boss(world, 7));
    let made = chief.put_tag(tag("", "new")).await.unwrap().tag.unwrap();
    for n in 0..3 {
        let name = format!("s{n}");
        waiting(world, &name).await;
        me.tag_session(tagging(&name, &["tag_vip", &made.id], &[])).await.unwrap();
    }
    chief.delete_tag(wire::DeleteTagRequest { id: made.id.clone() }).await.unwrap();
    for n in 0..3 {
        assert_eq!(session(world, &format!("s{n}")).await.desk.unwrap().tags, ["tag_vip"]);
    }
    let again = me.tag_session(tagging("s0", &[&made.id], &[])).await;
    assert_refused(again, ErrorKind::NotFound, "TAG_NOT_FOUND");
}
