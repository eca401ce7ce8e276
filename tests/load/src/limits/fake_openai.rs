//! A model that answers at once, or at a pace: OpenAI's event stream, each token the moment at which it is sent.

use super::serve;
use crate::{clock::now_ns, error::Error};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

/// How answers look.
#[derive(Debug)]
struct Pace {
    tokens: AtomicU32,
    gap_us: AtomicU32,
}

/// Serves `POST /v1/chat/completions`; `POST /pace/{tokens}/{gap_us}` changes what further answers look like.
pub(crate) async fn run(address: SocketAddr, tokens: u32) -> Result<(), Error> {
    let pace = Arc::new(Pace { tokens: tokens.into(), gap_us: 0.into() });
    let router = Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/pace/{tokens}/{gap_us}", post(set_pace))
        .route("/ready", get(|| async {}))
        .with_state(pace);
    serve(address, router).await
}

async fn set_pace(State(pace): State<Arc<Pace>>, Path((tokens, gap_us)): Path<(u32, u32)>) {
    pace.tokens.store(tokens, Relaxed);
    pace.gap_us.store(gap_us, Relaxed);
}

async fn complete(State(pace): State<Arc<Pace>>, _question: Bytes) -> Response {
    let (tokens, gap) = (pace.tokens.load(Relaxed), Duration::from_micros(pace.gap_us.load(Relaxed).into()));
    let (sender, receiver) = mpsc::channel::<Bytes>(32);
    tokio::spawn(async move {
        for _ in 0..tokens {
            if !gap.is_zero() {
                tokio::time::sleep(gap).await;
            }
            if sender.send(chunk(&format!("{} ", now_ns()), "null").into()).await.is_err() {
                return;
            }
        }
        // The reader may have gone: then nobody misses the end.
        let _ = sender.send(format!("{}data: [DONE]\n\n", chunk("", "\"stop\"")).into()).await;
    });
    let body = Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, Infallible>));
    ([(CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response()
}

fn chunk(content: &str, finish_reason: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1763800000,\
         \"model\":\"fake\",\"system_fingerprint\":\"fp_0\",\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\
         \"content\":\"{content}\"}},\"logprobs\":null,\"finish_reason\":{finish_reason}}}]}}\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::chunk;

    #[test]
    fn chunks_are_json_in_an_event() {
        let chunk = chunk("17 ", "null");
        let json = chunk.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["choices"][0]["delta"]["content"], "17 ");
        assert!(json["choices"][0]["finish_reason"].is_null());
    }
}
