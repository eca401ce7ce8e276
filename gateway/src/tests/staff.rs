//! Every route: whom it lets in, whom it does not, and what it asks for on whose behalf.

use crate::{
    routes::access::{Access, Declared},
    testing::{
        START_MS,
        peers::refuse,
        token::{AGENT, LOGIN},
        world::{Edge, edge_with, post, read, refusal},
    },
};
use http::Method;
use serde_json::{Value, json};
use switchboard_domain::{ErrorKind, Permission, Permissions};

/// An edge that counts nothing.
pub(super) fn patient() -> Edge {
    edge_with(|settings| {
        let rate = &mut settings.rate;
        (rate.auth_per_minute, rate.write_per_minute, rate.read_per_minute) = (0, 0, 0);
        (rate.chat_per_minute, rate.new_sessions_per_minute) = (0, 0);
    })
}

fn without(permission: Permission) -> Permissions {
    Permission::ALL.iter().copied().filter(|other| *other != permission).collect()
}

/// A path with something for each parameter.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "thing" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_lets_in_whom_it_declares_and_nobody_else() {
    let edge = patient();
    let visitor = edge.session("alice");
    let declared = crate::routes::declared(&edge.app);
    let guarded: Vec<(Declared, Permission)> = declared
        .into_iter()
        .filter_map(|route| match route.access {
            Access::Agent(permission) | Access::AgentOrNobody(permission) | Access::Either(permission) => {
                Some((route, permission))
            }
            Access::Public | Access::Visitor => None,
        })
        .collect();
    assert!(guarded.len() >= 28, "{}", guarded.len());
    for (Declared { method, path, access }, permission) in guarded {
        for root in ["/api", "/api/v1"] {
            let path = format!("{root}{}", filled(&path));
            let response = edge.call(&method, &path, "", &json!({})).await;
            assert_eq!(response.headers()["www-authenticate"], "Bearer", "{method} {path}");
            assert_eq!(refusal(response).await.0, 401, "{method} {path}");
            let response = edge.call(&method, &path, &visitor, &json!({})).await;
            // Where both may come, whose session it is is the handler's question.
            let is_refused = [401, 403].contains(&response.status().as_u16());
            assert!(is_refused || access == Access::Either(permission), "{method} {path}");
            let token = edge.access(without(permission));
            let (status, body) = read(edge.call(&method, &path, &token, &json!({})).await).await;
            assert_eq!(
                (status.as_u16(), &body["code"]),
                (403, &json!("PERMISSION_REQUIRED")),
                "{method} {path}"
            );
            assert_eq!(body["permission"], permission.as_str(), "{method} {path}");
            // Everybody has the first.
            let token = edge.access(Permissions::of(&[Permission::AccountSelf, permission]));
            // What comes of it is for other tests to say; here it only has to get through.
            let response = edge.call(&method, &path, &token, &json!({})).await;
            assert!(![401, 405].contains(&response.status().as_u16()), "{method} {path}");
            if response.status() == 403 {
                assert_ne!(refusal(response).await.1, "PERMISSION_REQUIRED", "{method} {path}");
            }
        }
    }
}

/// Sends a request with all permissions and gives the answer and the call that it led to.
pub(super) async fn ask(edge: &Edge, method: Method, path: &str, body: Value) -> (Value, String) {
    edge.world.accounts.lock().calls.clear();
    let token = edge.access(Permissions::all());
    let (status, answer) = read(edge.call(&method, path, &token, &body).await).await;
    assert_eq!(status, 200, "{method} {path}: {answer}");
    assert_eq!(answer["success"], true, "{method} {path}");
    let acting = format!(" agent:{AGENT}:{}", Permissions::all());
    let calls = edge.world.accounts.lock().calls.clone();
    let calls: Vec<String> = calls.iter().map(|call| call.replace(&acting, "")).collect();
    (answer, calls.join("; "))
}

#[tokio::test]
async fn ones_own_account() {
    let edge = patient();
    let day = START_MS - START_MS.rem_euclid(86_400_000);
    let numbers = format!("get_agent_stats {day}");
    for (method, path, body, call) in [
        ("GET", "/agent/profile", json!({}), "get_me".to_owned()),
        ("GET", "/agent/profile?username=xiaoming", json!({}), "get_me".into()),
        ("PUT", "/agent/profile", json!({ "name": "王" }), "update_me 王".into()),
        ("POST", "/agent/totp/begin", json!({ "password": "p" }), "begin_totp".into()),
        ("POST", "/agent/totp/confirm", json!({ "code": "123456" }), "confirm_totp 123456".into()),
        ("POST", "/agent/totp/disable", json!({ "password": "p", "code": "1" }), "disable_totp 1".into()),
        ("GET", "/agent/logins", json!({}), "list_logins".into()),
        ("POST", "/agent/logout", json!({}), format!("log_out {LOGIN} false")),
        ("POST", "/agent/logout?everywhere=true", json!({}), format!("log_out {LOGIN} true")),
        ("GET", "/agent/stats/today", json!({}), numbers.clone()),
        (
            "PUT",
            "/agent/status",
            json!({ "status": "busy", "status_note": " 开会 " }),
            format!("set_status busy Some(\"开会\"); {numbers}"),
        ),
        ("PUT", "/agent/status", json!({ "status": "online" }), format!("set_status online None; {numbers}")),
        ("POST", "/agent/status/heartbeat", json!({}), "heartbeat true".into()),
        ("POST", "/agent/status/heartbeat", json!({ "active": false }), "heartbeat false".into()),
    ] {
        let method = method.parse().unwrap();
        let (_, called) = ask(&edge, method, &format!("/api{path}"), body).await;
        assert_eq!(called, call, "{path}");
    }
    let (told, _) = ask(&edge, Method::GET, "/api/agent/status", json!({})).await;
    let data = &told["data"];
    assert_eq!((&data["current_sessions"], &data["max_sessions"]), (&json!(2), &json!(5)));
    assert_eq!((&data["status"], &data["status_note"]), (&json!("online"), &json!("")));
    let today = json!({ "processed_count": 7, "avg_response_time": 1.5, "avg_duration": 0.0,
        "satisfaction_score": null });
    assert_eq!(data["today_stats"], today);
    let (told, _) = ask(&edge, Method::GET, "/api/agent/logins", json!({})).await;
    assert_eq!(told["data"]["items"][0]["current"], true);
    let (told, _) = ask(&edge, Method::GET, "/api/agent/profile", json!({})).await;
    let agent = &told["agent"];
    assert_eq!((&agent["id"], &agent["last_login"]), (&json!(AGENT), &Value::Null));
    assert_eq!(agent["last_active_at"], json!(crate::view::time(START_MS + 500)));
    assert_eq!(agent["skills"], json!([{ "category": "售后", "level": "senior", "tags": ["退款"] }]));
}

#[tokio::test]
async fn other_peoples_accounts_roles_and_keys() {
    let edge = patient();
    let new = json!({ "username": "li", "password": "p", "name": "李" });
    for (method, path, body, call) in [
        ("GET", "/agents?status=online&page=2&page_size=5", json!({}), "list_agents online//2/5"),
        ("GET", "/agents/xiaoming", json!({}), "get_agent xiaoming"),
        ("GET", "/agents/available", json!({}), "list_available"),
        ("POST", "/agents", new, "create_agent li 0"),
        (
            "PUT",
            "/agents/li",
            json!({ "role": "guest", "status": "offline" }),
            "update_agent li Some(\"guest\") Some(\"offline\")",
        ),
        ("DELETE", "/agents/li", json!({}), "delete_agent li"),
        (
            "POST",
            "/agents/li/reset-password",
            json!({ "new_password": "p", "remove_totp": true }),
            "reset_password li true",
        ),
        (
            "PUT",
            "/agents/li/skills",
            json!({ "skills": [{ "category": "退款", "level": "junior" }] }),
            "set_skills li junior",
        ),
        ("GET", "/roles", json!({}), "list_roles"),
        ("PUT", "/roles/night", json!({ "permissions": ["stats.read"], "version": 2 }), "put_role night 2"),
        ("DELETE", "/roles/night", json!({}), "delete_role night"),
        ("GET", "/api-keys", json!({}), "list_api_keys"),
        (
            "POST",
            "/api-keys",
            json!({ "name": "n", "permissions": ["stats.read"], "expires_at": 1.5 }),
            "create_api_key Some(1500)",
        ),
        ("DELETE", "/api-keys/key_1", json!({}), "revoke_api_key key_1"),
    ] {
        let (_, called) = ask(&edge, method.parse().unwrap(), &format!("/api/v1{path}"), body).await;
        assert_eq!(called, call, "{path}");
    }
    let (told, _) = ask(&edge, Method::GET, "/api/agents", json!({})).await;
    let page = (&told["data"]["total"], &told["data"]["page"], &told["data"]["page_size"]);
    assert_eq!(page, (&json!(41), &json!(1), &json!(20)));
    let (told, _) = ask(&edge, Method::DELETE, "/api/agents/li", json!({})).await;
    assert_eq!(told["message"], "坐席 li 已删除");
    let key = json!({ "name": "n", "permissions": [] });
    let (told, _) = ask(&edge, Method::POST, "/api/api-keys", key).await;
    assert_eq!((&told["key"], &told["api_key"]["hint"]), (&json!("swb_abc"), &json!("swb_ab")));
}

#[tokio::test]
async fn who_does_not_manage_accounts_sees_colleagues_from_outside() {
    let edge = patient();
    let token = edge.access(Permissions::of(&[Permission::AccountSelf, Permission::AgentsRead]));
    let (status, told) = read(edge.get("/api/agents/xiaoming", &token).await).await;
    let wanted = json!({ "id": AGENT, "username": "xiaoming", "name": "王小明", "status": "online",
        "role": "agent", "max_sessions": 5 });
    assert_eq!((status.as_u16(), &told["agent"]), (200, &wanted));
    let (told, _) = ask(&edge, Method::GET, "/api/agents/xiaoming", json!({})).await;
    assert_eq!(told["agent"]["totp_enabled"], false);
}

#[tokio::test]
async fn what_makes_something_is_sent_on_with_its_key() {
    let edge = patient();
    let token = edge.access(Permissions::all());
    let send = async |path: &str, body: Value| {
        let request = post(path, &token).header("idempotency-key", "k");
        assert_eq!(edge.send(request.body(body.to_string().into()).unwrap()).await.status(), 200);
        edge.world.accounts.lock().repeats.pop().unwrap().unwrap()
    };
    let agent = async |name: &str, password: &str| {
        send("/api/agents", json!({ "username": "li", "password": password, "name": name })).await
    };
    let key = async |name: &str| send("/api/api-keys", json!({ "name": name, "permissions": [] })).await;
    let tag = async |name: &str| send("/api/tags", json!({ "name": name, "color": "#00ff00" })).await;
    assert_eq!(tag("n").await, tag("n").await);
    assert_ne!(tag("n").await, tag("m").await);
    let (one, other) = (agent("李", "p").await, agent("黎", "p").await);
    assert_eq!((one.key.as_str(), one.fingerprint.len()), ("k", 64));
    assert_ne!(one.fingerprint, other.fingerprint);
    // Of passwords no quick digest is made.
    assert_eq!(agent("李", "q").await, one);
    assert_eq!(key("n").await, key("n").await);
    assert_ne!(key("n").await, key("m").await);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_at_the_edge() {
    let edge = patient();
    let token = edge.access(Permissions::all());
    let new =
        |sessions: i64| json!({ "username": "li", "password": "p", "name": "李", "max_sessions": sessions });
    for (method, path, body, status, code) in [
        ("PUT", "/agent/profile", json!({}), 400, "NO_FIELDS_TO_UPDATE"),
        ("PUT", "/agents/li", json!({}), 400, "NO_FIELDS_TO_UPDATE"),
        ("GET", "/agent/profile?username=admin", json!({}), 403, "IDENTITY_MISMATCH"),
        ("POST", "/agent/logout?username=admin", json!({}), 403, "IDENTITY_MISMATCH"),
        ("PUT", "/agent/status", json!({ "status": "asleep" }), 422, "VALIDATION_ERROR"),
        (
            "PUT",
            "/agent/status",
            json!({ "status": "busy", "status_note": "x".repeat(121) }),
            422,
            "VALIDATION_ERROR",
        ),
        ("POST", "/agents", new(0), 422, "VALIDATION_ERROR"),
        ("POST", "/agents", new(21), 422, "VALIDATION_ERROR"),
        ("POST", "/agents", new(-1), 422, "VALIDATION_ERROR"),
        ("GET", "/agents?page=0", json!({}), 422, "VALIDATION_ERROR"),
        ("GET", "/agents?page_size=201", json!({}), 422, "VALIDATION_ERROR"),
        (
            "PUT",
            "/agents/li/skills",
            json!({ "skills": [{ "category": "a", "level": "god" }] }),
            422,
            "VALIDATION_ERROR",
        ),
        ("PUT", "/roles/x", json!({ "permissions": ["session.read"] }), 422, "VALIDATION_ERROR"),
        ("POST", "/api-keys", json!({ "name": "n", "permissions": ["everything"] }), 422, "VALIDATION_ERROR"),
        (
            "POST",
            "/api-keys",
            json!({ "name": "n", "permissions": [], "expires_at": -1 }),
            422,
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/agent/change-password",
            json!({ "old_password": "", "new_password": "p" }),
            422,
            "VALIDATION_ERROR",
        ),
    ] {
        let response = edge.call(&method.parse().unwrap(), &format!("/api{path}"), &token, &body).await;
        assert_eq!(refusal(response).await, (status, code.into()), "{method} {path} {body}");
    }
    assert_eq!(edge.world.accounts.lock().calls, [""; 0]);
}

#[tokio::test]
async fn refusals_speak_as_clients_of_the_original_expect() {
    let edge = patient();
    let token = edge.access(Permissions::all());
    let disabled = json!({ "disabled": true });
    for (method, path, body, kind, code, status, detail) in [
        ("GET", "/agents/x", json!({}), ErrorKind::NotFound, "AGENT_NOT_FOUND", 404, "坐席不存在"),
        // The words are those of the part that refuses.
        ("PUT", "/agents/x", disabled, ErrorKind::Invalid, "LAST_ADMIN", 400, "somebody has it"),
        ("DELETE", "/agents/x", json!({}), ErrorKind::Invalid, "LAST_ADMIN", 400, "somebody has it"),
        (
            "POST",
            "/agents",
            json!({ "username": "li", "password": "p", "name": "李" }),
            ErrorKind::Conflict,
            "USERNAME_EXISTS",
            400,
            "用户名已存在",
        ),
        (
            "POST",
            "/agent/change-password",
            json!({ "old_password": "a", "new_password": "b" }),
            ErrorKind::Forbidden,
            "OLD_PASSWORD_INCORRECT",
            400,
            "旧密码不正确",
        ),
        ("DELETE", "/roles/x", json!({}), ErrorKind::Conflict, "ROLE_IN_USE", 409, "somebody has it"),
    ] {
        edge.world.accounts.lock().refuse_next = Some(refuse(kind, code, "somebody has it"));
        let response = edge.call(&method.parse().unwrap(), &format!("/api{path}"), &token, &body).await;
        let (told, answer) = read(response).await;
        let wanted = json!(format!("{code}: {detail}"));
        assert_eq!((told.as_u16(), &answer["detail"]), (status, &wanted), "{method} {path}");
    }
}

#[tokio::test]
async fn an_agents_budget_is_the_accounts() {
    let edge = edge_with(|settings| {
        (settings.rate.read_per_minute, settings.rate.read_burst) = (1, 2);
    });
    let token = edge.access(Permissions::all());
    for status in [200, 200, 429] {
        assert_eq!(edge.get("/api/agent/profile", &token).await.status(), status);
    }
    // Without a token it is the address's, which is still full.
    assert_eq!(edge.get("/api/agent/profile", "").await.status(), 401);
}
