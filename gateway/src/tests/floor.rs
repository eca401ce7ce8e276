//! The floor: what lists are asked for, and what lists, queue and numbers look like.

use super::staff::{ask, patient};
use crate::testing::{
    token::AGENT,
    world::{edge, read, refusal},
};
use http::Method;
use serde_json::json;
use switchboard_domain::BuiltinRole;

#[tokio::test]
async fn times_are_fractions_of_seconds_and_unknown_kinds_of_customers_are_refused() {
    let edge = edge();
    let token = edge.access(BuiltinRole::Agent.permissions());
    for (query, wanted) in [
        ("time_start=1.5&time_end=1795383375.023", "Some(1500) Some(1795383375023) None"),
        ("time_start=7&customer_type=vip", "Some(7000) None Some(true)"),
        ("customer_type=all", "None None None"),
    ] {
        let (status, answer) = read(edge.get(&format!("/api/sessions?{query}"), &token).await).await;
        assert_eq!(status, 200, "{answer}");
        let call = edge.world.accounts.lock().calls.pop().unwrap();
        assert!(call.starts_with("find ") && call.ends_with(wanted), "{call}");
    }
    for query in ["time_start=soon", "time_end=-1", "time_end=NaN", "customer_type=old", "customer_type=x"] {
        let response = edge.get(&format!("/api/sessions?{query}"), &token).await;
        assert_eq!(refusal(response).await, (422, "VALIDATION_ERROR".into()), "{query}");
    }
}

#[tokio::test]
async fn what_a_list_is_asked_for_reaches_the_floor() {
    let edge = patient();
    let plain = "ORDER_UNSPECIFIED 0+50 None None None";
    for (query, wanted) in [
        ("", plain.to_owned()),
        ("status=all&agent=all&sort=default&keyword=&customer_type=", plain.into()),
        ("status=manual_live", format!("status=STATUS_MANUAL_LIVE {plain}")),
        ("agent=mine", format!("agent={AGENT} {plain}")),
        // Whose username it is, the floor knows: it has the roster.
        ("agent=li", format!("agent=li {plain}")),
        ("agent=unassigned", format!("unassigned=yes {plain}")),
        ("keyword=%E9%80%80%E6%AC%BE&tag=tag_vip", format!("keyword=退款 tag=tag_vip {plain}")),
        ("sort=waitTime&limit=200&offset=10000", "ORDER_WAIT_TIME 10000+200 None None None".into()),
        ("sort=updated&page_token=next", "page=next ORDER_UPDATED 0+50 None None None".into()),
    ] {
        let (_, called) = ask(&edge, Method::GET, &format!("/api/v1/sessions?{query}"), json!({})).await;
        assert_eq!(called, format!("find {wanted}"), "{query}");
    }
    let token = edge.access(BuiltinRole::Agent.permissions());
    for query in ["limit=0", "limit=201", "limit=x", "offset=-1", "offset=10001", "sort=sideways"] {
        let response = edge.get(&format!("/api/sessions?{query}"), &token).await;
        assert_eq!(refusal(response).await, (422, "VALIDATION_ERROR".into()), "{query}");
    }
    let (status, told) = read(edge.get("/api/sessions?status=bad", &token).await).await;
    assert_eq!(status, 400);
    let valid = "['bot_active', 'pending_manual', 'manual_live', 'after_hours_email', 'closed']";
    assert_eq!(told["detail"], format!("INVALID_STATUS: Invalid status: bad. Valid values: {valid}"));
}

#[tokio::test]
async fn a_list_of_sessions_is_what_clients_of_the_original_read() {
    let edge = patient();
    let (told, _) = ask(&edge, Method::GET, "/api/sessions?limit=1&offset=3", json!({})).await;
    let session = json!({
        "session_name": "alice", "status": "pending_manual", "queue": "default", "tags": [],
        "user_profile": { "nickname": "爱丽丝", "vip": true },
        "created_at": 1_795_383_375.0, "updated_at": 1_795_383_375.0,
        "last_message_preview":
            { "role": "user", "content": "我要退款，快点！", "timestamp": 1_795_383_375.001 },
        "priority": { "level": "urgent", "is_vip": true, "wait_time_seconds": 301.26, "is_timeout": true,
            "is_repeat": false, "urgent_keywords": ["快点"] },
    });
    let page = json!({ "sessions": [session], "total": 41, "total_is_exact": true, "limit": 1, "offset": 3,
        "has_more": true, "next_page_token": "next", "partial": false });
    assert_eq!(told, json!({ "success": true, "data": page }));
}

#[tokio::test]
async fn the_queue_is_what_clients_of_the_original_read() {
    let edge = patient();
    let (told, called) = ask(&edge, Method::GET, "/api/sessions/queue?queue=vip", json!({})).await;
    assert_eq!(called, "get_queue vip/100");
    let place = json!({
        "session_name": "alice", "status": "pending_manual", "position": 1, "priority_level": "urgent",
        "is_vip": true, "wait_time_seconds": 301.26, "is_timeout": true, "urgent_keywords": ["快点"],
        "user_profile": { "nickname": "爱丽丝", "vip": true }, "last_message": "我要退款，快点！",
        "estimated_wait_seconds": 90.0,
    });
    let data = json!({ "queue": [place], "total_count": 1, "vip_count": 1, "avg_wait_time": 301.26,
        "max_wait_time": 301.26 });
    assert_eq!(told, json!({ "success": true, "data": data }));
}

#[tokio::test]
async fn the_numbers_are_what_clients_of_the_original_read() {
    let edge = patient();
    let (told, called) = ask(&edge, Method::GET, "/api/sessions/stats?day_start=1795363200", json!({})).await;
    assert_eq!(called, "get_stats 1795363200000");
    let data = json!({
        "total_sessions": 10, "active_sessions": 6,
        "by_status": { "bot_active": 0, "pending_manual": 1, "manual_live": 2, "after_hours_email": 3,
            "closed": 4 },
        "avg_waiting_time": 1.23, "max_waiting_time": 5.68, "avg_service_time": 9.0, "active_agents": 2,
        "by_escalation_reason": { "keyword": 3 },
        "today": { "total_escalations": 5, "pending": 1, "serving": 2, "served": 3, "after_hours": 4 },
        "ai_quality": { "avg_response_time_ms": 850, "success_rate": 0.9877, "escalation_rate": null,
            "avg_messages_before_escalation": 2.5 },
        "agent_efficiency": { "avg_takeover_time_sec": 4.2, "avg_service_time_sec": null,
            "resolution_rate": 1.0, "avg_sessions_per_agent": 1.5 },
    });
    assert_eq!(told, json!({ "success": true, "data": data }));
    let (_, called) = ask(&edge, Method::GET, "/api/sessions/stats", json!({})).await;
    assert_eq!(called, "get_stats 0", "the shop's own day");
    let token = edge.access(BuiltinRole::Admin.permissions());
    let response = edge.get("/api/sessions/stats?day_start=-1", &token).await;
    assert_eq!(refusal(response).await, (422, "VALIDATION_ERROR".into()));
}
