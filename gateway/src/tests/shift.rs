//! When humans answer: for everybody as one shift, for people of the shop as a document.

use crate::testing::world::{edge, read, refusal};
use http::Request;
use serde_json::json;
use std::time::Duration;
use switchboard_domain::Clock as _;

/// Moves an edge's clock to Monday, the 23rd of November 2026, at this time in Shanghai.
fn monday(edge: &crate::testing::world::Edge, hour: u64, minute: u64) {
    let wanted = Duration::from_secs(1_795_363_200 + hour * 3600 + minute * 60);
    let now = Duration::from_millis(u64::try_from(edge.clock.now().millis()).unwrap());
    edge.clock.advance(wanted.checked_sub(now).unwrap());
}

#[tokio::test]
async fn the_shift_is_told_as_clients_of_the_original_know_it() {
    let edge = edge();
    monday(&edge, 17, 30);
    let (status, body) = read(edge.get("/api/shift/config", "").await).await;
    assert_eq!(status, 200);
    let expected = json!({
        "shift_start": "09:00", "shift_end": "18:00", "timezone": "Asia/Shanghai", "weekends_disabled": true,
        "holidays": ["2026-12-25"], "is_in_shift": true, "queue": "default",
    });
    assert_eq!((&body["success"], &body["data"]), (&json!(true), &expected));

    let (_, body) = read(edge.get("/api/shift/status", "").await).await;
    let data = &body["data"];
    assert_eq!((&body["success"], &data["is_in_shift"]), (&json!(true), &json!(true)));
    assert_eq!((&data["message"], &data["shift_hours"]), (&json!("人工客服在线"), &json!("09:00 - 18:00")));
    assert_eq!(data["closes_at"], json!(1_795_363_200.0 + 18.0 * 3600.0));
}

#[tokio::test]
async fn out_of_hours_the_next_opening_is_told() {
    let edge = edge();
    monday(&edge, 18, 0);
    for root in ["/api", "/api/v1"] {
        let (status, body) = read(edge.get(&format!("{root}/shift/status?queue=sales"), "").await).await;
        let data = &body["data"];
        assert_eq!((status.as_u16(), &data["is_in_shift"]), (200, &json!(false)));
        assert_eq!(data["message"], "当前为非工作时间");
        assert_eq!(data["next_opening"], json!(1_795_363_200.0 + (7.0 * 24.0 + 9.0) * 3600.0));
        assert_eq!(data["next_opening_text"], "11月30日 09:00（UTC+8）");
        assert_eq!(data["next_opening_text_en"], "Mon 30 Nov 09:00 (UTC+8)");
        assert_eq!(data["closes_at"], json!(null));
    }
}

#[tokio::test]
async fn the_document_is_for_people_of_the_shop() {
    let edge = edge();
    let visitor = edge.session("s");
    let publish = json!({ "document": "default: {}", "expected_version": 0 });
    let expected = (401, "AGENT_TOKEN_REQUIRED".to_owned());
    for token in ["", &visitor] {
        assert_eq!(refusal(edge.get("/api/v1/hours", token).await).await, expected);
        assert_eq!(refusal(edge.post("/api/v1/hours/check", token, &publish).await).await, expected);
        let mut put = Request::put("/api/v1/hours").header("content-type", "application/json");
        if !token.is_empty() {
            put = put.header("authorization", format!("Bearer {token}"));
        }
        let put = put.body(publish.to_string().into()).unwrap();
        assert_eq!(refusal(edge.send(put).await).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_published_before_is_paged_through() {
    let edge = edge();
    let token = edge.access(switchboard_domain::BuiltinRole::Agent.permissions());
    let (status, body) = read(edge.get("/api/v1/hours/versions?limit=2", &token).await).await;
    assert_eq!((status.as_u16(), &body["data"]["next_before"]), (200, &json!(2)), "{body}");
    assert_eq!((&body["data"]["items"][0]["version"], &body["data"]["has_more"]), (&json!(3), &json!(true)));
    let (_, body) = read(edge.get("/api/v1/hours/versions?before=2", &token).await).await;
    assert_eq!(body["data"]["next_before"], json!(null));
    assert_eq!(body["data"]["items"].as_array().unwrap().len(), 1);
    for bad in ["limit=21", "limit=0", "before=0", "before=x"] {
        let (status, _) = read(edge.get(&format!("/api/v1/hours/versions?{bad}"), &token).await).await;
        assert_eq!(status, 422, "{bad}");
    }
}
