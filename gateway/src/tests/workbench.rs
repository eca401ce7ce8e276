//! The workbench's cookies: set by logging in, rotated by refreshing, taken away by logging out, useless to other sites.

use crate::testing::{
    peers::{
        login::{PASSWORD, REFRESH},
        refuse,
    },
    world::{Edge, edge, edge_with, post, read, refusal},
};
use axum::{body::Body, response::Response};
use http::{Method, Request};
use serde_json::{Value, json};
use switchboard_domain::{BuiltinRole, ErrorKind};

fn cookies(response: &Response) -> Vec<String> {
    let lines = response.headers().get_all("set-cookie");
    lines.iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

async fn log_in(edge: &Edge, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = post(path, "");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = json!({ "username": "xiaoming", "password": PASSWORD, "device_id": "laptop" });
    edge.send(request.body(body.to_string().into()).unwrap()).await
}

#[tokio::test]
async fn api_clients_get_their_tokens_in_the_body() {
    let edge = edge();
    let response = log_in(&edge, "/api/v1/auth/agent/login", &[]).await;
    assert_eq!(cookies(&response), [""; 0]);
    let (status, body) = read(response).await;
    assert_eq!(status, 200);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!((&body["refresh_token"], &body["refresh_expires_in"]), (&json!("rt-2"), &json!(604_800)));
    assert_eq!((&body["agent"]["username"], &body["token"]), (&json!("xiaoming"), &Value::Null));
    assert!(body["permissions"].as_array().unwrap().contains(&json!("sessions.serve")));
    assert_eq!(edge.world.accounts.lock().calls, ["log_in anonymous xiaoming laptop"]);
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(edge.get("/api/agent/profile", token).await.status(), 200);
    // The original's door gives the same under the original's name too.
    let (_, body) = read(log_in(&edge, "/api/agent/login", &[]).await).await;
    assert_eq!(body["token"], body["access_token"]);
    assert!(body["agent"].get("password_hash").is_none());
}

#[tokio::test]
async fn who_wants_in_has_to_say_who_and_with_what() {
    let edge = edge();
    let path = "/api/auth/agent/login";
    let (status, body) =
        read(edge.post(path, "", &json!({ "username": "xiaoming", "password": "no" })).await).await;
    assert_eq!((status.as_u16(), &body["detail"]), (401, &json!("INVALID_CREDENTIALS: 用户名或密码错误")));
    for bad in [
        json!({ "password": PASSWORD }),
        json!({ "username": "a", "agent_id": "b", "password": PASSWORD }),
        json!({ "username": "a" }),
    ] {
        assert_eq!(refusal(edge.post(path, "", &bad).await).await.0, 422, "{bad}");
    }
    let by_id = json!({ "agent_id": "xiaoming", "password": PASSWORD });
    assert_eq!(edge.post(path, "", &by_id).await.status(), 200);
}

#[tokio::test]
async fn guessing_passwords_is_slow() {
    let edge = edge();
    let guess = json!({ "username": "xiaoming", "password": "guess" });
    for _ in 0..5 {
        assert_eq!(edge.post("/api/auth/agent/login", "", &guess).await.status(), 401);
    }
    // Neither another door nor a name of one's own helps.
    for path in ["/api/auth/agent/login", "/api/v1/agent/login", "/api/agent/refresh"] {
        let response = edge.post(path, "", &guess).await;
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(refusal(response).await, (429, "RATE_LIMITED".into()), "{path}");
    }
}

#[tokio::test]
async fn browsers_get_cookies_that_no_script_and_no_other_site_can_use() {
    let edge = edge_with(|settings| settings.public_url = "https://chat.example.com".into());
    for (path, headers) in [
        ("/api/auth/agent/login?cookies=true", &[][..]),
        ("/api/auth/agent/login", &[("x-switchboard-cookies", "1")]),
    ] {
        let response = log_in(&edge, path, headers).await;
        let cookies = cookies(&response);
        assert_eq!(cookies.len(), 2);
        assert!(
            cookies[0].starts_with("__Host-at=ey") && cookies[0].contains("; Max-Age=900;"),
            "{cookies:?}"
        );
        assert!(cookies[1].starts_with("__Host-rt=rt-2; Path=/; Max-Age=604800;"), "{cookies:?}");
        for cookie in &cookies {
            assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
        }
        let (_, body) = read(response).await;
        for name in ["access_token", "refresh_token", "token"] {
            assert_eq!(body.get(name), None, "{name}");
        }
    }
    let evil = [("x-switchboard-cookies", "1"), ("sec-fetch-site", "cross-site")];
    let response = log_in(&edge, "/api/auth/agent/login", &evil).await;
    assert_eq!(refusal(response).await, (403, "CROSS_SITE".into()));
}

#[tokio::test]
async fn the_cookie_works_for_our_own_pages_only() {
    let edge = edge();
    let token = edge.access(BuiltinRole::Admin.permissions());
    let request = |method: &Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(path).header("cookie", format!("at={token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from("{\"name\":\"王\"}")).unwrap()
    };
    let json = ("content-type", "application/json");
    let profile = "/api/agent/profile";
    assert_eq!(edge.send(request(&Method::GET, profile, &[])).await.status(), 200);
    assert_eq!(edge.send(request(&Method::PUT, profile, &[json])).await.status(), 200);
    for headers in [
        &[("content-type", "text/plain")][..],
        &[],
        &[json, ("sec-fetch-site", "cross-site")],
        &[json, ("sec-fetch-site", "same-site")],
        &[json, ("origin", "https://evil.example.com")],
        &[json, ("origin", "null")],
    ] {
        for (method, path) in [
            (Method::PUT, profile),
            (Method::POST, "/api/agent/logout"),
            (Method::DELETE, "/api/agents/xiaoming"),
        ] {
            let response = edge.send(request(&method, path, headers)).await;
            assert_eq!(refusal(response).await, (403, "CROSS_SITE".into()), "{method} {path} {headers:?}");
        }
    }
    // A visitor's token in the agents' cookie opens nothing.
    let visitor = edge.session("alice");
    let wrong = Request::get(profile).header("cookie", format!("at={visitor}")).body(Body::empty()).unwrap();
    assert_eq!(refusal(edge.send(wrong).await).await.0, 401);
    // https has names of its own, which another host cannot set.
    let edge = edge_with(|settings| settings.public_url = "https://chat.example.com".into());
    let token = edge.access(BuiltinRole::Admin.permissions());
    for (name, status) in [("at", 401), ("__Host-at", 200)] {
        let request = Request::get(profile).header("cookie", format!("{name}={token}"));
        assert_eq!(edge.send(request.body(Body::empty()).unwrap()).await.status(), status, "{name}");
    }
}

#[tokio::test]
async fn refreshing_takes_the_cookie_or_the_body_and_answers_in_kind() {
    let edge = edge_with(|settings| settings.rate.auth_per_minute = 0);
    let refresh = |cookie: &str, headers: &[(&str, &str)], body: &Value| {
        let mut request = post("/api/auth/agent/refresh", "").header("cookie", format!("rt={cookie}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.to_string().into()).unwrap()
    };
    let response = edge.send(refresh(REFRESH, &[], &json!({}))).await;
    assert!(cookies(&response)[1].starts_with("rt=rt-2; "));
    assert_eq!(read(response).await.1.get("access_token"), None);
    let (status, body) =
        read(edge.post("/api/agent/refresh", "", &json!({ "refresh_token": REFRESH })).await).await;
    assert_eq!(status, 200);
    assert!(body["token"] == body["access_token"] && body["refresh_token"] == "rt-2");
    for headers in [&[("sec-fetch-site", "cross-site")][..], &[("origin", "https://evil.example.com")]] {
        let response = edge.send(refresh(REFRESH, headers, &json!({}))).await;
        assert_eq!(refusal(response).await, (403, "CROSS_SITE".into()));
    }
    // Used up: the browser forgets both.
    let response = edge.send(refresh("rt-0", &[], &json!({}))).await;
    assert_eq!(cookies(&response).len(), 2);
    assert!(cookies(&response).iter().all(|cookie| cookie.contains("=; Path=/; Max-Age=0;")));
    let (status, body) = read(response).await;
    assert_eq!((status.as_u16(), &body["detail"]), (401, &json!("INVALID_REFRESH_TOKEN: 无效的刷新 Token")));
    assert_eq!(refusal(edge.post("/api/agent/refresh", "", &json!({})).await).await.0, 422);
}

#[tokio::test]
async fn a_changed_password_goes_on_where_it_was_changed() {
    let edge = edge();
    let token = edge.access(BuiltinRole::Agent.permissions());
    let body = json!({ "old_password": "a", "new_password": "b" });
    let request = post("/api/agent/change-password", "").header("cookie", format!("at={token}"));
    let response = edge.send(request.body(body.to_string().into()).unwrap()).await;
    assert_eq!(cookies(&response).len(), 2);
    let (_, told) = read(response).await;
    assert_eq!((&told["message"], told.get("access_token")), (&json!("密码修改成功"), None));
    let (_, told) = read(edge.post("/api/agent/change-password", &token, &body).await).await;
    assert!(told["access_token"].is_string());
}

#[tokio::test]
async fn a_browser_logs_out_with_what_it_still_has() {
    let edge = edge();
    let token = edge.access(BuiltinRole::Agent.permissions());
    let send = async |cookie: &str, site: &str| {
        let request = post("/api/agent/logout", "").header("cookie", cookie).header("sec-fetch-site", site);
        edge.world.accounts.lock().calls.clear();
        let response = edge.send(request.body("{}".into()).unwrap()).await;
        let gone = cookies(&response).iter().filter(|line| line.contains("=; Path=/; Max-Age=0;")).count();
        let calls: Vec<String> = edge.world.accounts.lock().calls.clone();
        let calls: Vec<&str> = calls.iter().filter_map(|call| call.split(' ').next()).collect();
        (response.status().as_u16(), gone, calls.join(" "))
    };
    let same = "same-origin";
    assert_eq!(send(&format!("at={token}; rt={REFRESH}"), same).await, (200, 2, "log_out".into()));
    // The access token has ended.
    assert_eq!(send(&format!("at=e30.e30.x; rt={REFRESH}"), same).await, (200, 2, "refresh log_out".into()));
    // So has the login.
    assert_eq!(send("rt=rt-0", same).await, (200, 2, "refresh".into()));
    assert_eq!(send("", same).await, (401, 2, String::new()));
    // Nobody else's page logs a browser out.
    assert_eq!(send(&format!("rt={REFRESH}"), "cross-site").await, (403, 0, String::new()));
    edge.world.accounts.lock().refuse_next = Some(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "away"));
    assert_eq!(send(&format!("rt={REFRESH}"), same).await, (503, 2, "refresh".into()));
}
