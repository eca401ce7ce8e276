//! Deliveries and webhook endpoints.

use super::staff::{ask, patient};
use crate::testing::{
    peers::refuse,
    world::{read, refusal},
};
use http::Method;
use serde_json::{Value, json};
use switchboard_domain::{ErrorKind, Permissions};

#[tokio::test]
async fn what_is_asked_of_the_notifier() {
    let edge = patient();
    let new = json!({ "url": "https://a.example/", "kinds": ["session.*"] });
    for (method, path, body, call) in [
        ("GET", "/deliveries", json!({}), "list_deliveries None / /50"),
        (
            "GET",
            "/deliveries?state=dead&channel=mail_team&session=a&limit=2&cursor=dlv_9",
            json!({}),
            "list_deliveries Some(4) mail_team/a dlv_9/2",
        ),
        ("GET", "/deliveries/received?limit=3", json!({}), "list_received 3"),
        ("GET", "/deliveries/dlv_1", json!({}), "get_delivery dlv_1"),
        ("POST", "/deliveries/redrive", json!({}), "redrive None / 100"),
        (
            "POST",
            "/deliveries/redrive",
            json!({ "channel": "mail_team", "session_name": "a", "limit": 5 }),
            "redrive None mail_team/a 5",
        ),
        ("POST", "/deliveries/dlv_1/redrive", json!({}), "redrive dlv_1"),
        ("POST", "/deliveries/dlv_1/cancel", json!({}), "cancel dlv_1"),
        ("POST", "/deliveries/test-mail", json!({}), "send_test_mail"),
        ("GET", "/webhooks", json!({}), "list_endpoints"),
        ("GET", "/webhooks/whk_1", json!({}), "list_endpoints"),
        ("POST", "/webhooks", new, "create_endpoint https://a.example/  [\"session.*\"]"),
        ("PUT", "/webhooks/whk_1", json!({ "enabled": true }), "update_endpoint whk_1 None Some(true)"),
        ("PUT", "/webhooks/whk_1", json!({ "kinds": [] }), "update_endpoint whk_1 Some([]) None"),
        ("DELETE", "/webhooks/whk_1", json!({}), "delete_endpoint whk_1"),
        ("POST", "/webhooks/whk_1/rotate-secret", json!({}), "rotate_endpoint_secret whk_1"),
        ("POST", "/webhooks/whk_1/test", json!({}), "test_endpoint whk_1"),
    ] {
        let (_, called) = ask(&edge, method.parse().unwrap(), &format!("/api/v1{path}"), body).await;
        assert_eq!(called, call, "{path}");
    }
}

#[tokio::test]
async fn what_the_notifier_tells_is_told_and_a_secret_once() {
    let edge = patient();
    let (page, _) = ask(&edge, Method::GET, "/api/deliveries", json!({})).await;
    let delivery = &page["data"]["items"][0];
    assert_eq!((&delivery["state"], &delivery["session_name"]), (&json!("dead"), &Value::Null));
    assert_eq!((&delivery["created_at"], &page["data"]["next_cursor"]), (&json!(1.5), &json!("dlv_1")));
    let (one, _) = ask(&edge, Method::GET, "/api/deliveries/dlv_1", json!({})).await;
    assert_eq!((&one["data"]["attempts"], &one["data"]["attempt_log"][0]["code"]), (&json!(7), &json!(550)));
    let (test, _) = ask(&edge, Method::POST, "/api/deliveries/test-mail", json!({})).await;
    assert_eq!(test["data"]["delivery_id"], "dlv_3");
    let new = json!({ "url": "https://a.example/" });
    let (made, _) = ask(&edge, Method::POST, "/api/webhooks", new).await;
    assert_eq!((&made["secret"], &made["data"]["enabled"]), (&json!("whsec_a"), &json!(true)));
    let (rotated, _) = ask(&edge, Method::POST, "/api/webhooks/whk_1/rotate-secret", json!({})).await;
    assert_eq!(rotated["secret"], "whsec_b");
    for path in ["/api/webhooks", "/api/webhooks/whk_1"] {
        let (told, _) = ask(&edge, Method::GET, path, json!({})).await;
        assert!(!told.to_string().contains("whsec"), "{told}");
    }
    let token = edge.access(Permissions::all());
    let gone = edge.get("/api/webhooks/whk_2", &token).await;
    assert_eq!(refusal(gone).await, (404, "UNKNOWN_ENDPOINT".into()));
}

#[tokio::test]
async fn what_cannot_be_meant_is_not_asked() {
    let edge = patient();
    let token = edge.access(Permissions::all());
    for (method, path, body, status, code) in [
        ("GET", "/deliveries?state=lost", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/deliveries?limit=0", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/deliveries/received?limit=201", json!({}), 422, "VALIDATION_ERROR"),
        ("POST", "/deliveries/redrive", json!({ "limit": 0 }), 422, "VALIDATION_ERROR"),
        ("POST", "/deliveries/redrive", json!({ "limit": 1001 }), 422, "VALIDATION_ERROR"),
        ("POST", "/deliveries/redrive", json!({ "channel": 1 }), 422, "VALIDATION_ERROR"),
        ("POST", "/webhooks", json!({}), 422, "VALIDATION_ERROR"),
        ("POST", "/webhooks", json!({ "url": "https://a.example", "kinds": "all" }), 422, "VALIDATION_ERROR"),
        ("PUT", "/webhooks/whk_1", json!({}), 400, "NO_FIELDS_TO_UPDATE"),
        ("PUT", "/webhooks/whk_1", json!({ "enabled": "yes" }), 422, "VALIDATION_ERROR"),
    ] {
        let response = edge.call(&method.parse().unwrap(), &format!("/api{path}"), &token, &body).await;
        assert_eq!(refusal(response).await, (status, code.into()), "{method} {path} {body}");
    }
    assert_eq!(edge.world.accounts.lock().calls, [""; 0]);
}

#[tokio::test]
async fn refusals_of_the_notifier_are_told() {
    let edge = patient();
    let token = edge.access(Permissions::all());
    let inside = json!({ "url": "https://10.0.0.1/" });
    for (path, body, kind, code, status) in [
        ("/webhooks", inside, ErrorKind::Invalid, "PRIVATE_ADDRESS", 400),
        ("/webhooks/whk_1/test", json!({}), ErrorKind::Conflict, "ENDPOINT_DISABLED", 409),
        ("/deliveries/dlv_1/redrive", json!({}), ErrorKind::Conflict, "NOT_REDRIVABLE", 409),
        ("/deliveries/dlv_1/cancel", json!({}), ErrorKind::NotFound, "UNKNOWN_DELIVERY", 404),
        ("/deliveries/test-mail", json!({}), ErrorKind::Conflict, "MAIL_NOT_CONFIGURED", 409),
    ] {
        edge.world.accounts.lock().refuse_next = Some(refuse(kind, code, "because"));
        let (told, answer) = read(edge.post(&format!("/api/v1{path}"), &token, &body).await).await;
        let detail = json!(format!("{code}: because"));
        assert_eq!((told.as_u16(), &answer["detail"]), (status, &detail), "{path}");
    }
}
