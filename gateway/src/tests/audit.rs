//! The log of what people did, over all parts.

use crate::testing::{
    START_MS,
    world::{Edge, edge, get, read, refusal},
};
use axum::body::Body;
use serde_json::{Value, json};
use switchboard_domain::{BuiltinRole, ServiceName};
use switchboard_proto::audit::v1::Record;

fn record(seq: i64, at: i64, action: &str) -> Record {
    Record {
        seq,
        at_ms: START_MS + at,
        actor: "agent:agt_1".into(),
        action: action.into(),
        object: "=cmd|'/c calc'!A1".into(),
        detail_json: "{\"a\":1}".into(),
        hash: format!("h{seq}"),
        ..Record::default()
    }
}

/// Two parts have a log: records at 10, 30, 50 and at 20, 30, 40.
fn logged() -> (Edge, String) {
    let edge = edge();
    let chain = |times: [i64; 3], action: &str| {
        (1..).zip(times).map(|(seq, at)| record(seq, at, action)).collect::<Vec<_>>()
    };
    let mut audit = edge.world.audit.lock();
    audit.insert(ServiceName::Session, chain([10, 30, 50], "session.close"));
    audit.insert(ServiceName::AgentAuth, chain([20, 30, 40], "agent.log_in"));
    drop(audit);
    let token = edge.access(BuiltinRole::Admin.permissions());
    (edge, token)
}

fn at(ms: i64) -> f64 {
    crate::view::time(START_MS + ms)
}

fn told(body: &Value) -> Vec<String> {
    let items = body["data"]["items"].as_array().unwrap();
    items.iter().map(|item| format!("{}{}", item["source"].as_str().unwrap(), item["seq"])).collect()
}

#[tokio::test]
async fn the_logs_of_all_parts_are_one_by_time() {
    let (edge, token) = logged();
    let (status, body) = read(edge.get("/api/audit", &token).await).await;
    assert_eq!(status, 200);
    let all = ["session3", "agent-auth3", "session2", "agent-auth2", "agent-auth1", "session1"];
    assert_eq!(told(&body), all);
    assert_eq!((&body["data"]["has_more"], &body["data"]["next_cursor"]), (&json!(false), &Value::Null));
    // The conductor keeps none.
    assert_eq!(body["data"]["sources"], json!(["session", "agent-auth"]));
    let first = &body["data"]["items"][0];
    assert_eq!((&first["at"], &first["detail"]), (&json!(at(50)), &json!({ "a": 1 })));
    // Page by page it is the same, whatever the size of a page.
    for limit in 1..=7 {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/audit?limit={limit}&cursor={cursor}");
            let (_, body) = read(edge.get(&path, &token).await).await;
            seen.extend(told(&body));
            let Some(next) = body["data"]["next_cursor"].as_str() else { break };
            next.clone_into(&mut cursor);
            assert!(seen.len() < all.len(), "the last page says that it is the last");
        }
        assert_eq!(seen, all, "{limit}");
    }
}

#[tokio::test]
async fn filters_reach_the_parts_and_nonsense_is_refused() {
    let (edge, token) = logged();
    let since = at(30);
    let until = at(50);
    let path = format!("/api/audit?since={since}&until={until}");
    let (_, body) = read(edge.get(&path, &token).await).await;
    assert_eq!(told(&body), ["agent-auth3", "session2", "agent-auth2"]);
    let (_, body) = read(edge.get("/api/audit?actor=agent:agt_2", &token).await).await;
    assert_eq!(told(&body), [""; 0]);
    for (query, status) in [
        ("limit=0", 422),
        ("limit=201", 422),
        ("since=yesterday", 422),
        ("until=NaN", 422),
        ("format=xml", 422),
        ("cursor=x", 400),
    ] {
        let response = edge.get(&format!("/api/audit?{query}"), &token).await;
        assert_eq!(refusal(response).await.0, status, "{query}");
    }
    let wrong = edge.get("/api/audit/verify?source=gateway", &token).await;
    assert_eq!(refusal(wrong).await.0, 422);
}

#[tokio::test]
async fn a_spreadsheet_can_have_it_too() {
    let (edge, token) = logged();
    let plain = get("/api/audit?limit=2", &token).header("accept", "text/csv, */*;q=0.1");
    for request in [plain, get("/api/audit?limit=2&format=csv", &token)] {
        let response = edge.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
        assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"audit.csv\"");
        let next = response.headers()["x-next-cursor"].to_str().unwrap().to_owned();
        let (_, body) = read(response).await;
        let lines: Vec<&str> = body.as_str().unwrap().lines().collect();
        assert!(lines[0].starts_with("\u{feff}source,seq,at,actor,"), "{lines:?}");
        let cell = "'=cmd|'/c calc'!A1";
        assert!(
            lines.len() == 3 && lines[1].starts_with("session,3,") && lines[1].contains(cell),
            "{lines:?}"
        );
        let (_, body) = read(edge.get(&format!("/api/audit?cursor={next}"), &token).await).await;
        assert_eq!(told(&body).len(), 4);
    }
}

#[tokio::test]
async fn a_broken_chain_is_named() {
    let (edge, token) = logged();
    let (_, body) = read(edge.get("/api/audit/verify", &token).await).await;
    assert_eq!((&body["data"]["ok"], &body["data"]["complete"]), (&json!(true), &json!(true)));
    assert_eq!(body["data"]["chains"][0]["head_hash"], "h3");
    edge.world.audit.lock().get_mut(&ServiceName::AgentAuth).unwrap()[2].hash = "broken".into();
    let (_, body) = read(edge.get("/api/audit/verify", &token).await).await;
    assert_eq!(body["data"]["ok"], false);
    let chains = body["data"]["chains"].as_array().unwrap();
    let broken: Vec<(&Value, &Value)> =
        chains.iter().map(|chain| (&chain["source"], &chain["broken_seq"])).collect();
    assert_eq!(broken, [(&json!("session"), &Value::Null), (&json!("agent-auth"), &json!(3))]);
    let (_, body) = read(edge.get("/api/audit/verify?source=session&from=3", &token).await).await;
    assert_eq!((&body["data"]["ok"], &body["data"]["sources"]), (&json!(true), &json!(["session"])));
}
