//! The gRPC service behind the edge, served over TCP or called in process.

use super::{
    listen,
    pb::{
        Delta, Echoed, Prompt,
        limit_server::{Limit, LimitServer},
    },
};
use crate::{error::Error, http1::line_end};
use bytes::{Buf as _, Bytes, BytesMut};
use futures::stream::BoxStream;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use std::{borrow::Cow, net::SocketAddr};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, transport::Server, transport::server::TcpIncoming};

/// HTTP/2 windows of the mesh: a stream that nobody reads must not fill the connection.
pub(crate) const STREAM_WINDOW: u32 = 16 << 10;
/// See [`STREAM_WINDOW`].
pub(crate) const CONNECTION_WINDOW: u32 = 64 << 20;

/// The service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Service {
    /// Asks the model at this base URL.
    pub(crate) fn new(upstream: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(4096).build(connector);
        Self { upstream: format!("{upstream}/chat/completions"), client }
    }

    fn ask(&self, prompt: &str) -> Result<hyper_util::client::legacy::ResponseFuture, http::Error> {
        let body = serde_json::json!({
            "model": "fake", "stream": true, "messages": [{"role": "user", "content": prompt}]
        });
        let request = http::Request::post(&self.upstream)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        Ok(self.client.request(request))
    }
}

/// Serves the service over TCP.
pub(crate) async fn run(address: SocketAddr, upstream: &str) -> Result<(), Error> {
    let incoming = TcpIncoming::from(listen(address)?).with_nodelay(Some(true));
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(LimitServer::new(Service::new(upstream)))
        .serve_with_incoming(incoming)
        .await
        .map_err(|error| Error::other("the gRPC limit failed", error))
}

#[tonic::async_trait]
impl Limit for Service {
    async fn echo(&self, request: Request<Echoed>) -> Result<Response<Echoed>, Status> {
        let Echoed { session, text, seq } = request.into_inner();
        Ok(Response::new(Echoed { session, text, seq: seq + 1 }))
    }

    type ChatStream = BoxStream<'static, Result<Delta, Status>>;

    async fn chat(&self, request: Request<Prompt>) -> Result<Response<Self::ChatStream>, Status> {
        let asked = self.ask(&request.into_inner().text);
        let asked = asked.map_err(|error| Status::internal(error.to_string()))?;
        let response = asked.await.map_err(|error| Status::unavailable(error.to_string()))?;
        let (sender, receiver) = mpsc::channel(32);
        tokio::spawn(async move {
            let mut body = response.into_body();
            let mut unread = BytesMut::new();
            let mut pieces = Vec::new();
            while let Some(Ok(frame)) = body.frame().await {
                let Ok(data) = frame.into_data() else { continue };
                unread.extend_from_slice(&data);
                drain(&mut unread, &mut pieces);
                for content in pieces.drain(..) {
                    if sender.send(Ok(Delta { content })).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(|delta| delta))))
    }
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Said<'a>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}

/// Takes whole lines out of `unread` and the text of each event into `pieces`.
fn drain(unread: &mut BytesMut, pieces: &mut Vec<String>) {
    while let Some(end) = line_end(unread) {
        let json = unread[..end].strip_prefix(b"data: ").filter(|json| *json != b"[DONE]");
        if let Some(Ok(chunk)) = json.map(serde_json::from_slice::<Chunk<'_>>) {
            let content = chunk.choices.into_iter().next().and_then(|choice| choice.delta.content);
            pieces.extend(content.filter(|text| !text.is_empty()).map(Cow::into_owned));
        }
        unread.advance(end + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_taken_out_of_events_however_they_are_cut() {
        let events = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\\\"b\"}}]}\n\n\
            data: {\"choices\":[{\"delta\":{}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"c\"}}]}\n\ndata: [DONE]\n\n";
        for cut in 0..events.len() {
            let (mut unread, mut pieces) = (BytesMut::from(&events[..cut]), Vec::new());
            drain(&mut unread, &mut pieces);
            unread.extend_from_slice(&events[cut..]);
            drain(&mut unread, &mut pieces);
            assert_eq!(pieces, ["a\"b", "c"], "cut at {cut}");
            assert!(unread.is_empty());
        }
    }
}
