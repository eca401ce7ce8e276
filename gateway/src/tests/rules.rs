//! Rules, their shadow, what they decided, and what others would have.

use super::staff::{ask, patient};
use crate::testing::world::{read, refusal};
use http::Method;
use serde_json::{Value, json};
use switchboard_domain::Permissions;

#[tokio::test]
async fn what_is_asked_of_the_regulator() {
    let edge = patient();
    for (method, path, body, call) in [
        ("GET", "/rules", json!({}), "get_rules"),
        ("GET", "/rules/versions", json!({}), "list_rule_versions 0/50"),
        ("GET", "/rules/versions?cursor=7&limit=2", json!({}), "list_rule_versions 7/2"),
        ("GET", "/rules/versions/2", json!({}), "get_rule_version 2"),
        ("POST", "/rules/check", json!({ "document": "a: 1" }), "check_draft a: 1"),
        ("POST", "/rules/versions", json!({ "document": "{}", "note": "try" }), "put_draft try"),
        ("POST", "/rules/versions/3/publish", json!({ "expected_version": 2 }), "publish 3 2"),
        ("PUT", "/rules/shadow", json!({ "version": 3 }), "set_shadow 3"),
        ("DELETE", "/rules/shadow", json!({}), "clear_shadow"),
        ("GET", "/rules/shadow", json!({}), "shadow_report None 0"),
        ("GET", "/rules/shadow?version=3&since=1.5", json!({}), "shadow_report Some(3) 1500"),
        ("GET", "/rules/decisions", json!({}), "list_decisions  false   0..0 /50"),
        (
            "GET",
            "/rules/decisions?session=a&escalated=true&rule=vip&version=v2-a&since=1&until=2&cursor=5%2Fevt&limit=9",
            json!({}),
            "list_decisions a true vip v2-a 1000..2000 5/evt/9",
        ),
        (
            "POST",
            "/rules/what-if",
            json!({ "version": 3, "since": 1.5, "handling_seconds": 2 }),
            "what_if 1500 2000",
        ),
    ] {
        let (_, called) = ask(&edge, method.parse().unwrap(), &format!("/api/v1{path}"), body).await;
        assert_eq!(called, call, "{path}");
    }
}

#[tokio::test]
async fn what_the_regulator_tells_is_told() {
    let edge = patient();
    let told = async |path: &str| ask(&edge, Method::GET, &format!("/api/v1{path}"), json!({})).await.0;
    let rules = told("/rules").await;
    let wanted = json!({ "ordinal": 2, "version": "v2-abc", "rules": { "rules": {} }, "shadow": 3 });
    assert_eq!(rules["data"], wanted);
    let page = told("/rules/versions").await;
    let (draft, published) = (&page["data"]["items"][0], &page["data"]["items"][1]);
    assert_eq!((&draft["state"], &draft["published_by"]), (&json!("draft"), &Value::Null));
    assert_eq!((&published["state"], &published["published_at"]), (&json!("published"), &json!(2.5)));
    assert_eq!((&page["data"]["has_more"], &page["data"]["next_cursor"]), (&json!(true), &json!("2")));
    let page = told("/rules/decisions").await;
    let decision = &page["data"]["items"][0];
    assert_eq!((&decision["rule"], &decision["phase"]), (&json!("keyword"), &json!("after_answer")));
    let shadow = json!({ "rules_version": "v3-abc", "rule": null, "escalated": false, "evidence": [] });
    assert_eq!(decision["shadow"], shadow);
    assert_eq!(page["data"]["next_cursor"], "1500/evt_1");
    assert_eq!(told("/rules/shadow").await["data"], Value::Null);
    assert_eq!(told("/rules/shadow?version=3").await["data"]["only_shadow"], 2);
    let what_if = json!({ "version": 3, "since": 1 });
    let (report, _) = ask(&edge, Method::POST, "/api/rules/what-if", what_if).await;
    assert_eq!(report, json!({ "success": true, "data": { "sessions": 2, "report_digest": "d" } }));
    let (check, _) = ask(&edge, Method::POST, "/api/rules/check", json!({ "document": "broken" })).await;
    let problem = json!({ "line": 4, "column": 7, "reason": "no" });
    assert_eq!((&check["data"]["valid"], &check["data"]["problems"][0]), (&json!(false), &problem));
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_422_with_line_and_reason() {
    let edge = patient();
    let token = edge.access(Permissions::all());
    for (path, body) in [
        ("/rules/versions", json!({ "document": "broken" })),
        ("/rules/what-if", json!({ "document": "broken", "since": 1 })),
    ] {
        let (status, told) = read(edge.post(&format!("/api/v1{path}"), &token, &body).await).await;
        assert_eq!((status.as_u16(), &told["code"]), (422, &json!("INVALID_RULES")), "{path} {told}");
        assert_eq!(told["detail"], "INVALID_RULES: line 4, column 7: no");
        assert_eq!((&told["line"], &told["reason"]), (&json!(4), &json!("no")));
        let error = json!({ "loc": ["body", "document", "4", "7"], "msg": "no", "type": "document_error" });
        assert_eq!(told["errors"], json!([error]));
    }
    // Half a report is none.
    let body = json!({ "document": "{}", "since": 1 });
    let response = edge.post("/api/v1/rules/what-if", &token, &body).await;
    assert_eq!(refusal(response).await, (503, "UNAVAILABLE".into()));
}

#[tokio::test]
async fn what_cannot_be_meant_is_not_asked() {
    let edge = patient();
    let token = edge.access(Permissions::all());
    let long = json!({ "document": "{}", "note": "字".repeat(501) });
    for (method, path, body, status, code) in [
        ("GET", "/rules/versions?limit=0", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/rules/versions?limit=201", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/rules/versions?cursor=x", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/rules/versions/0", json!({}), 404, "RULES_NOT_FOUND"),
        ("GET", "/rules/versions/v2-abc", json!({}), 404, "RULES_NOT_FOUND"),
        ("POST", "/rules/versions/-1/publish", json!({ "expected_version": 1 }), 404, "RULES_NOT_FOUND"),
        ("POST", "/rules/versions/3/publish", json!({}), 422, "VALIDATION_ERROR"),
        ("POST", "/rules/versions", json!({}), 422, "VALIDATION_ERROR"),
        ("POST", "/rules/versions", long, 422, "VALIDATION_ERROR"),
        ("POST", "/rules/check", json!({ "document": 7 }), 422, "VALIDATION_ERROR"),
        ("PUT", "/rules/shadow", json!({ "version": "3" }), 422, "VALIDATION_ERROR"),
        ("GET", "/rules/shadow?since=yesterday", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/rules/shadow?version=0", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/rules/decisions?limit=201", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/rules/decisions?until=-1", json!({}), 422, "VALIDATION_ERROR"),
        ("POST", "/rules/what-if", json!({ "since": 1 }), 422, "VALIDATION_ERROR"),
        ("POST", "/rules/what-if", json!({ "version": 3 }), 422, "VALIDATION_ERROR"),
        ("POST", "/rules/what-if", json!({ "version": 3, "since": 2, "until": 1 }), 422, "VALIDATION_ERROR"),
        ("POST", "/rules/what-if", json!({ "version": 3, "since": 1, "limit": -1 }), 422, "VALIDATION_ERROR"),
    ] {
        let response = edge.call(&method.parse().unwrap(), &format!("/api{path}"), &token, &body).await;
        assert_eq!(refusal(response).await, (status, code.into()), "{method} {path} {body}");
    }
    assert_eq!(edge.world.accounts.lock().calls, [""; 0]);
}
