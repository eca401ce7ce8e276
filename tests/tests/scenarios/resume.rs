//! Whoever comes back gets exactly what was missed: nothing twice, nothing left out, nothing of anybody else.

use crate::shared::{fresh, shop, slow};
use serde_json::Value;
use switchboard_tests::{client::Visitor, sse::Frame, world::Shape};

in_both_shapes!(
    a_disconnect_at_every_event,
    a_disconnect_after_every_event_while_it_happens,
    positions_that_mean_nothing,
    what_the_address_says,
);

/// A session in which a bit of everything has happened.
async fn eventful(customer: &Visitor) -> i64 {
    customer.chat("City 充满一次电可以跑多远？").await.expect_ok();
    customer.new_conversation().await.expect_ok();
    customer.chat("How long does shipping take?").await.expect_ok();
    customer.chat("转人工").await.expect_ok();
    customer.say_to_human("我的订单还没到").await.expect_ok();
    customer.detail().await.head
}

fn on_record(frames: Vec<Frame>) -> Vec<Frame> {
    frames.into_iter().filter(|frame| frame.id.is_some()).collect()
}

fn raw(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.raw.as_str()).collect()
}

async fn a_disconnect_at_every_event(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let head = eventful(&alice).await;
    let whole = on_record(alice.events(None).await.frames().until(|frame| frame.seq() == Some(head)).await);
    assert_eq!(whole.len(), usize::try_from(head).unwrap());
    for cut in 1..head {
        let mut before = alice.events(None).await.frames();
        let mut seen = on_record(before.until(|frame| frame.seq() == Some(cut)).await);
        drop(before);
        let last = seen.last().unwrap().id.clone();
        let mut after = alice.events(last.as_deref()).await.frames();
        seen.extend(on_record(after.until(|frame| frame.seq() == Some(head)).await));
        assert_eq!(raw(&seen), raw(&whole), "cut after {cut}");
    }
}

async fn a_disconnect_after_every_event_while_it_happens(shape: Shape) {
    let world = &slow(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    alice.create().await.expect_ok();
    let talking = async {
        for text in ["你好", "City 能跑多远？", "多少钱？"] {
            alice.chat(text).await.expect_ok();
        }
        alice.chat("转人工").await.expect_ok();
    };
    let watching = async {
        let mut seen: Vec<Frame> = Vec::new();
        loop {
            let last = seen.last().and_then(|frame| frame.id.clone());
            let mut events = alice.events(last.as_deref()).await.frames();
            seen.extend(on_record(events.until(|frame| frame.id.is_some()).await));
            if seen.last().unwrap().data["state"] == "handed_over" {
                return seen;
            }
        }
    };
    let ((), seen) = tokio::join!(talking, watching);
    let head = seen.last().unwrap().seq().unwrap();
    let whole = on_record(alice.events(None).await.frames().until(|frame| frame.seq() == Some(head)).await);
    assert_eq!(raw(&seen), raw(&whole));
    let numbers: Vec<i64> = seen.iter().filter_map(Frame::seq).collect();
    assert_eq!(numbers, (1..=head).collect::<Vec<i64>>());
}

async fn positions_that_mean_nothing(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let head = eventful(&alice).await;
    let detail = alice.detail().await;
    let (epoch, _) = detail.cursor.split_once('.').unwrap();
    for gone in [format!("{epoch}.{}", head + 1), "987654321.1".to_owned(), format!("{epoch}.{}", i64::MAX)] {
        let mut events = alice.events(Some(&gone)).await.frames();
        let first = events.until(|frame| !frame.kind().is_empty()).await.pop().unwrap();
        assert_eq!(first.kind(), "reset", "{gone}: {}", first.raw);
        assert_eq!(first.id.as_deref(), Some(detail.cursor.as_str()));
        let state = &first.data["session"];
        assert_eq!(
            (state["head"].as_i64(), state["session_name"].as_str()),
            (Some(head), Some(alice.session.as_str()))
        );
        assert_eq!(state["history"].as_array().map(Vec::len), Some(detail.history.len()));
    }
    let mut events = alice.events(Some("987654321.1")).await.frames();
    let said = alice.say_to_human("还有一件事").await.expect_ok().json();
    let next = events.until(|frame| frame.seq().is_some()).await.pop().unwrap();
    assert_eq!((next.seq(), &next.data["message_id"]), (Some(head + 1), &said["data"]["message_id"]));

    for bogus in ["", "nonsense", "1", "1.", ".1", "1.2.3", "-1.2", "1.-2", "1.99999999999999999999", "一.二"]
    {
        let request = alice.request("GET", &format!("/api/sessions/{}/events", alice.session));
        let request = request
            .header("last-event-id", reqwest::header::HeaderValue::from_bytes(bogus.as_bytes()).unwrap());
        if bogus.is_empty() {
            continue;
        }
        let answer = alice.send(request).await;
        assert_eq!(answer.problem(), (400, "INVALID_CURSOR".to_owned()), "{bogus}: {}", answer.text);
    }
}

async fn what_the_address_says(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let head = eventful(&alice).await;
    let detail = alice.detail().await;
    let (epoch, _) = detail.cursor.split_once('.').unwrap();
    let first = async |query: &str, header: Option<&str>| -> Value {
        let path = format!("/api/sessions/{}/events{query}", alice.session);
        let request = alice.request("GET", &path);
        let request =
            header.map_or_else(|| alice.request("GET", &path), |id| request.header("last-event-id", id));
        let response = request.send().await.unwrap();
        let mut frames = switchboard_tests::sse::Frames::of(response);
        frames.until(|frame| frame.seq().is_some()).await.pop().unwrap().data
    };
    assert_eq!(first(&format!("?last_event_id={epoch}.3"), None).await["seq"], 4);
    // A browser that comes back sends the address it first used, and the header.
    let back = format!("{epoch}.{}", head - 1);
    assert_eq!(first(&format!("?last_event_id={epoch}.3"), Some(&back)).await["seq"], head);
}
