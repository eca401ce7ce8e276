//! Switchboard as its users see it: HTTP, JSON, event streams. What a browser keeps, a [`Visitor`] keeps.

mod agent;
mod message;
mod visitor;

pub use agent::{ADMIN_PASSWORD, AGENT_PASSWORD, Agent};
pub use message::{Detail, Logged, Message};
pub use visitor::{Stream, Visitor};

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Longest wait for the head of an answer: longer than the server's own deadlines.
const HEAD: Duration = Duration::from_secs(100);

/// An HTTP client for one server, without any identity.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    async fn of(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    /// A part of the body, by JSON pointer.
    pub fn read<T: DeserializeOwned>(&self, pointer: &str) -> T {
        let part = self.json().pointer(pointer).cloned().unwrap_or_default();
        serde_json::from_value(part)
            .unwrap_or_else(|error| panic!("{pointer}: {error}: {} {}", self.status, self.text))
    }

    /// The machine code of a problem; empty for anything else.
    pub fn code(&self) -> String {
        serde_json::from_str::<Value>(&self.text)
            .ok()
            .and_then(|body| body["code"].as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Status and code together, for comparing.
    pub fn problem(&self) -> (u16, String) {
        (self.status, self.code())
    }

    /// A header as text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Fails the test unless this is a success.
    pub fn expect_ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }
}

impl Client {
    /// A client for the server at `base`, without a path.
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).read_timeout(HEAD);
        // Redirects, proxies and cookies would hide what the server says.
        let http = http.redirect(reqwest::redirect::Policy::none()).no_proxy();
        Self { http: http.build().expect("an HTTP client"), base: base.to_owned() }
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().expect("a method"), format!("{}{path}", self.base))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn try_send(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        Answer::of(request.send().await?).await
    }

    /// Sends a request; the test fails when there is no whole answer.
    pub async fn send(request: reqwest::RequestBuilder) -> Answer {
        Self::try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends a request and gives the head of the answer; the body too, unless it is a stream without end.
    pub async fn head(request: reqwest::RequestBuilder) -> Answer {
        Stream::open(request).await.head
    }

    /// Reads something that everybody may read.
    pub async fn get(&self, path: &str) -> Answer {
        Self::send(self.request("GET", path)).await
    }

    /// The same; `None` when there is no whole answer.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        Self::try_send(self.request("GET", path)).await.ok()
    }

    /// Posts JSON without any identity.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request("POST", path).json(body)).await
    }

    /// A customer with this session name, who has no token yet.
    pub fn visitor(&self, session: &str) -> Visitor {
        Visitor::new(self.clone(), session)
    }

    /// A customer with this session name and a token.
    pub fn visitor_with(&self, session: &str, token: &str) -> Visitor {
        let visitor = self.visitor(session);
        visitor.set_token(Some(token.to_owned()));
        visitor
    }
}
