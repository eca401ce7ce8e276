//! A customer asks about the sample shop.

use crate::shared::{fresh, shop};
use switchboard_tests::{
    sse::{answer, kinds},
    world::Shape,
};

in_both_shapes!(a_chinese_question, an_english_question);

async fn a_chinese_question(shape: Shape) {
    answered(shape, "City 充满一次电可以跑多远？", "公里").await;
}

async fn an_english_question(shape: Shape) {
    answered(shape, "How far can I ride on a full battery?", "km").await;
}

/// The answer streams, has a source, is kept, and every terminal sees the same.
async fn answered(shape: Shape, question: &str, expected: &str) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let told = alice.stream(question).await.rest().await;
    let kinds = kinds(&told);
    let (last, pieces) = told.split_last().unwrap();
    assert_eq!(last.kind(), "done", "{kinds:?}");
    assert!(pieces.len() >= 2 && pieces.iter().all(|frame| frame.kind() == "message"), "{kinds:?}");
    let answer = answer(pieces);
    assert!(answer.contains(expected), "{answer}");
    assert!(!last.data["sources"][0]["title"].as_str().unwrap().is_empty(), "{}", last.data);

    let detail = alice.detail().await;
    let kept = detail.said_by("assistant")[0];
    assert_eq!((kept.content.as_str(), kept.seq), (answer.as_str(), last.seq().unwrap()));
    assert_eq!(kept.message_id, last.data["message_id"]);
    assert_eq!(kept.sources[0], last.data["sources"][0]);
    assert_eq!((detail.status.as_str(), &detail.running_turn), ("bot_active", &None));
    assert_eq!(detail.said_by("user")[0].content, question);

    let log = alice.log().await;
    let numbers: Vec<i64> = log.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=detail.head).collect::<Vec<i64>>());
    let second = world.client().visitor_with(&alice.session, &alice.token().unwrap());
    assert_eq!(second.log().await, log);
    let answers: Vec<_> = log.iter().filter(|event| event["role"] == "assistant").collect();
    assert_eq!((answers.len(), &answers[0]["content"]), (1, &answer.as_str().into()));
}
