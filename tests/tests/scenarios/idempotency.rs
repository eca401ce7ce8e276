//! The same message is one message, however often it is sent; the same key never means two things.

use crate::shared::{fresh, shop, slow};
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::HashSet;
use switchboard_tests::{
    client::{Answer, Message},
    sse::answer as spelled,
    world::Shape,
};

in_both_shapes!(
    five_times_at_once_is_once,
    another_message_with_the_same_id,
    the_header_means_the_same,
    commands_repeat_too,
);

const QUESTION: &str = "City 充满一次电可以跑多远？";

/// What has to be the same in every answer.
fn essence(answer: &Answer) -> Value {
    let body = answer.json();
    json!([body["turn_id"], body["message_id"], body["seq"], body["message"], body["sources"]])
}

async fn five_times_at_once_is_once(shape: Shape) {
    let world = &slow(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    alice.create().await.expect_ok();
    let message = Message::new(QUESTION).id("0123456789abcdef-five");
    let answers = join_all((0..5).map(|_| alice.chat(&message))).await;
    let told: HashSet<String> =
        answers.into_iter().map(|answer| essence(&answer.expect_ok()).to_string()).collect();
    assert_eq!(told.len(), 1, "{told:?}");

    let streamed = alice.stream(&message).await.rest().await;
    let done = &streamed.last().unwrap().data;
    let text = spelled(&streamed);
    assert!(
        told.contains(
            &json!([done["turn_id"], done["message_id"], done["seq"], text, done["sources"]]).to_string()
        ),
        "{done}"
    );
    let detail = alice.detail().await;
    assert_eq!((detail.said_by("user").len(), detail.said_by("assistant").len()), (1, 1));
    assert_eq!(detail.said_by("user")[0].client_message_id.as_deref(), Some("0123456789abcdef-five"));
}

async fn another_message_with_the_same_id(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let first = alice.chat(Message::new(QUESTION).id("one")).await.expect_ok();
    let head = alice.detail().await.head;
    let other = alice.chat(Message::new("Fold 多少钱？").id("one")).await;
    assert_eq!(other.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()), "{}", other.text);
    let streamed = alice.stream(Message::new("Fold 多少钱？").id("one")).await.head;
    assert_eq!(streamed.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()), "{}", streamed.text);
    assert_eq!(alice.detail().await.head, head);
    assert_eq!(essence(&alice.chat(Message::new(QUESTION).id("one")).await), essence(&first));
    // Another customer's ids are their own.
    let bob = world.client().visitor(&fresh("bob"));
    bob.chat(Message::new("Fold 多少钱？").id("one")).await.expect_ok();
}

async fn the_header_means_the_same(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let by_header = alice.chat(Message::new(QUESTION).key("key-1")).await.expect_ok();
    let head = alice.detail().await.head;
    for same in [
        Message::new(QUESTION).id("key-1"),
        Message::new(QUESTION).key("key-1").id("key-1"),
        Message::new(QUESTION).key("\"key-1\""),
    ] {
        assert_eq!(essence(&alice.chat(same).await), essence(&by_header));
    }
    let torn = alice.chat(Message::new(QUESTION).key("key-1").id("key-2")).await;
    assert_eq!(torn.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()), "{}", torn.text);
    assert_eq!(alice.detail().await.head, head);
}

async fn commands_repeat_too(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    alice.create().await.expect_ok();
    let post = async |path: &str, key: &str, body: Value| {
        alice.send(alice.request("POST", path).header("idempotency-key", key).json(&body)).await
    };
    let begin = json!({ "session_id": alice.session });
    let first = post("/api/conversation/new", "new-1", begin.clone()).await.expect_ok();
    let head = alice.detail().await.head;
    let again = post("/api/conversation/new", "new-1", begin.clone()).await.expect_ok();
    assert_eq!(first.json()["conversation_id"], again.json()["conversation_id"]);
    assert_eq!(alice.detail().await.head, head);
    let other = post("/api/conversation/new", "new-2", begin).await.expect_ok();
    assert_ne!(first.json()["conversation_id"], other.json()["conversation_id"]);

    let ask = |reason: &str| json!({ "session_name": alice.session, "reason": reason });
    post("/api/manual/escalate", "ask-1", ask("manual")).await.expect_ok();
    let head = alice.detail().await.head;
    post("/api/manual/escalate", "ask-1", ask("manual")).await.expect_ok();
    let torn = post("/api/manual/escalate", "ask-1", ask("user_request")).await;
    assert_eq!(torn.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()), "{}", torn.text);
    let say = |text: &str| json!({ "session_name": alice.session, "role": "user", "content": text });
    let said = post("/api/manual/messages", "say-1", say("在吗")).await.expect_ok();
    let repeated = post("/api/manual/messages", "say-1", say("在吗")).await.expect_ok();
    assert_eq!(said.json(), repeated.json());
    let torn = post("/api/manual/messages", "say-1", say("不在")).await;
    assert_eq!(torn.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()), "{}", torn.text);
    assert_eq!(alice.detail().await.head, head + 1);
}
