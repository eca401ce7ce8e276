//! A turn is the server's, not the browser's: it goes on when nobody looks, and whoever comes later sees all of it.

use crate::shared::{SLOW, fresh, slow};
use futures::future::join_all;
use serde_json::Value;
use switchboard_tests::{
    patience::eventually,
    sse::{answer, kinds},
    world::Shape,
};

in_both_shapes!(
    an_answer_arrives_while_it_is_written,
    three_messages_while_the_first_is_answered,
    the_browser_leaves,
    a_reload_in_the_middle_of_an_answer,
);

/// An answer of about forty pieces.
fn long_question() -> String {
    format!("请告诉我：{}", "一二三四".repeat(40))
}

async fn an_answer_arrives_while_it_is_written(shape: Shape) {
    let world = &slow(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let told = alice.stream(long_question().as_str()).await.rest().await;
    let (last, pieces) = told.split_last().unwrap();
    assert_eq!(last.kind(), "done");
    assert!(pieces.len() >= 10, "{} pieces", pieces.len());
    let span = pieces.last().unwrap().at - pieces[0].at;
    assert!(span >= SLOW * 20, "all of it came within {span:?}");
    let text = answer(pieces);
    assert_eq!(text, format!("收到：{}", long_question()));
    assert_eq!(text, alice.detail().await.said_by("assistant")[0].content);
}

async fn three_messages_while_the_first_is_answered(shape: Shape) {
    let world = &slow(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let mut first = alice.stream(long_question().as_str()).await.frames();
    first.until(|frame| frame.kind() == "message").await;
    let texts = ["还有运费呢？", "可以退货吗？", "保修几年？"];
    let answers = join_all(texts.map(|text| alice.chat(text))).await;
    assert_eq!(first.rest().await.last().unwrap().kind(), "done");

    let log = alice.log().await;
    let of = |role: &str| -> Vec<&Value> { log.iter().filter(|event| event["role"] == role).collect() };
    let asked: Vec<&Value> = of("user").iter().map(|message| &message["message_id"]).collect();
    assert_eq!(asked.len(), 4);
    let began = log.iter().filter(|event| event["type"] == "turn" && event["state"] == "accepted");
    let covers: Vec<&Value> = began.clone().flat_map(|turn| turn["covers"].as_array().unwrap()).collect();
    assert_eq!(covers, asked, "every message is answered by exactly one turn, in order");
    for (text, answer) in texts.iter().zip(answers) {
        let answer = answer.expect_ok().json();
        let message = of("user").into_iter().find(|message| message["content"] == *text).unwrap();
        let turn = began.clone().find(|turn| turn["turn_id"] == answer["turn_id"]).unwrap();
        assert!(
            turn["covers"].as_array().unwrap().contains(&message["message_id"]),
            "{text} is answered by {turn}"
        );
    }
    let ended = log.iter().filter(|event| event["type"] == "turn" && event["state"] == "done").count();
    assert_eq!((ended, of("assistant").len()), (began.count(), ended));
}

async fn the_browser_leaves(shape: Shape) {
    let world = &slow(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let mut told = alice.stream(long_question().as_str()).await.frames();
    told.until(|frame| frame.kind() == "message").await;
    drop(told);
    let detail = eventually("the turn ends", async || {
        let detail = alice.detail().await;
        detail.running_turn.is_none().then_some(detail)
    })
    .await;
    let answer = detail.said_by("assistant")[0];
    assert_eq!(answer.content, format!("收到：{}", long_question()));
    assert!(!answer.interrupted);
    assert_eq!(detail.status, "bot_active");
}

async fn a_reload_in_the_middle_of_an_answer(shape: Shape) {
    let world = &slow(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let mut told = alice.stream(long_question().as_str()).await.frames();
    let mut pieces = 0;
    told.until(|frame| {
        pieces += usize::from(frame.kind() == "message");
        pieces == 8
    })
    .await;
    drop(told);
    let detail = alice.detail().await;
    assert!(detail.running_turn.is_some(), "the answer is being written");
    let mut events = alice.events(Some(&detail.cursor)).await.frames();
    let seen = events.until(|frame| frame.kind() == "turn").await;
    let deltas: Vec<_> = seen.iter().filter(|frame| frame.kind() == "delta").collect();
    assert_eq!(deltas[0].data["from_chunk"], 0, "what was missed comes first: {}", deltas[0].raw);
    assert!(deltas[0].data["chunk"].as_i64().unwrap() >= 7 && deltas.len() >= 3, "{deltas:?}");
    let mut next = 0;
    for delta in &deltas {
        assert_eq!(delta.data["from_chunk"], next, "no chunk is missing, none comes twice");
        assert_eq!((&delta.id, delta.seq()), (&None, None), "what is not on record has no position");
        assert_eq!(Some(delta.data["turn_id"].as_str().unwrap()), detail.running_turn.as_deref());
        next = delta.data["chunk"].as_i64().unwrap() + 1;
    }
    let written: String = deltas.iter().map(|delta| delta.content()).collect();
    let mut kinds = kinds(&seen);
    kinds.retain(|kind| *kind != "delta");
    assert_eq!(kinds.iter().filter(|kind| **kind == "message").count(), 1, "{kinds:?}");
    let place = |kind: &str| seen.iter().rposition(|frame| frame.kind() == kind).unwrap();
    assert!(place("delta") < place("message") && place("message") < place("turn"), "{kinds:?}");
    let whole = &seen[place("message")];
    assert_eq!(whole.content(), format!("收到：{}", long_question()));
    assert!(whole.content().starts_with(&written), "{written}");
    assert_eq!(seen.last().unwrap().data["state"], "done");
}
