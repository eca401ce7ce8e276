//! A program that is called: keeps every call, and answers as it is told.

use super::{Switch, serve::Server};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, StatusCode, Uri, header},
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How the receiver misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookFault {
    /// An HTTP status.
    Status(u16),
    /// An HTTP status with `Retry-After`, in seconds.
    RetryAfter(u16, u64),
    /// The answer takes so long.
    Slow(Duration),
    /// The caller is sent elsewhere.
    Redirect(String),
    /// The call is taken, no answer comes.
    Hang,
    /// A good status with a body of so many bytes.
    Flood(usize),
}

/// One call as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    /// Path and query.
    pub path: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// A running receiver. Stops, with all its connections, when dropped.
#[derive(Debug)]
pub struct FakeWebhook {
    /// What goes wrong.
    pub fault: Switch<WebhookFault>,
    shared: Arc<Shared>,
    server: Server,
}

#[derive(Debug, Default)]
struct Shared {
    fault: Switch<WebhookFault>,
    poison: Mutex<Vec<String>>,
    calls: Mutex<Vec<Call>>,
    count: watch::Sender<usize>,
}

impl FakeWebhook {
    /// Starts one at a free port.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let routes = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = Server::start(address, |_| routes).await;
        Self { fault: shared.fault.clone(), shared, server }
    }

    /// Where to call.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Calls with one of these texts in their body are answered with 500 from now on, whatever else is switched on.
    pub fn choke_on(&self, texts: &[&str]) {
        *self.shared.poison.lock() = texts.iter().map(ToString::to_string).collect();
    }

    /// All calls, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().clone()
    }

    /// Waits for so many calls, and gives them all.
    pub async fn wait_for(&self, count: usize) -> Vec<Call> {
        let mut calls = self.shared.count.subscribe();
        let waiting = calls.wait_for(|calls| *calls >= count);
        let made = tokio::time::timeout(crate::patience::PATIENCE, waiting).await;
        assert!(made.is_ok(), "{} calls, not {count}", self.calls().len());
        self.calls()
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let named = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    let is_poison = shared.poison.lock().iter().any(|text| body.contains(text));
    let headers = headers.iter().map(named).collect();
    shared.calls.lock().push(Call { path: uri.to_string(), headers, body });
    shared.count.send_modify(|count| *count += 1);
    let mut answer = Response::new(Body::empty());
    let status = |code| StatusCode::from_u16(code).expect("a status");
    if is_poison {
        *answer.status_mut() = status(500);
        return answer;
    }
    match shared.fault.take() {
        None => *answer.status_mut() = StatusCode::NO_CONTENT,
        Some(WebhookFault::Status(code)) => *answer.status_mut() = status(code),
        Some(WebhookFault::RetryAfter(code, seconds)) => {
            *answer.status_mut() = status(code);
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        Some(WebhookFault::Slow(time)) => tokio::time::sleep(time).await,
        Some(WebhookFault::Redirect(to)) => {
            *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            answer.headers_mut().insert(header::LOCATION, to.parse().expect("a header"));
        }
        Some(WebhookFault::Hang) => std::future::pending().await,
        Some(WebhookFault::Flood(size)) => *answer.body_mut() = Body::from(vec![b'x'; size]),
    }
    answer
}
