//! Following a session.

use crate::testing::{
    log,
    world::{Edge, Frames, edge, edge_with, get},
};
use axum::body::Body;
use serde_json::json;
use std::time::Duration;
use switchboard_domain::{Status, turn::TurnState};

const PATH: &str = "/api/v1/sessions/alice/events";

async fn resume(edge: &Edge, token: &str, cursor: &str) -> Frames {
    let request = get(PATH, token).header("last-event-id", cursor).body(Body::empty()).unwrap();
    Frames::of(edge.send(request).await)
}

#[tokio::test]
async fn the_log_is_told_from_the_beginning_and_goes_on() {
    let edge = edge();
    let token = edge.session("alice");
    edge.world.write("alice", log::customer(1, "你好").body);
    let response = edge.get(PATH, &token).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut frames = Frames::of(response);
    let retry = frames.raw().await.unwrap();
    let wait: u64 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((1000..=5000).contains(&wait));
    let (id, event) = frames.next().await.unwrap();
    assert_eq!(
        (id.as_deref(), &event["type"], &event["role"]),
        (Some("1.1"), &json!("message"), &json!("user"))
    );
    edge.world.write("alice", log::status(1, Status::BotActive, Status::PendingManual).body);
    let (id, event) = frames.next().await.unwrap();
    assert_eq!((id.as_deref(), &event["type"]), (Some("1.2"), &json!("status_change")));
    assert_eq!((&event["reason"], &event["timestamp"]), (&json!("keyword"), &json!(1_795_383_375)));
    edge.world.write("alice", log::customer(1, "在吗").body);
    assert_eq!(frames.next().await.unwrap().1["type"], "manual_message");
}

#[tokio::test]
async fn a_client_resumes_where_it_was() {
    let edge = edge();
    let token = edge.session("alice");
    for text in ["1", "2", "3"] {
        edge.world.write("alice", log::customer(1, text).body);
    }
    let mut frames = resume(&edge, &token, "1.2").await;
    assert_eq!(frames.next().await.unwrap().0.as_deref(), Some("1.3"));
    // The header of a browser that comes back wins over the address it first came with.
    let request = get(&format!("{PATH}?last_event_id=1.0"), &token).header("last-event-id", "1.1");
    let mut frames = Frames::of(edge.send(request.body(Body::empty()).unwrap()).await);
    assert_eq!(frames.next().await.unwrap().0.as_deref(), Some("1.2"));
    let mut frames = Frames::of(edge.get(&format!("{PATH}?last_event_id=1.1"), &token).await);
    assert_eq!(frames.next().await.unwrap().0.as_deref(), Some("1.2"));
}

#[tokio::test]
async fn a_position_of_another_time_gets_everything_anew() {
    let edge = edge();
    let token = edge.session("alice");
    edge.world.write("alice", log::customer(1, "1").body);
    for cursor in ["7.1", "1.99"] {
        let mut frames = resume(&edge, &token, cursor).await;
        let (id, event) = frames.next().await.unwrap();
        assert_eq!((id.as_deref(), &event["type"]), (Some("1.1"), &json!("reset")), "{cursor}");
        assert_eq!(event["session"]["history"][0]["content"], "1");
    }
}

#[tokio::test]
async fn an_answer_is_shown_while_it_is_written_and_not_after() {
    let edge = edge();
    let token = edge.session("alice");
    let turn = log::turn(1);
    let mut frames = Frames::of(edge.get(PATH, &token).await);
    frames.raw().await.unwrap();
    edge.world.write("alice", log::turn_change(1, turn, TurnState::Accepted).body);
    assert_eq!(frames.next().await.unwrap().1["state"], "accepted");
    let (id, delta) = frames.next().await.unwrap();
    assert_eq!(id, None);
    assert_eq!(
        delta,
        json!({
            "type": "delta", "turn_id": turn.to_string(), "from_chunk": 0, "chunk": 3, "content": "so far"
        })
    );
    // Whoever comes in the middle gets the text so far.
    let mut late = resume(&edge, &token, "1.1").await;
    assert_eq!(late.next().await.unwrap().1["content"], "so far");
    edge.world.write("alice", log::assistant(1, "so far so good", Some(turn)).body);
    edge.world.write("alice", log::turn_change(1, turn, TurnState::Done).body);
    for frames in [&mut frames, &mut late] {
        assert_eq!(frames.next().await.unwrap().1["role"], "assistant");
        assert_eq!(frames.next().await.unwrap().1["state"], "done");
    }
}

#[tokio::test]
async fn the_end_of_the_server_is_told_with_200_and_a_time_to_come_back() {
    let edge = edge_with(|settings| settings.drain.bye_spread = Duration::ZERO);
    let token = edge.session("alice");
    let mut frames = Frames::of(edge.get(PATH, &token).await);
    frames.raw().await.unwrap();
    let stop = edge.tasks.stop(Duration::from_secs(5));
    let bye = async {
        let frame = frames.raw().await.unwrap();
        assert!(frame.starts_with("retry: "), "{frame}");
        assert!(frames.raw().await.is_none_or(|frame| frame == "data: {\"type\":\"bye\"}"));
        frames.raw().await
    };
    let (ended, rest) = tokio::join!(stop, bye);
    assert!(ended);
    assert_eq!(rest, None);
    // Whoever comes now is told the same.
    assert_eq!(Frames::of(edge.get(PATH, &token).await).types().await, ["bye"]);
}

#[tokio::test]
async fn over_a_limit_a_browser_is_asked_to_come_back_with_200() {
    let edge = edge_with(|settings| settings.sse.max_per_principal = 1);
    let token = edge.session("alice");
    let first = edge.get(PATH, &token).await;
    assert_eq!(Frames::of(edge.get(PATH, &token).await).types().await, ["bye"]);
    drop(first);
    // The place becomes free as soon as the server has noticed.
    let wait = async {
        while edge.app.streams.enter("alice", false).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap();
    let edge = edge_with(|settings| (settings.rate.read_per_minute, settings.rate.read_burst) = (1, 1));
    let token = edge.session("alice");
    assert_eq!(edge.get("/api/sessions/alice", &token).await.status(), 200);
    assert_eq!(Frames::of(edge.get(PATH, &token).await).types().await, ["bye"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_token() {
    let edge = edge();
    let token = edge.session("alice");
    edge.clock.advance(Duration::from_secs(7 * 24 * 3600 - 10));
    let mut frames = Frames::of(edge.get(PATH, &token).await);
    assert_eq!(frames.next().await.unwrap().1["type"], "bye");
    assert!(frames.raw().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_has_a_heartbeat() {
    let edge = edge();
    let token = edge.session("alice");
    let mut frames = Frames::of(edge.get(PATH, &token).await);
    frames.raw().await.unwrap();
    assert_eq!(frames.raw().await.unwrap(), ": hb");
    assert_eq!(frames.raw().await.unwrap(), ": hb");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed_and_resumes() {
    let edge = edge_with(|settings| settings.sse.buffer_events = 4);
    let token = edge.session("alice");
    let mut frames = Frames::of(edge.get(PATH, &token).await);
    frames.raw().await.unwrap();
    for text in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        edge.world.write("alice", log::customer(1, text).body);
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut last = String::new();
    while let Some((id, _)) = frames.next().await {
        last = id.unwrap();
    }
    assert_ne!(last, "1.9");
    // Missed entries are more than the buffer holds: a client that reads gets them all.
    let mut frames = resume(&edge, &token, &last).await;
    while frames.next().await.unwrap().0.as_deref() != Some("1.9") {}
}
