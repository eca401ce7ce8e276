//! When a human has to take over, and how customers learn of it.

use crate::shared::{fresh, shop, slow};
use serde_json::json;
use switchboard_tests::{
    client::{Message, Visitor},
    shop::token,
    sse::{answer, kinds},
    world::Shape,
};

in_both_shapes!(
    asked_for_in_chinese,
    asked_for_in_english,
    artificial_intelligence_is_no_human,
    the_button,
    three_unsure_answers_in_a_row,
    a_good_answer_ends_the_row,
    a_vip_by_parameter,
    a_vip_by_token,
);

const NONSENSE: [&str; 3] =
    ["量子纠缠和薛定谔方程有什么关系？", "贝多芬第九交响曲是哪年首演的？", "珠穆朗玛峰有多高？"];

async fn asked_for_in_chinese(shape: Shape) {
    handed_over(shape, "我要转人工", "人工客服").await;
}

async fn asked_for_in_english(shape: Shape) {
    handed_over(shape, "I want to talk to a human agent, please.", "handed over").await;
}

/// The provider is not asked, the customer is told, the chat is closed, the way to humans is open.
async fn handed_over(shape: Shape, wish: &str, notice: &str) {
    let shop = slow(shape).await;
    let _evidence = shop.world.evidence();
    let alice = shop.world.client().visitor(&fresh("alice"));
    let told = alice.stream(wish).await.rest().await;
    let kinds = kinds(&told);
    assert_eq!(kinds.last(), Some(&"done"), "{kinds:?}");
    assert!(kinds.contains(&"status_change"), "{kinds:?}");
    let said = answer(&told);
    assert!(said.contains(notice), "{told:#?}");
    assert!(!kinds.contains(&"manual_message"), "told once: {told:#?}");
    let asked = shop.provider.calls().requests;
    assert!(!asked.iter().any(|request| request.to_string().contains(wish)), "the provider was asked");

    let detail = waits(&alice, "keyword", "high").await;
    let history: Vec<(&str, &str)> =
        detail.history.iter().map(|said| (said.role.as_str(), said.content.as_str())).collect();
    assert_eq!(history, [("user", wish), ("system", said.as_str())]);
    closed_for_chat(&alice).await;
    assert_eq!(alice.detail().await.head, detail.head, "a refused message is not kept");

    let kept = alice.say_to_human("我的订单号是 12345").await.expect_ok();
    let detail = alice.detail().await;
    let last = detail.history.last().unwrap();
    assert_eq!((last.role.as_str(), last.content.as_str()), ("user", "我的订单号是 12345"));
    assert_eq!(kept.json()["data"]["message_id"], last.message_id);
    assert_eq!(detail.said_by("assistant").len(), 0);
    let turns: Vec<_> = alice.log().await.into_iter().filter(|event| event["type"] == "turn").collect();
    assert_eq!((turns.len(), &turns[1]["state"]), (2, &json!("handed_over")));
}

async fn waits(customer: &Visitor, reason: &str, severity: &str) -> switchboard_tests::client::Detail {
    let detail = customer.detail().await;
    let escalation = detail.escalation.clone().unwrap_or_default();
    assert_eq!(detail.status, "pending_manual");
    assert_eq!(
        (&escalation["reason"], &escalation["severity"]),
        (&json!(reason), &json!(severity)),
        "{escalation}"
    );
    detail
}

async fn closed_for_chat(customer: &Visitor) {
    let refused = customer.chat("还在吗？").await;
    assert_eq!(refused.problem(), (409, "SESSION_IN_MANUAL_MODE".to_owned()), "{}", refused.text);
    assert_eq!(refused.json()["detail"], "SESSION_IN_MANUAL_MODE: pending_manual");
    let stream = customer.stream("还在吗？").await;
    assert_eq!(stream.head.status, 200);
    let told = stream.rest().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind(), told[0].content()), ("error", "SESSION_IN_MANUAL_MODE: pending_manual"));
}

async fn artificial_intelligence_is_no_human(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let answer = alice.chat("你是人工智能吗？").await.expect_ok();
    assert_eq!(answer.json()["status"], "bot_active");
}

async fn the_button(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    alice.create().await.expect_ok();
    let first = alice.escalate("user_request").await.expect_ok().json();
    assert_eq!((&first["success"], &first["is_in_shift"]), (&json!(true), &json!(true)));
    assert_eq!(first["data"]["status"], "pending_manual");
    let before = waits(&alice, "manual", "high").await;
    closed_for_chat(&alice).await;

    for reason in ["user_request", "manual"] {
        let again = alice.escalate(reason).await.expect_ok().json();
        assert_eq!(
            again["data"]["escalation"], first["data"]["escalation"],
            "the place in the queue is kept"
        );
    }
    let after = waits(&alice, "manual", "high").await;
    assert_eq!(after.said_by("system").len(), before.said_by("system").len(), "told once");

    let bob = world.client().visitor(&fresh("bob"));
    bob.chat("你好").await.expect_ok();
    bob.escalate("manual").await.expect_ok();
    waits(&bob, "manual", "low").await;
}

async fn three_unsure_answers_in_a_row(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    for (failures, question) in (1..).zip(NONSENSE) {
        let answer = alice.chat(question).await.expect_ok();
        assert!(answer.json()["message"].as_str().unwrap().contains("抱歉"), "{}", answer.text);
        let detail = alice.detail().await;
        let expected = if failures < 3 { "bot_active" } else { "pending_manual" };
        assert_eq!((detail.ai_fail_count, detail.status.as_str()), (failures, expected));
    }
    let detail = waits(&alice, "fail_loop", "low").await;
    // The third answer is shown, and then the customer is told that somebody comes.
    assert_eq!((detail.said_by("assistant").len(), detail.said_by("system").len()), (3, 1));
}

async fn a_good_answer_ends_the_row(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    for question in [NONSENSE[0], NONSENSE[1], "City 充满一次电可以跑多远？", NONSENSE[2]] {
        alice.chat(question).await.expect_ok();
    }
    let detail = alice.detail().await;
    assert_eq!((detail.ai_fail_count, detail.status.as_str()), (1, "bot_active"));
}

async fn a_vip_by_parameter(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    alice.chat("你好").await.expect_ok();
    assert_eq!(alice.detail().await.status, "bot_active");
    alice.chat(Message::new("你好").parameters(json!({ "vip": true }))).await.expect_ok();
    waits(&alice, "vip", "high").await;
}

async fn a_vip_by_token(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let session = fresh("vip");
    let about = json!({ "name": "Vera", "email": "vera@example.com", "vip": true, "language": "en" });
    let vera = world.client().visitor_with(&session, &token(&session, &about));
    let answer = vera.chat("How long does shipping take?").await.expect_ok();
    assert!(answer.json()["message"].as_str().unwrap().contains("handed over"), "{}", answer.text);
    let profile = waits(&vera, "vip", "high").await.user_profile;
    assert_eq!((&profile["nickname"], &profile["vip"]), (&json!("Vera"), &json!(true)));
}
