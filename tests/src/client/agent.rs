//! A person of the shop: an account, and the tokens that the server gave for it.

use super::{Answer, Client, Stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

/// The password of the first admin in every World.
pub const ADMIN_PASSWORD: &str = "Tram-gravel-71-lantern";
/// The password of every other account that tests make.
pub const AGENT_PASSWORD: &str = "Quartz-meadow-48-kettle";

/// A person of the shop who is logged in. Clones share the tokens.
#[derive(Debug, Clone)]
pub struct Agent {
    client: Client,
    /// The account's id.
    pub id: String,
    /// The account's name for logging in.
    pub username: String,
    /// The name that customers see.
    pub name: String,
    tokens: Arc<Mutex<Tokens>>,
}

#[derive(Debug, Clone)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Client {
    /// Tries to log in.
    pub async fn try_log_in(&self, username: &str, password: &str) -> Answer {
        let body = json!({ "username": username, "password": password, "device_id": "tests" });
        self.post("/api/v1/auth/agent/login", &body).await
    }

    /// Logs in; the test fails when that is refused.
    pub async fn log_in(&self, username: &str, password: &str) -> Agent {
        let answer = self.try_log_in(username, password).await.expect_ok();
        Agent {
            client: self.clone(),
            id: answer.read("/agent/id"),
            username: answer.read("/agent/username"),
            name: answer.read("/agent/name"),
            tokens: Arc::new(Mutex::new(Tokens {
                access: answer.read("/access_token"),
                refresh: answer.read("/refresh_token"),
            })),
        }
    }

    /// Logs the first admin in.
    pub async fn admin(&self) -> Agent {
        self.log_in("admin", ADMIN_PASSWORD).await
    }
}

impl Agent {
    /// Makes an account with a role and logs it in.
    pub async fn hire(&self, username: &str, name: &str, role: &str) -> Self {
        let body = json!({
            "username": username, "password": AGENT_PASSWORD, "name": name, "role": role, "max_sessions": 20,
        });
        self.post("/api/v1/agents", &body).await.expect_ok();
        self.client.log_in(username, AGENT_PASSWORD).await
    }

    /// The access token.
    pub fn token(&self) -> String {
        self.tokens.lock().access.clone()
    }

    /// The refresh token.
    pub fn refresh_token(&self) -> String {
        self.tokens.lock().refresh.clone()
    }

    /// A request with the token.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, path).bearer_auth(self.token())
    }

    /// Reads something.
    pub async fn get(&self, path: &str) -> Answer {
        Client::send(self.request("GET", path)).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Client::send(self.request("POST", path).json(body)).await
    }

    /// Puts JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        Client::send(self.request("PUT", path).json(body)).await
    }

    /// Deletes something.
    pub async fn delete(&self, path: &str) -> Answer {
        Client::send(self.request("DELETE", path)).await
    }

    /// Is there, or not.
    pub async fn be(&self, status: &str) -> Answer {
        self.put("/api/v1/agent/status", &json!({ "status": status })).await
    }

    /// Takes a session.
    pub async fn take_over(&self, session: &str) -> Answer {
        let body = json!({ "agent_id": self.username, "agent_name": self.name });
        self.post(&format!("/api/v1/sessions/{session}/takeover"), &body).await
    }

    /// Writes to a customer.
    pub async fn say(&self, session: &str, text: &str) -> Answer {
        let body = json!({
            "session_name": session, "role": "agent", "content": text,
            "agent_info": { "agent_id": self.username, "agent_name": self.name },
        });
        self.post("/api/v1/manual/messages", &body).await
    }

    /// Asks a colleague to take a session.
    pub async fn transfer(&self, session: &str, to: &Self, reason: &str) -> Answer {
        let body = json!({
            "from_agent_id": self.username, "to_agent_id": to.username, "to_agent_name": to.name, "reason": reason,
        });
        self.post(&format!("/api/v1/sessions/{session}/transfer"), &body).await
    }

    /// Gives a session back to the bot.
    pub async fn release(&self, session: &str) -> Answer {
        let body = json!({ "agent_id": self.username, "reason": "resolved" });
        self.post(&format!("/api/v1/sessions/{session}/release"), &body).await
    }

    /// Ends a session.
    pub async fn close(&self, session: &str) -> Answer {
        self.post(&format!("/api/v1/sessions/{session}/close"), &json!({})).await
    }

    /// Follows a session.
    pub async fn follow(&self, session: &str) -> Stream {
        let request = self.request("GET", &format!("/api/v1/sessions/{session}/events"));
        Stream::open(request).await
    }

    /// What concerns this agent, from now on or from after an event.
    pub async fn events(&self, after: Option<&str>) -> Stream {
        let request = self.request("GET", "/api/v1/agent/events");
        Stream::open(match after {
            Some(id) => request.header("last-event-id", id),
            None => request,
        })
        .await
    }
}
