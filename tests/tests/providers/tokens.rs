//! Access tokens of Coze: how often one is asked for, for whom, and when the next one is.

use crate::rig::{Rig, answer, ask, prompt};
use futures::future::join_all;
use std::{collections::HashSet, time::Duration};
use switchboard_model::ModelError;
use switchboard_tests::fakes::Fault;

#[tokio::test]
async fn twenty_prompts_of_one_session_share_one_grant() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let asked = prompt("alice", "你好");
    join_all((0..20).map(|_| answer(&model, &asked))).await;
    assert_eq!(rig.coze.calls().grants, ["alice"]);
}

#[tokio::test]
async fn sessions_share_neither_grant_nor_conversation_nor_memory() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let told = join_all((0..10).map(async |n| {
        let mut asked = prompt(&format!("s{n}"), &format!("暗号是{n}号"));
        asked.conversation = answer(&model, &asked).await.conversation;
        assert!(asked.conversation.is_some());
        "暗号是多少？".clone_into(&mut asked.question);
        let second = answer(&model, &asked).await;
        assert_eq!(second.conversation, None, "the known conversation goes on");
        (asked.conversation.unwrap(), second.text)
    }))
    .await;
    for (n, (_, text)) in told.iter().enumerate() {
        assert_eq!(*text, format!("收到：暗号是多少？。您之前说过：暗号是{n}号"));
    }
    let conversations: HashSet<_> = told.iter().map(|(conversation, _)| conversation).collect();
    let grants: HashSet<_> = rig.coze.calls().grants.into_iter().collect();
    assert_eq!((conversations.len(), grants.len(), rig.coze.calls().grants.len()), (10, 10, 10));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_its_end_is_a_point_in_time() {
    let rig = Rig::start().await;
    rig.coze.set_token_life(Duration::from_mins(5));
    let model = rig.coze_model();
    let asked = prompt("alice", "你好");
    // Minutes passed, and grants by then: five minutes of life less one of margin.
    for (minutes, grants) in [(0, 1), (3, 1), (1, 2), (3, 2), (2, 3), (600, 4)] {
        rig.clock.advance(Duration::from_mins(minutes));
        answer(&model, &asked).await;
        assert_eq!(rig.coze.calls().grants.len(), grants, "{minutes} minutes later");
    }
    assert_eq!(rig.coze.calls().unauthorized, 0);
}

#[tokio::test]
async fn no_token_is_used_longer_than_the_cache_allows() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let asked = prompt("alice", "你好");
    for (minutes, grants) in [(0, 1), (14, 1), (1, 2)] {
        rig.clock.advance(Duration::from_mins(minutes));
        answer(&model, &asked).await;
        assert_eq!(rig.coze.calls().grants.len(), grants, "{minutes} minutes later");
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_exactly_once() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let mut asked = prompt("alice", "你好");
    asked.conversation = answer(&model, &asked).await.conversation;
    rig.coze.revoke_tokens();
    answer(&model, &asked).await;
    let calls = rig.coze.calls();
    assert_eq!((calls.grants.len(), calls.unauthorized), (2, 1));

    rig.coze.chat.set_times(Fault::JsonError(4100), 1);
    answer(&model, &asked).await;
    assert_eq!(rig.coze.calls().grants.len(), 3);

    rig.coze.chat.set(Fault::Status(401));
    let chats = rig.coze.calls().chats.len();
    assert_eq!(ask(&model, &asked).await.error, Some(ModelError::Unauthorized));
    let calls = rig.coze.calls();
    assert_eq!((calls.grants.len(), calls.chats.len() - chats), (4, 2), "one renewal, one more try, no more");
}

#[tokio::test]
async fn twenty_refused_prompts_share_the_renewal() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let asked = prompt("alice", "你好");
    answer(&model, &asked).await;
    rig.coze.revoke_tokens();
    join_all((0..20).map(|_| answer(&model, &asked))).await;
    assert_eq!(rig.coze.calls().grants.len(), 2);
}

#[tokio::test]
async fn a_refused_grant_is_not_repeated() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let table = [
        (Fault::Status(400), ModelError::Unauthorized),
        (Fault::Status(401), ModelError::Unauthorized),
        (Fault::Status(429), ModelError::Busy { vendor_code: None }),
        (Fault::Status(500), ModelError::Refused { status: 500, vendor_code: None }),
        (Fault::Page, ModelError::BadReply),
    ];
    for (count, (fault, expected)) in table.into_iter().enumerate() {
        rig.coze.grant.set(fault.clone());
        assert_eq!(ask(&model, &prompt("alice", "你好")).await.error, Some(expected), "{fault:?}");
        assert_eq!(rig.coze.calls().grant_calls, count + 1, "{fault:?}");
    }
    rig.coze.grant.heal();
    answer(&model, &prompt("alice", "你好")).await;
}

#[tokio::test]
async fn an_unregistered_key_is_our_credentials_fault() {
    let mut rig = Rig::start().await;
    "another-fingerprint".clone_into(&mut rig.config.coze.public_key_id);
    let outcome = ask(&rig.coze_model(), &prompt("alice", "你好")).await;
    assert_eq!(outcome.error, Some(ModelError::Unauthorized));
    assert_eq!(rig.coze.calls().refused_grants, ["kid not been registred"]);
}
