//! A server that speaks the OpenAI chat completion protocol.

use super::{
    Fault, Switch,
    script::{self, Frames},
    serve::Server,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};

/// The model it knows.
pub const MODEL: &str = "shop-1";
/// The key it accepts, as `Authorization: Bearer` and as `api-key`.
pub const API_KEY: &str = "sk-test-0123456789";

/// How a fake starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether calls without the key are refused.
    pub needs_key: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), needs_key: true }
    }
}

/// What was called so far.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// Bodies of all calls with a good key, refused ones included.
    pub requests: Vec<Value>,
    /// Calls refused because of their key.
    pub unauthorized: usize,
    /// Streams sent to their end.
    pub finished: usize,
    /// Streams that ended because the client, or a fault, ended them.
    pub abandoned: usize,
}

/// A fake server; stops when dropped.
#[derive(Debug)]
pub struct FakeOpenAi {
    server: Server,
    vendor: Arc<Vendor>,
    /// Fault of the chat.
    pub chat: Switch,
}

#[derive(Debug)]
struct Vendor {
    needs_key: bool,
    state: Mutex<State>,
    chat: Switch,
}

#[derive(Debug, Default)]
struct State {
    answer: Option<String>,
    calls: Calls,
}

impl FakeOpenAi {
    /// Starts one.
    pub async fn start(options: Options) -> Self {
        let chat = Switch::default();
        let state = Mutex::new(State::default());
        let vendor = Arc::new(Vendor { needs_key: options.needs_key, state, chat: chat.clone() });
        let shared = Arc::clone(&vendor);
        let routes = |_| Router::new().route("/v1/chat/completions", post(complete)).with_state(shared);
        Self { server: Server::start(options.address, routes).await, vendor, chat }
    }

    /// What a client is configured with.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.server.address())
    }

    /// What was called so far.
    pub fn calls(&self) -> Calls {
        self.vendor.state.lock().calls.clone()
    }

    /// Answers this text from now on, instead of repeating what the customer said.
    pub fn set_answer(&self, text: Option<&str>) {
        self.vendor.state.lock().answer = text.map(str::to_owned);
    }
}

/// An error in the protocol's form.
fn error(status: StatusCode, kind: &str, code: &Value) -> Response {
    let error = json!({ "message": "the vendor's own words", "type": kind, "param": null, "code": code });
    (status, Json(json!({ "error": error }))).into_response()
}

/// The faults that need no body; `None` when the call is to be served.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other faults lie in the stream")]
async fn broken(fault: Option<&Fault>) -> Option<Response> {
    match fault? {
        Fault::Hang => std::future::pending().await,
        Fault::Status(status) => {
            let mut response =
                error(StatusCode::from_u16(*status).expect("a status"), "server_error", &Value::Null);
            if response.status().is_redirection() {
                response.headers_mut().insert("location", HeaderValue::from_static("/elsewhere"));
            }
            Some(response)
        }
        Fault::JsonError(code) => Some(error(StatusCode::OK, "server_error", &json!(code))),
        Fault::Page => Some(axum::response::Html("<html>maintenance</html>").into_response()),
        _ => None,
    }
}

async fn complete(Shared(vendor): Shared<Arc<Vendor>>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = vendor.chat.take();
    if let Some(response) = broken(fault.as_ref()).await {
        return response;
    }
    if vendor.needs_key && !has_key(&headers) {
        vendor.state.lock().calls.unauthorized += 1;
        return error(StatusCode::UNAUTHORIZED, "invalid_request_error", &json!("invalid_api_key"));
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", &Value::Null);
    };
    let fixed = {
        let mut state = vendor.state.lock();
        state.calls.requests.push(body.clone());
        state.answer.clone()
    };
    if body["model"] != MODEL {
        return error(StatusCode::NOT_FOUND, "invalid_request_error", &json!("model_not_found"));
    }
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let by_customer: Vec<&str> = messages
        .iter()
        .filter(|said| said["role"] == "user")
        .filter_map(|said| said["content"].as_str())
        .collect();
    if body["stream"] != true || by_customer.is_empty() {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", &Value::Null);
    }
    let answer = fixed.unwrap_or_else(|| format!("收到：{}", by_customer.join("；")));
    let frames = frames(&answer, fault.as_ref());
    let report = move |sent_all| {
        let mut state = vendor.state.lock();
        let count = if sent_all { &mut state.calls.finished } else { &mut state.calls.abandoned };
        *count += 1;
    };
    let body = script::body(frames, fault.as_ref(), report);
    ([("content-type", "text/event-stream; charset=utf-8")], body).into_response()
}

fn has_key(headers: &HeaderMap) -> bool {
    let is = |name: &str, expected: &str| headers.get(name).is_some_and(|value| value == expected);
    is("authorization", &format!("Bearer {API_KEY}")) || is("api-key", API_KEY)
}

/// The chunks of an answer; faults that are chunks themselves are already in there.
fn frames(answer: &str, fault: Option<&Fault>) -> Frames {
    let mut pieces = script::pieces(answer);
    if fault == Some(&Fault::ControlCharacters) {
        script::with_control_characters(&mut pieces);
    }
    let mut texts: Vec<String> =
        pieces.iter().map(|text| chunk(&json!({ "content": text }), &Value::Null, fault)).collect();
    let opening = vec![chunk(&json!({ "role": "assistant", "content": "" }), &Value::Null, fault)];
    let mut closing = vec![
        chunk(&json!({}), &json!("stop"), fault),
        event(
            &json!({ "object": "chat.completion.chunk", "choices": [], "usage": { "total_tokens": 9 } }),
            fault,
        ),
        event(&"[DONE]", fault),
    ];
    let half = texts.len().div_ceil(2);
    let (last, kept) = match fault {
        Some(Fault::Failed(code) | Fault::ErrorEvent(Some(code))) => (told(&json!(code)), 0),
        Some(Fault::ErrorEvent(None)) => (told(&Value::Null), 0),
        Some(Fault::ErrorEventLater(code)) => (told(&json!(code)), half),
        Some(Fault::RequiresAction) => (chunk(&json!({}), &json!("tool_calls"), fault), 0),
        Some(Fault::Canceled) => (chunk(&json!({}), &json!("content_filter"), fault), half),
        _ => return Frames { opening, texts, closing },
    };
    texts.truncate(kept);
    closing = vec![last];
    Frames { opening, texts, closing }
}

fn told(code: &Value) -> String {
    let error = json!({ "message": "the vendor's own words", "type": "server_error", "code": code });
    format!("data: {}\n\n", json!({ "error": error }))
}

fn chunk(delta: &Value, finish_reason: &Value, fault: Option<&Fault>) -> String {
    let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason });
    let data = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice],
    });
    event(&data, fault)
}

fn event(data: &impl std::fmt::Display, fault: Option<&Fault>) -> String {
    if fault == Some(&Fault::NoSpace) { format!("data:{data}\n\n") } else { format!("data: {data}\n\n") }
}
