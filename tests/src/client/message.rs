//! What a customer sends, and what a session looks like from outside.

use serde::Deserialize;
use serde_json::{Value, json};

/// A message to be sent, as often as needed: it stays the same message.
#[derive(Debug, Clone, Default)]
pub struct Message {
    text: String,
    id: Option<String>,
    key: Option<String>,
    parameters: Option<Value>,
}

impl Message {
    /// A message without an id: every sending is a new message.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// With `client_message_id`.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// With the header `Idempotency-Key`.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// With `parameters`.
    pub fn parameters(mut self, parameters: Value) -> Self {
        self.parameters = Some(parameters);
        self
    }

    /// Writes it into a request.
    pub(super) fn put(&self, session: &str, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let mut body = json!({ "user_id": session, "message": self.text });
        if let Some(id) = &self.id {
            body["client_message_id"] = id.as_str().into();
        }
        if let Some(parameters) = &self.parameters {
            body["parameters"] = parameters.clone();
        }
        let request = request.json(&body);
        match &self.key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&Self> for Message {
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

/// A session as `GET /sessions/{session}` shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Detail {
    /// Its status.
    pub status: String,
    /// Its last messages, oldest first.
    pub history: Vec<Logged>,
    /// Number of the last entry of the log.
    pub head: i64,
    /// Where an event stream goes on.
    pub cursor: String,
    /// The turn that is being answered.
    pub running_turn: Option<String>,
    /// Why a human was called.
    pub escalation: Option<Value>,
    /// The conversation with the model vendor.
    pub conversation_id: Option<String>,
    /// Failing answers in a row.
    pub ai_fail_count: u32,
    /// The customer.
    pub user_profile: Value,
}

/// A message on record.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Logged {
    /// `user`, `assistant`, `agent` or `system`.
    pub role: String,
    /// What it says.
    pub content: String,
    /// Its id.
    pub message_id: String,
    /// Its number in the log.
    pub seq: i64,
    /// The id that the client gave it.
    pub client_message_id: Option<String>,
    /// The turn it belongs to.
    pub turn_id: Option<String>,
    /// What an answer rests on.
    pub sources: Vec<Value>,
    /// Whether the answer stopped in the middle.
    pub interrupted: bool,
}

impl Detail {
    /// Messages of one role.
    pub fn said_by(&self, role: &str) -> Vec<&Logged> {
        self.history.iter().filter(|message| message.role == role).collect()
    }
}
