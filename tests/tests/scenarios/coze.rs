//! Coze as the provider: memory, tokens, conversations.

use crate::shared::{fresh, with_coze};
use switchboard_tests::{
    clock::RealClock,
    fakes::{FakeCoze, coze},
    settings::Settings,
    world::{Shape, World},
};

in_both_shapes!(
    two_customers_never_see_each_others_memory,
    a_new_conversation_forgets,
    a_token_that_ran_out_is_renewed_once,
);

async fn two_customers_never_see_each_others_memory(shape: Shape) {
    let shop = with_coze(shape).await;
    let _evidence = shop.world.evidence();
    let client = shop.world.client();
    let (alice, bob) = (client.visitor(&fresh("alice")), client.visitor(&fresh("bob")));
    let told = tokio::join!(alice.chat("我叫爱丽丝"), bob.chat("我叫鲍勃"));
    assert_eq!((told.0.expect_ok().status, told.1.expect_ok().status), (200, 200));
    for (who, own, foreign) in [(&alice, "爱丽丝", "鲍勃"), (&bob, "鲍勃", "爱丽丝")] {
        let answer: String = who.chat("我叫什么？").await.expect_ok().read("/message");
        assert!(answer.contains(own) && !answer.contains(foreign), "{answer}");
    }
    let calls = shop.provider.calls();
    for who in [&alice, &bob] {
        let chats: Vec<_> = calls.chats.iter().filter(|chat| chat.session == who.session).collect();
        assert_eq!(chats.len(), 2);
        let conversation = who.detail().await.conversation_id;
        assert!(
            conversation.is_some() && chats.iter().all(|chat| chat.conversation == conversation),
            "{chats:?}"
        );
        let made = calls.conversations.iter().filter(|(session, _)| *session == who.session).count();
        let granted = calls.grants.iter().filter(|session| **session == who.session).count();
        assert_eq!((made, granted), (1, 1), "one conversation and one token for {}", who.session);
    }
}

async fn a_new_conversation_forgets(shape: Shape) {
    let shop = with_coze(shape).await;
    let _evidence = shop.world.evidence();
    let alice = shop.world.client().visitor(&fresh("alice"));
    alice.chat("暗号是蓝鲸").await.expect_ok();
    let before = alice.detail().await;
    let begun: String = alice.new_conversation().await.expect_ok().read("/conversation_id");
    let answer: String = alice.chat("暗号是什么？").await.expect_ok().read("/message");
    assert!(!answer.contains("蓝鲸"), "{answer}");
    let after = alice.detail().await;
    assert_eq!(after.conversation_id.as_deref(), Some(begun.as_str()));
    assert_ne!(after.conversation_id, before.conversation_id);
    assert_eq!(after.said_by("user").len(), 2, "the log forgets nothing");
    let cleared = alice.clear().await.expect_ok();
    assert_eq!(cleared.json()["message"], "历史会话已清除，新对话已创建");
    assert_ne!(cleared.json()["conversation_id"], begun.as_str());
}

async fn a_token_that_ran_out_is_renewed_once(shape: Shape) {
    let provider = FakeCoze::start(coze::Options::new(RealClock::shared())).await;
    let world = World::start(shape, &Settings::new("coze-tokens").with_coze(&provider)).await;
    let _evidence = world.evidence();
    let alice = world.client().visitor(&fresh("alice"));
    alice.chat("我叫爱丽丝").await.expect_ok();
    assert_eq!(provider.calls().grants, [alice.session.as_str()]);
    provider.revoke_tokens();
    let answer: String = alice.chat("我叫什么？").await.expect_ok().read("/message");
    assert!(answer.contains("爱丽丝"), "{answer}");
    let calls = provider.calls();
    assert_eq!((calls.grants.len(), calls.unauthorized), (2, 1));
    alice.chat("谢谢").await.expect_ok();
    assert_eq!(provider.calls().grants.len(), 2);
    assert_eq!(alice.detail().await.said_by("assistant").len(), 3);
}
