//! A customer: a session name, and the token that the server gave for it.

use super::{Answer, Client, Detail, Message};
use crate::{
    patience::within,
    sse::{Frame, Frames},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long a message that the server acknowledges is sent again and again.
const RESEND: Duration = Duration::from_mins(1);

/// A customer. Clones are other terminals of the same customer: they share the token.
#[derive(Debug, Clone)]
pub struct Visitor {
    client: Client,
    /// The name of the session.
    pub session: String,
    token: Arc<Mutex<Option<String>>>,
}

/// An answer that is being written, or events that come.
#[derive(Debug)]
pub struct Stream {
    /// The HTTP status, the headers, and the body if it is no event stream.
    pub head: Answer,
    frames: Option<Frames>,
}

impl Stream {
    /// Sends a request that a stream answers.
    pub async fn open(request: reqwest::RequestBuilder) -> Self {
        Self::try_open(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    async fn try_open(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let is_stream = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if is_stream {
            let head = Answer { status, headers, text: String::new() };
            return Ok(Self { head, frames: Some(Frames::of(response)) });
        }
        let text = response.text().await?;
        Ok(Self { head: Answer { status, headers, text }, frames: None })
    }

    /// The frames; the test fails when the server gave something else.
    pub fn frames(self) -> Frames {
        let Self { head, frames } = self;
        frames.unwrap_or_else(|| panic!("no event stream: {} {}", head.status, head.text))
    }

    /// All frames up to the end.
    pub async fn rest(self) -> Vec<Frame> {
        self.frames().rest().await
    }
}

impl Visitor {
    pub(super) fn new(client: Client, session: &str) -> Self {
        Self { client, session: session.to_owned(), token: Arc::default() }
    }

    /// The token, if there is one.
    pub fn token(&self) -> Option<String> {
        self.token.lock().clone()
    }

    /// Takes another token, or none.
    pub fn set_token(&self, token: Option<String>) {
        *self.token.lock() = token;
    }

    /// The same customer, seen through another client (a server that was started again, another address).
    pub fn through(&self, client: &Client) -> Self {
        Self { client: client.clone(), ..self.clone() }
    }

    /// A request with the token.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, path);
        match self.token() {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request, and keeps the token that the answer may bring.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let answer = Client::try_send(request).await?;
        self.keep_token(&answer);
        Ok(answer)
    }

    /// Sends a request; the test fails when there is no whole answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    fn keep_token(&self, answer: &Answer) {
        let token = answer.header("x-visitor-token");
        if !token.is_empty() {
            self.set_token(Some(token.to_owned()));
        }
    }

    async fn open(&self, request: reqwest::RequestBuilder) -> Stream {
        self.try_open(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    async fn try_open(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Stream> {
        let stream = Stream::try_open(request).await?;
        self.keep_token(&stream.head);
        Ok(stream)
    }

    /// Writes to the bot and waits for the answer.
    pub async fn chat(&self, message: impl Into<Message>) -> Answer {
        self.send(message.into().put(&self.session, self.request("POST", "/api/v1/chat"))).await
    }

    /// The same; an error when there is no whole answer.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn try_chat(&self, message: &Message) -> reqwest::Result<Answer> {
        self.try_send(message.put(&self.session, self.request("POST", "/api/v1/chat"))).await
    }

    /// Writes to the bot as a browser with a bad connection does: the same message again until the server has answered it.
    pub async fn chat_surely(&self, message: &Message) -> Answer {
        within(RESEND, "an answer", async || {
            let answer = self.try_chat(message).await.ok()?;
            (answer.status < 500 && answer.status != 429).then_some(answer)
        })
        .await
    }

    /// Writes to the bot and watches the answer being written.
    pub async fn stream(&self, message: impl Into<Message>) -> Stream {
        self.open(message.into().put(&self.session, self.request("POST", "/api/v1/chat/stream"))).await
    }

    /// The same; an error when there is no answer.
    ///
    /// # Errors
    /// When there is no head of an answer.
    pub async fn try_stream(&self, message: &Message) -> reqwest::Result<Stream> {
        self.try_open(message.put(&self.session, self.request("POST", "/api/v1/chat/stream"))).await
    }

    /// Begins a session, or finds it.
    pub async fn create(&self) -> Answer {
        let body = json!({ "user_id": self.session });
        self.send(self.request("POST", "/api/v1/conversation/create").json(&body)).await
    }

    /// Begins a new conversation: the bot forgets.
    pub async fn new_conversation(&self) -> Answer {
        let body = json!({ "session_id": self.session });
        self.send(self.request("POST", "/api/v1/conversation/new").json(&body)).await
    }

    /// The same by its other name.
    pub async fn clear(&self) -> Answer {
        let body = json!({ "session_id": self.session });
        self.send(self.request("POST", "/api/v1/conversation/clear").json(&body)).await
    }

    /// Asks for a human.
    pub async fn escalate(&self, reason: &str) -> Answer {
        let body = json!({ "session_name": self.session, "reason": reason });
        self.send(self.request("POST", "/api/v1/manual/escalate").json(&body)).await
    }

    /// Writes to a human.
    pub async fn say_to_human(&self, text: &str) -> Answer {
        let body = json!({ "session_name": self.session, "role": "user", "content": text });
        self.send(self.request("POST", "/api/v1/manual/messages").json(&body)).await
    }

    /// Reads the session.
    pub async fn read(&self) -> Answer {
        self.send(self.request("GET", &format!("/api/v1/sessions/{}", self.session))).await
    }

    /// The session as it stands.
    pub async fn detail(&self) -> Detail {
        self.read().await.expect_ok().read("/data/session")
    }

    /// Follows the session, from the beginning or from after an event.
    pub async fn events(&self, after: Option<&str>) -> Stream {
        let request = self.request("GET", &format!("/api/v1/sessions/{}/events", self.session));
        let request = match after {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        self.open(request).await
    }

    /// What is on record, in order, as the event stream tells it.
    pub async fn log(&self) -> Vec<Value> {
        let head = self.detail().await.head;
        if head == 0 {
            return Vec::new();
        }
        let mut frames = self.events(None).await.frames();
        let told = frames.until(|frame| frame.seq() == Some(head)).await;
        told.into_iter().filter(|frame| frame.id.is_some()).map(|frame| frame.data).collect()
    }
}
