//! What is said to an OpenAI-compatible server.

use crate::rig::{Rig, answer, ask, prompt};
use serde_json::json;
use switchboard_domain::Language;
use switchboard_model::{Exchange, ModelError, OutputLimit, Speaker};
use switchboard_tests::fakes::openai::API_KEY;

#[tokio::test]
async fn the_conversation_is_told_as_messages() {
    let mut rig = Rig::start().await;
    rig.config.openai.temperature = Some(0.5);
    let model = rig.openai_model();
    let mut asked = prompt("alice", "Where is it?\nHello?");
    asked.language = Language::En;
    let speakers = [Speaker::User, Speaker::Assistant, Speaker::User, Speaker::Agent, Speaker::System];
    asked.history = speakers
        .iter()
        .zip(["one", "two", "three", "four", "five"])
        .map(|(speaker, text)| Exchange { speaker: *speaker, text: text.to_owned(), unseen_by_vendor: false })
        .collect();
    let outcome = answer(&model, &asked).await;
    assert_eq!((outcome.text.as_str(), outcome.conversation), ("收到：three；Where is it?\nHello?", None));
    let expected = json!({
        "model": "shop-1",
        "messages": [
            { "role": "system", "content": "You are customer service." },
            { "role": "user", "content": "three" },
            { "role": "assistant", "content": "[human agent] four" },
            { "role": "system", "content": "five" },
            { "role": "user", "content": "Where is it?\nHello?" },
        ],
        "stream": true,
        "max_tokens": 800,
        "temperature": 0.5,
    });
    assert_eq!(rig.openai.calls().requests, [expected]);
}

#[tokio::test]
async fn without_a_temperature_none_is_sent_and_the_limit_has_the_name_that_is_set() {
    let mut rig = Rig::start().await;
    rig.config.openai.output_limit = OutputLimit::MaxCompletionTokens;
    answer(&rig.openai_model(), &prompt("alice", "你好")).await;
    let request = rig.openai.calls().requests[0].clone();
    assert!(request.get("temperature").is_none() && request.get("max_tokens").is_none());
    assert_eq!(request["max_completion_tokens"], 800);
    assert_eq!(request["messages"][0]["content"], "你是客服。");
}

#[tokio::test]
async fn keys_go_as_bearer_or_as_any_header() {
    let mut rig = Rig::start().await;
    rig.config.openai.api_key = None;
    let refused = ask(&rig.openai_model(), &prompt("alice", "你好")).await;
    assert_eq!(refused.error, Some(ModelError::Unauthorized));
    rig.config.openai.headers.insert("api-key".to_owned(), API_KEY.into());
    answer(&rig.openai_model(), &prompt("alice", "你好")).await;
    rig.config.openai.headers.insert("bad name".to_owned(), "x".into());
    assert_eq!(rig.build().unwrap_err(), ModelError::Misconfigured { hint: "model.openai.headers" });
}

#[tokio::test]
async fn an_unknown_model_is_a_wrong_setting() {
    let mut rig = Rig::start().await;
    "no-such-model".clone_into(&mut rig.config.openai.model);
    let outcome = ask(&rig.openai_model(), &prompt("alice", "你好")).await;
    assert_eq!(outcome.error.map(|error| error.class()), Some("misconfigured"));
}
