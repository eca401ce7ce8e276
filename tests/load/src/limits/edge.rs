//! The edge of the limits:
//!
//! | path | limit |
//! | --- | --- |
//! | `POST /a/echo` | (a) JSON in, JSON out |
//! | `POST /bi/echo`, `/b/echo` | (b) JSON to gRPC and back, in process and over TCP |
//! | `GET /c/stream` | (c) one event, then the stream stays open until the client leaves |
//! | `POST /di/chat`, `/d/chat` | (d) an answer of the model as events, the service in process and over TCP |

use super::{
    pb::{Delta, Echoed, Prompt, limit_client::LimitClient, limit_server::LimitServer},
    serve,
    service::{CONNECTION_WINDOW, STREAM_WINDOW, Service},
};
use crate::error::Error;
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::{get, post},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, net::SocketAddr};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

#[derive(Debug, Serialize, Deserialize)]
struct Message {
    session: String,
    text: String,
    seq: i64,
}

#[derive(Debug, Clone)]
struct App {
    remote: LimitClient<Channel>,
    inside: LimitClient<LimitServer<Service>>,
}

/// Serves all paths; `service` is where the service is found over TCP, `upstream` the base URL of the model.
pub(crate) async fn run(address: SocketAddr, service: SocketAddr, upstream: &str) -> Result<(), Error> {
    let endpoint = Endpoint::from_shared(format!("http://{service}"))
        .map_err(|error| Error::other("the service has no address", error))?;
    let channel = endpoint
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect_lazy();
    let app = App {
        remote: LimitClient::new(channel),
        inside: LimitClient::new(LimitServer::new(Service::new(upstream))),
    };
    let router = Router::new()
        .route("/ready", get(|| async {}))
        .route("/a/echo", post(echo))
        .route("/b/echo", post(echo_remote))
        .route("/bi/echo", post(echo_inside))
        .route("/c/stream", get(one_event))
        .route("/d/chat", post(chat_remote))
        .route("/di/chat", post(chat_inside))
        .with_state(app);
    serve(address, router).await
}

async fn echo(Json(message): Json<Message>) -> Json<Message> {
    Json(Message { seq: message.seq + 1, ..message })
}

async fn echo_remote(
    State(mut app): State<App>,
    Json(message): Json<Message>,
) -> Result<Json<Message>, Failed> {
    Ok(from_wire(app.remote.echo(to_wire(message)).await?.into_inner()))
}

async fn echo_inside(
    State(mut app): State<App>,
    Json(message): Json<Message>,
) -> Result<Json<Message>, Failed> {
    Ok(from_wire(app.inside.echo(to_wire(message)).await?.into_inner()))
}

async fn chat_remote(State(mut app): State<App>, text: String) -> Result<Response, Failed> {
    Ok(events(app.remote.chat(Prompt { text }).await?.into_inner()))
}

async fn chat_inside(State(mut app): State<App>, text: String) -> Result<Response, Failed> {
    Ok(events(app.inside.chat(Prompt { text }).await?.into_inner()))
}

async fn one_event() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::iter([Ok(Event::default().id("1.1").data("{}"))]).chain(stream::pending()))
}

fn to_wire(message: Message) -> Echoed {
    Echoed { session: message.session, text: message.text, seq: message.seq }
}

fn from_wire(message: Echoed) -> Json<Message> {
    Json(Message { session: message.session, text: message.text, seq: message.seq })
}

/// Ready frames in a plain body: less work than an `Event` each.
fn events(deltas: impl Stream<Item = Result<Delta, Status>> + Send + 'static) -> Response {
    let frames = deltas.map(|delta| delta.map(|delta| frame(&delta.content)));
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")], Body::from_stream(frames))
        .into_response()
}

fn frame(content: &str) -> Bytes {
    let mut frame = Vec::with_capacity(content.len() + 24);
    frame.extend_from_slice(b"data: {\"content\":\"");
    frame.extend_from_slice(content.as_bytes());
    frame.extend_from_slice(b"\"}\n\n");
    frame.into()
}

/// The service gave no answer.
#[derive(Debug)]
struct Failed(Status);

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Self(status)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::BAD_GATEWAY, self.0.to_string()).into_response()
    }
}
