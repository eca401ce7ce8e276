//! A session belongs to whoever holds its token.

use crate::shared::{fresh, shop};
use futures::future::join_all;
use serde_json::json;
use std::collections::HashSet;
use switchboard_tests::{
    client::{Client, Message, Visitor},
    shop::{forged_token, token},
    world::Shape,
};

in_both_shapes!(
    the_first_answer_was_lost,
    the_first_message_five_times_at_once,
    a_weak_id_proves_nothing,
    without_and_with_a_foreign_token,
    an_unknown_session,
    tokens_that_are_none,
    the_cookie_is_as_good,
    a_name_that_nobody_can_guess,
);

const STRONG: &str = "0f9e8d7c6b5a49382716";

async fn the_first_answer_was_lost(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let session = fresh("alice");
    let message = Message::new("你好").id(STRONG);
    let first = world.client().visitor(&session);
    let lost = first.chat(&message).await.expect_ok();
    // A browser that never saw the answer sends the same again.
    let again = world.client().visitor(&session);
    let answer = again.chat(&message).await.expect_ok();
    assert_eq!(answer.json()["turn_id"], lost.json()["turn_id"]);
    assert_eq!(answer.json()["visitor_token"].as_str(), again.token().as_deref());
    assert_eq!(again.detail().await.said_by("user").len(), 1);
    // The same over the stream, and for commands that begin a session.
    let streamed = world.client().visitor(&session);
    assert_eq!(streamed.stream(&message).await.rest().await.last().unwrap().kind(), "done");
    assert_eq!(streamed.detail().await.head, first.detail().await.head);

    let stranger = world.client().visitor(&session);
    let refused = stranger.chat(Message::new("你好").id("another-id-of-sixteen")).await;
    assert_eq!(refused.problem(), (401, "TOKEN_REQUIRED".to_owned()), "{}", refused.text);
    assert_eq!(stranger.token(), None);
}

/// A browser that is impatient before it has a token.
async fn the_first_message_five_times_at_once(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let session = fresh("alice");
    let message = Message::new("City 充满一次电可以跑多远？").id(STRONG);
    let tabs: Vec<Visitor> = (0..5).map(|_| world.client().visitor(&session)).collect();
    let answers = join_all(tabs.iter().map(|tab| tab.chat(&message))).await;
    let turns: HashSet<String> =
        answers.into_iter().map(|answer| answer.expect_ok().read("/turn_id")).collect();
    assert_eq!(turns.len(), 1, "{turns:?}");
    for tab in tabs {
        let detail = tab.detail().await;
        assert_eq!((detail.said_by("user").len(), detail.said_by("assistant").len()), (1, 1));
    }
}

async fn a_weak_id_proves_nothing(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let session = fresh("alice");
    for (message, sessions) in [(Message::new("你好").id("short"), 0), (Message::new("你好"), 1)] {
        let session = format!("{session}-{sessions}");
        world.client().visitor(&session).chat(&message).await.expect_ok();
        let refused = world.client().visitor(&session).chat(&message).await;
        assert_eq!(refused.problem(), (401, "TOKEN_REQUIRED".to_owned()), "{}", refused.text);
    }
}

/// Everything that acts on an existing session.
async fn everything(customer: &Visitor) -> Vec<(&'static str, (u16, String))> {
    vec![
        ("chat", customer.chat("你好").await.problem()),
        ("stream", customer.stream("你好").await.head.problem()),
        ("create", customer.create().await.problem()),
        ("new", customer.new_conversation().await.problem()),
        ("clear", customer.clear().await.problem()),
        ("read", customer.read().await.problem()),
        ("events", customer.events(None).await.head.problem()),
        ("escalate", customer.escalate("manual").await.problem()),
        ("say", customer.say_to_human("你好").await.problem()),
        ("messages", {
            let path = format!("/api/v1/sessions/{}/messages", customer.session);
            customer.send(customer.request("GET", &path)).await.problem()
        }),
    ]
}

async fn without_and_with_a_foreign_token(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let client = world.client();
    let alice = client.visitor(&fresh("alice"));
    alice.chat("你好").await.expect_ok();
    let bob = client.visitor(&fresh("bob"));
    bob.chat("你好").await.expect_ok();
    let head = alice.detail().await.head;

    for (what, problem) in everything(&client.visitor(&alice.session)).await {
        assert_eq!(problem, (401, "TOKEN_REQUIRED".to_owned()), "{what}");
    }
    let refused = client.visitor(&alice.session).read().await;
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let thief = client.visitor_with(&alice.session, &bob.token().unwrap());
    for (what, problem) in everything(&thief).await {
        assert_eq!(problem, (403, "NOT_YOUR_SESSION".to_owned()), "{what}");
    }
    assert_eq!(alice.detail().await.head, head, "nothing was written");
}

async fn an_unknown_session(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let session = fresh("nobody");
    let visitor = world.client().visitor_with(&session, &token(&session, &json!({})));
    for (what, problem) in [
        ("read", visitor.read().await.problem()),
        ("events", visitor.events(None).await.head.problem()),
        ("escalate", visitor.escalate("manual").await.problem()),
    ] {
        assert_eq!(problem, (404, "SESSION_NOT_FOUND".to_owned()), "{what}");
    }
    // Asking does not make it.
    assert_eq!(visitor.read().await.status, 404);
    let anonymous = world.client().visitor(&session).read().await;
    assert_eq!(
        anonymous.problem(),
        (401, "TOKEN_REQUIRED".to_owned()),
        "who has no token does not learn what exists"
    );
}

async fn tokens_that_are_none(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    alice.chat("你好").await.expect_ok();
    let session = &alice.session;
    let good = alice.token().unwrap();
    let (body, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let bad = [
        forged_token(session),
        token(session, &json!({ "exp": 1_700_000_000 })),
        token(session, &json!({ "aud": "agent" })),
        token(session, &json!({ "iss": "switchboard" })),
        token(session, &json!({ "exp": 99_999_999_999_i64 })),
        format!("{body}.{flipped}{}", &signature[1..]),
        format!("{body}."),
        "nonsense".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(9000),
    ];
    for token in bad {
        let refused = world.client().visitor_with(session, &token).read().await;
        let shown = &token[..token.len().min(40)];
        assert_eq!(refused.problem(), (401, "INVALID_TOKEN".to_owned()), "{shown}: {}", refused.text);
        assert!(!refused.text.contains(shown), "tokens are not repeated");
    }
}

async fn the_cookie_is_as_good(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    let answer = alice.chat("你好").await.expect_ok();
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite="), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let path = format!("/api/sessions/{}", alice.session);
    let read = Client::send(world.client().request("GET", &path).header("cookie", pair)).await;
    assert_eq!(read.expect_ok().json()["data"]["session"]["session_name"], alice.session.as_str());
}

async fn a_name_that_nobody_can_guess(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let answer = world.client().post("/api/chat", &json!({ "message": "你好" })).await.expect_ok();
    let session: String = answer.read("/session_name");
    let chance = session.strip_prefix("user_").unwrap();
    assert!(chance.len() == 32 && chance.bytes().all(|byte| byte.is_ascii_hexdigit()), "{session}");
    let token: String = answer.read("/visitor_token");
    let customer = world.client().visitor_with(&session, &token);
    assert_eq!(customer.detail().await.said_by("user").len(), 1);
    // With a token the name goes without saying.
    let request = customer.request("POST", "/api/chat").json(&json!({ "message": "还在吗" }));
    assert_eq!(customer.send(request).await.expect_ok().read::<String>("/session_name"), session);
}
