//! Answers of success: members, spelling, times.

use crate::shared::{client, customer, is_compact, names};
use serde_json::{Value, json};
use switchboard_tests::{client::Answer, runtime::run};

const QUESTION: &str = "City 充满一次电可以跑多远？";

/// An answer as all of them are: compact JSON, readable Chinese, a plain content type.
fn json_of(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{}", answer.text);
    assert!(is_compact(&answer.text), "{}", answer.text);
    answer.json()
}

/// Seconds since the Unix epoch, with at most three decimals.
fn is_time(value: &Value) -> bool {
    let text = value.to_string();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    value.as_f64().is_some_and(|seconds| (1.7e9..4e9).contains(&seconds)) && decimals <= 3
}

#[test]
fn chat() {
    run(async {
        let alice = customer().await;
        let answer = alice.chat(QUESTION).await;
        let body = json_of(&answer);
        assert_eq!((&body["success"], &body["error"]), (&json!(true), &json!(null)));
        assert!(answer.text.contains("\"success\":true") && answer.text.contains("公里"), "{}", answer.text);
        assert_eq!(body["visitor_token"].as_str(), alice.token().as_deref());
        assert_eq!(answer.header("x-visitor-token"), alice.token().unwrap());
        let second = json_of(&alice.chat(QUESTION).await);
        assert!(second.get("visitor_token").is_none(), "only who began the session is given the token");
    });
}

#[test]
fn both_roots_serve_the_same() {
    run(async {
        let alice = customer().await;
        let body =
            json!({ "user_id": alice.session, "message": QUESTION, "unknown": [1, { "field": true }] });
        let first = alice.send(alice.request("POST", "/api/chat").json(&body)).await;
        let second = alice.send(alice.request("POST", "/api/v1/chat").json(&body)).await;
        assert_eq!(json_of(&first)["message"], json_of(&second)["message"]);
        let mut first = json_of(&first);
        first.as_object_mut().unwrap().remove("visitor_token");
        assert_eq!(names(&first), names(&json_of(&second)));
        for path in ["/health", "/config", "/bot/info", "/openapi.json"] {
            let [old, new] = ["/api", "/api/v1"].map(|root| format!("{root}{path}"));
            let (old, new) = (client().await.get(&old).await, client().await.get(&new).await);
            assert_eq!(names(&json_of(&old)), names(&json_of(&new)), "{path}");
        }
    });
}

#[test]
fn conversations() {
    run(async {
        let alice = customer().await;
        let created = json_of(&alice.create().await);
        assert_eq!((&created["success"], &created["error"]), (&json!(true), &json!(null)));
        assert!(created["conversation_id"].as_str().is_some_and(|id| !id.is_empty()), "{created}");
        assert_eq!(created["visitor_token"].as_str(), alice.token().as_deref());
        let begun = json_of(&alice.new_conversation().await);
        assert!(begun["conversation_id"].is_string(), "{begun}");
        let cleared = json_of(&alice.clear().await);
        assert_eq!(cleared["message"], "历史会话已清除，新对话已创建");
        assert_ne!(cleared["conversation_id"], begun["conversation_id"]);
    });
}

#[test]
fn a_session() {
    run(async {
        let alice = customer().await;
        alice.chat(QUESTION).await.expect_ok();
        let read = alice.read().await;
        let body = json_of(&read);
        assert_eq!(body["data"]["audit_trail"], json!([]));
        let session = &body["data"]["session"];
        for name in [
            "session_name",
            "status",
            "conversation_id",
            "user_profile",
            "history",
            "escalation",
            "assigned_agent",
            "mail",
            "created_at",
            "updated_at",
            "last_manual_end_at",
            "ai_fail_count",
        ] {
            assert!(session.get(name).is_some(), "{name} is missing: {session}");
        }
        assert!(read.text.contains("\"status\":\"bot_active\""), "{}", read.text);
        assert!(is_time(&session["created_at"]) && is_time(&session["updated_at"]), "{session}");
        let profile = &session["user_profile"];
        assert_eq!(
            (&profile["nickname"], &profile["vip"], &profile["email"]),
            (&json!("访客"), &json!(false), &json!(null))
        );
        let roles: Vec<&Value> =
            session["history"].as_array().unwrap().iter().map(|said| &said["role"]).collect();
        assert_eq!(roles, ["user", "assistant"]);
        let said = &session["history"][0];
        assert!(said["content"] == QUESTION && is_time(&said["timestamp"]), "{said}");
    });
}

#[test]
fn pages_of_messages() {
    run(async {
        let alice = customer().await;
        for number in 1..=3 {
            alice.chat(format!("第{number}个问题：City 能跑多远？").as_str()).await.expect_ok();
        }
        let page = async |query: &str| {
            let path = format!("/api/sessions/{}/messages{query}", alice.session);
            json_of(&alice.send(alice.request("GET", &path)).await)["data"].clone()
        };
        let all = page("").await;
        let messages = all["messages"].as_array().unwrap();
        assert_eq!((messages.len(), &all["has_more"]), (6, &json!(false)));
        // Backwards, two at a time, every message comes once.
        let (mut seen, mut before) = (Vec::new(), i64::MAX);
        loop {
            let data = page(&format!("?limit=2&before={before}")).await;
            let mut part: Vec<Value> = data["messages"].as_array().unwrap().clone();
            before = part[0]["seq"].as_i64().unwrap();
            part.append(&mut seen);
            seen = part;
            if data["has_more"] == false {
                break;
            }
        }
        assert_eq!(&seen, messages);
        let third = messages[2]["seq"].as_i64().unwrap();
        assert_eq!(page(&format!("?after={third}")).await["messages"], json!(messages[3..]));
    });
}

#[test]
fn asking_for_a_human_and_writing_to_one() {
    run(async {
        let alice = customer().await;
        alice.create().await.expect_ok();
        let asked = alice.escalate("manual").await;
        let body = json_of(&asked);
        assert!(asked.text.contains("\"status\":\"pending_manual\""), "{}", asked.text);
        assert_eq!((&body["email_sent"], &body["is_in_shift"]), (&json!(false), &json!(true)));
        let escalation = &body["data"]["escalation"];
        assert_eq!(names(escalation), ["details", "reason", "severity", "trigger_at"]);
        assert_eq!((&escalation["reason"], &escalation["severity"]), (&json!("manual"), &json!("low")));
        assert!(
            escalation["details"] == "触发原因: manual" && is_time(&escalation["trigger_at"]),
            "{escalation}"
        );
        let kept = json_of(&alice.say_to_human("你好").await);
        assert!(kept["success"] == true && is_time(&kept["data"]["timestamp"]), "{kept}");
        assert!(kept["data"]["message_id"].is_string(), "{kept}");

        let bob = customer().await;
        bob.create().await.expect_ok();
        let body = json!({ "session_name": bob.session });
        let asked = json_of(&bob.send(bob.request("POST", "/api/manual/escalate").json(&body)).await);
        let escalation = &asked["data"]["escalation"];
        assert_eq!((&escalation["reason"], &escalation["severity"]), (&json!("manual"), &json!("high")));
        assert_eq!(escalation["details"], "用户主动请求人工服务");
    });
}

#[test]
fn what_everybody_may_know() {
    run(async {
        let client = client().await;
        let health = json_of(&client.get("/api/health").await);
        for name in ["status", "coze_connected", "workflow_id", "app_id", "auth_mode", "session_isolation"] {
            assert!(health.get(name).is_some(), "{name} is missing: {health}");
        }
        let config = json_of(&client.get("/api/config").await);
        assert_eq!(names(&config), ["appId", "authMode", "sessionIsolation", "workflowId"]);
        let bot = json_of(&client.get("/api/bot/info").await);
        assert_eq!(names(&bot["bot"]), ["description", "icon_url", "name", "welcome", "workflow_id"]);
    });
}
