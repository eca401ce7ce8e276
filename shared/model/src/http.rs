//! The one place where HTTP clients are built and where their failures get a name.

use crate::{Limits, ModelError, Phase, Timers};
use reqwest::{Client, Response, header, redirect};
use std::error::Error as _;

/// Builds the client that all providers share: TLS by rustls, no redirects (a redirect would carry our credentials
/// elsewhere). Proxies come from the usual environment variables.
///
/// # Errors
/// [`ModelError::Misconfigured`] when the TLS roots of this machine cannot be read.
#[expect(clippy::disallowed_methods, reason = "this is the one builder")]
pub fn http(timers: &Timers) -> Result<Client, ModelError> {
    Client::builder()
        .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(timers.connect)
        .tcp_keepalive(timers.keep_alive)
        .http2_keep_alive_interval(timers.keep_alive)
        .http2_keep_alive_timeout(timers.keep_alive)
        .build()
        .map_err(|error| {
            tracing::error!(error.cause = %chain(&error), "no HTTP client could be built");
            ModelError::Misconfigured { hint: "the TLS roots of this machine" }
        })
}

/// Names a failure to send a request or to read a response's head.
pub(crate) fn transport(provider: &'static str, error: reqwest::Error) -> ModelError {
    let error = error.without_url();
    tracing::warn!(model.provider = provider, error.cause = %chain(&error), "model provider not reached");
    if error.is_builder() {
        ModelError::Misconfigured { hint: "a value that cannot be sent as a header or address" }
    } else if error.is_timeout() {
        ModelError::Timeout { phase: Phase::Connect } // the client has no other timer than that of connecting
    } else {
        ModelError::Unreachable
    }
}

/// Names a failure to read on in a response's body.
pub(crate) fn cut(provider: &'static str, error: reqwest::Error) -> ModelError {
    let error = error.without_url();
    tracing::warn!(model.provider = provider, error.cause = %chain(&error), "model provider cut its reply off");
    ModelError::Interrupted
}

/// Reads a body that is no stream, up to the limit.
pub(crate) async fn body(
    provider: &'static str,
    limits: &Limits,
    mut response: Response,
) -> Result<Vec<u8>, ModelError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cut(provider, error))? {
        if body.len() + chunk.len() > limits.line_bytes {
            return Err(ModelError::BadReply);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether a response is an event stream; one that does not say what it is counts as such.
pub(crate) fn is_event_stream(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_none_or(|value| {
        let kind = value.as_bytes();
        kind.len() >= EVENT_STREAM.len() && kind[..EVENT_STREAM.len()].eq_ignore_ascii_case(EVENT_STREAM)
    })
}

const EVENT_STREAM: &[u8] = b"text/event-stream";

/// An error and its causes, in one line.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
