//! What is said to Coze: conversations, running chats, the words of human agents, settings.

use crate::rig::{Rig, answer, ask, prompt};
use futures::StreamExt as _;
use serde_json::{Value, json};
use switchboard_domain::SessionName;
use switchboard_model::{Exchange, Model, ModelError, Speaker};
use switchboard_tests::fakes::{Fault, coze};

fn said(speaker: Speaker, text: &str, unseen_by_vendor: bool) -> Exchange {
    Exchange { speaker, text: text.to_owned(), unseen_by_vendor }
}

/// Roles and texts of the messages of the latest chat.
fn sent(rig: &Rig) -> Vec<(String, String)> {
    let body = rig.coze.calls().chats.last().unwrap().body.clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = body["additional_messages"].as_array().unwrap();
    messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

#[tokio::test]
async fn a_conversation_is_made_before_the_first_chat_and_kept() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let mut asked = prompt("alice", "我叫张三");
    asked.parameters.insert("vip".to_owned(), json!(true));
    asked.parameters.insert("USER_INPUT".to_owned(), json!("overwritten"));
    let first = answer(&model, &asked).await;
    let calls = rig.coze.calls();
    assert_eq!(calls.conversations, [("alice".to_owned(), first.conversation.clone().unwrap())]);
    assert_eq!(calls.chats[0].conversation, first.conversation);
    assert_eq!(calls.chats[0].body["parameters"], json!({ "vip": true, "USER_INPUT": "我叫张三" }));
    assert_eq!(calls.chats[0].body["session_name"], "alice");

    asked.conversation = first.conversation;
    "我叫什么？".clone_into(&mut asked.question);
    assert_eq!(answer(&model, &asked).await.text, "收到：我叫什么？。您之前说过：我叫张三");
    assert_eq!(rig.coze.calls().conversations.len(), 1);
}

#[tokio::test]
async fn a_conversation_can_be_made_ahead() {
    let rig = Rig::start().await;
    let [coze, openai] = rig.models();
    let session = SessionName::parse("alice").unwrap();
    let made = coze.create_conversation(&session).await.unwrap();
    assert_eq!(rig.coze.calls().conversations, [("alice".to_owned(), made.unwrap())]);
    assert_eq!(openai.create_conversation(&session).await, Ok(None));

    rig.coze.revoke_tokens();
    assert!(coze.create_conversation(&session).await.unwrap().is_some());
    rig.coze.conversation.set(Fault::Status(500));
    let refused = ModelError::Refused { status: 500, vendor_code: None };
    assert_eq!(coze.create_conversation(&session).await, Err(refused));
}

#[tokio::test]
async fn a_forgotten_conversation_is_replaced_and_told_the_history() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let mut asked = prompt("alice", "我叫张三");
    asked.conversation = answer(&model, &asked).await.conversation;
    rig.coze.forget_conversations();
    asked.history = vec![said(Speaker::User, "我叫张三", false), said(Speaker::Assistant, "收到", false)];
    "我叫什么？".clone_into(&mut asked.question);
    let second = answer(&model, &asked).await;
    assert!(second.conversation.is_some() && second.conversation != asked.conversation);
    assert_eq!(second.text, "收到：我叫什么？。您之前说过：我叫张三");
}

#[tokio::test]
async fn a_running_chat_is_waited_for_a_little() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let asked = prompt("alice", "你好");
    rig.coze.chat.set_times(Fault::JsonError(4016), 3);
    answer(&model, &asked).await;
    assert_eq!(rig.coze.calls().chats.len(), 4);
    assert_eq!(rig.coze.calls().conversations.len(), 1, "the conversation is made once");

    rig.coze.chat.set_times(Fault::Stall, 1);
    let mut running = model.stream(&asked).await.unwrap();
    let mut second = asked.clone();
    second.conversation = match running.next().await.unwrap().unwrap() {
        switchboard_model::Delta::Conversation(id) => Some(id),
        switchboard_model::Delta::Text(_) => None,
    };
    assert_eq!(ask(&model, &second).await.error, Some(ModelError::Busy { vendor_code: Some(4016) }));
    drop(running);
    crate::rig::eventually("the first chat ends", || rig.coze.calls().abandoned == 1).await;
    answer(&model, &second).await;
}

#[tokio::test]
async fn what_the_vendor_did_not_see_is_told_before_the_question() {
    let rig = Rig::start().await;
    let model = rig.coze_model();
    let mut asked = prompt("alice", "你好");
    asked.conversation = answer(&model, &asked).await.conversation;
    asked.history = vec![
        said(Speaker::User, "你好", false),
        said(Speaker::Assistant, "收到：你好", false),
        said(Speaker::System, "已转人工", true),
        said(Speaker::User, "我要退货", true),
        said(Speaker::Agent, "已为您办理", true),
    ];
    "谢谢".clone_into(&mut asked.question);
    answer(&model, &asked).await;
    let pair = |role: &str, text: &str| (role.to_owned(), text.to_owned());
    let expected =
        [pair("user", "我要退货"), pair("assistant", "[人工客服] 已为您办理"), pair("user", "谢谢")];
    assert_eq!(sent(&rig), expected);

    asked.history = (0..80).map(|n| said(Speaker::User, &format!("第{n}句"), true)).collect();
    answer(&model, &asked).await;
    let told = sent(&rig);
    assert_eq!((told.len(), told[0].1.as_str(), told[49].1.as_str()), (50, "第31句", "谢谢"));
}

#[tokio::test]
async fn the_key_comes_from_a_text_or_a_file() {
    let mut rig = Rig::start().await;
    let pem = rig.coze.private_key_pem();
    rig.config.coze.private_key = Some(pem.replace('\n', "\\n").into());
    answer(&rig.coze_model(), &prompt("alice", "你好")).await;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private_key.pem");
    std::fs::write(&path, pem).unwrap();
    rig.config.coze.private_key = None;
    rig.config.coze.private_key_file = Some(path);
    answer(&rig.coze_model(), &prompt("bob", "你好")).await;
}

#[tokio::test]
async fn wrong_settings_are_named() {
    type Change = fn(&mut switchboard_model::ModelConfig);
    let table: [(Change, &str); 8] = [
        (|config| config.coze.workflow_id.clear(), "workflow_id"),
        (|config| config.coze.client_id.clear(), "client_id"),
        (|config| config.coze.base_url = "api.coze.com".to_owned(), "coze.base_url"),
        (|config| config.coze.private_key = Some("no key".into()), "private_key"),
        (|config| config.coze.private_key = None, "private_key"),
        (|config| config.coze.assertion_lifetime *= 10, "assertion_lifetime"),
        (|config| config.openai.model.clear(), "openai.model"),
        (|config| config.openai.api_key = Some("line\nbreak".into()), "openai.api_key"),
    ];
    for (change, hint) in table {
        let mut rig = Rig::start().await;
        change(&mut rig.config);
        let error = rig.build().unwrap_err();
        assert!(
            matches!(error, ModelError::Misconfigured { hint: told } if told.contains(hint)),
            "{hint}: {error}"
        );
    }
    let mut rig = Rig::start().await;
    rig.config.providers.clear();
    assert_eq!(rig.build().unwrap().len(), 0, "without a provider nothing of it is checked");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let mut rig = Rig::start().await;
    rig.config.openai.headers.insert("api-key".to_owned(), "sk-header-secret".into());
    let shown = format!("{:?} {:?}", rig.config, rig.models());
    for secret in
        ["sk-test-0123456789", "sk-header-secret", "PRIVATE KEY", &rig.coze.private_key_pem()[40..80]]
    {
        assert!(!shown.contains(secret), "{secret}");
    }
    let info = rig.coze_model().info();
    assert_eq!(format!("http://{}", info.host), rig.coze.base_url());
    assert_eq!(info.model, coze::WORKFLOW_ID);
    let asked = format!("{:?} {:?}", prompt("s", "my name"), said(Speaker::User, "my name", true));
    assert!(!asked.contains("my name"));
}

#[tokio::test]
async fn every_setting_is_known() {
    let wrong = toml::from_str::<Wrapped>("[coze]\nworkflow = \"typo\"").unwrap_err();
    assert!(wrong.to_string().contains("workflow"), "{wrong}");
}

#[derive(Debug, serde::Deserialize)]
struct Wrapped {
    #[serde(rename = "coze")]
    _coze: switchboard_model::CozeConfig,
}

#[tokio::test]
async fn blanks_before_the_answer_are_not_shown() {
    let rig = Rig::start().await;
    let models: [Model; 2] = rig.models();
    for answered in [Some("\n\n  \t\n    您好\n"), Some("      \n\n\t ")] {
        rig.coze.set_answer(answered);
        rig.openai.set_answer(answered);
        for model in &models {
            let outcome = ask(model, &prompt("s", "?")).await;
            match outcome.error {
                None => assert_eq!(outcome.text, "您好\n"),
                Some(error) => assert_eq!((error, outcome.began), (ModelError::Empty, false)),
            }
            assert_eq!(outcome.began, answered.is_some_and(|text| text.contains("您好")));
        }
    }
}
