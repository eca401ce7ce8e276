//! Reading sessions.

use crate::testing::{
    log,
    world::{edge, read, refusal},
};
use serde_json::json;

#[tokio::test]
async fn a_session_is_shown_to_its_visitor_only() {
    let edge = edge();
    let token = edge.session("alice");
    edge.world.write("alice", log::customer(1, "你好").body);
    edge.world.write("alice", log::assistant(2, "您好", None).body);
    let (status, body) = read(edge.get("/api/sessions/alice", &token).await).await;
    assert_eq!((status.as_u16(), &body["success"]), (200, &json!(true)));
    assert_eq!(body["data"]["audit_trail"], json!([]));
    let session = &body["data"]["session"];
    assert_eq!((&session["session_name"], &session["status"]), (&json!("alice"), &json!("bot_active")));
    assert_eq!((&session["head"], &session["cursor"]), (&json!(2), &json!("1.2")));
    assert_eq!(session["history"][1]["content"], "您好");
    assert_eq!(session["history"][0]["timestamp"], json!(1_795_383_375.001));
    for path in [
        "/api/sessions/alice",
        "/api/v1/sessions/alice",
        "/api/sessions/alice/messages",
        "/api/sessions/alice/events",
    ] {
        assert_eq!(refusal(edge.get(path, "").await).await, (401, "TOKEN_REQUIRED".into()), "{path}");
        let foreign = edge.token("mallory");
        assert_eq!(refusal(edge.get(path, &foreign).await).await, (403, "NOT_YOUR_SESSION".into()), "{path}");
        let ghost = path.replace("alice", "ghost");
        let token = edge.token("ghost");
        assert_eq!(
            refusal(edge.get(&ghost, &token).await).await,
            (404, "SESSION_NOT_FOUND".into()),
            "{ghost}"
        );
        // Whether a foreign session exists is not told.
        assert_eq!(refusal(edge.get(&ghost, &foreign).await).await, (403, "NOT_YOUR_SESSION".into()));
        assert_eq!(refusal(edge.get(&ghost, "").await).await, (401, "TOKEN_REQUIRED".into()));
    }
}

#[tokio::test]
async fn messages_are_paged_in_both_directions() {
    let edge = edge();
    let token = edge.session("alice");
    for text in ["1", "2", "3", "4", "5"] {
        edge.world.write("alice", log::customer(1, text).body);
    }
    let page = async |query: &str| {
        let (status, body) =
            read(edge.get(&format!("/api/sessions/alice/messages?{query}"), &token).await).await;
        assert_eq!(status, 200, "{query}: {body}");
        let texts: Vec<String> = body["data"]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["content"].as_str().unwrap().to_owned())
            .collect();
        (texts.concat(), body["data"]["has_more"].as_bool().unwrap())
    };
    assert_eq!(page("").await, ("12345".into(), false));
    assert_eq!(page("limit=2").await, ("45".into(), true));
    assert_eq!(page("limit=2&before=4").await, ("23".into(), true));
    assert_eq!(page("limit=2&after=2").await, ("34".into(), true));
    assert_eq!(page("after=5").await, (String::new(), false));
}

#[tokio::test]
async fn nonsense_in_the_query_is_422_and_named() {
    let edge = edge();
    let token = edge.session("alice");
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("before=x", "before"),
        ("after=-1", "after"),
        ("before=1&after=1", "after"),
    ] {
        let (status, body) =
            read(edge.get(&format!("/api/sessions/alice/messages?{query}"), &token).await).await;
        assert_eq!((status.as_u16(), &body["errors"][0]["loc"]), (422, &json!(["query", name])), "{query}");
    }
}
