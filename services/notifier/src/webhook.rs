//! Calls of endpoints, in the form of Standard Webhooks.
//!
//! The body is `{"type": kind, "timestamp": when it happened (RFC 3339, UTC), "data": {"session_name", "seq",
//! "event_id"}}`: what happened and where to read about it, none of what people wrote. `webhook-id` is the event's id, the
//! same in every attempt, so a receiver can tell repeats.

pub(crate) mod address;
pub(crate) mod sign;

use crate::{
    attempt::{Attempt, Outcome},
    config::Settings,
    store::{Leased, Target},
};
use address::{Forbidden, Guard};
use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::{Client, Response, StatusCode, header, redirect};
use serde_json::json;
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use switchboard_boot::BuildError;
use switchboard_domain::{Clock, Timestamp};

/// Calls endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    client: Client,
    guard: Guard,
    response_bytes: usize,
    clock: Arc<dyn Clock>,
}

impl Caller {
    /// With a client of its own: no redirects, no proxies, no addresses inside.
    ///
    /// # Errors
    /// [`BuildError`] when the TLS roots of this machine cannot be read.
    pub(crate) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let webhooks = &settings.webhooks;
        let guard = Guard { allow_private: webhooks.allow_private, allow_http: webhooks.allow_http };
        #[expect(clippy::disallowed_methods, reason = "this is the one builder")]
        let client = Client::builder()
            .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Arc::new(guard))
            .connect_timeout(webhooks.connect_timeout)
            .timeout(settings.delivery.attempt_timeout)
            .build()
            .map_err(|error| BuildError::new("no HTTP client can be built", error))?;
        Ok(Self { client, guard, response_bytes: webhooks.response_bytes, clock })
    }

    /// What an endpoint's address may be.
    pub(crate) fn guard(&self) -> Guard {
        self.guard
    }

    /// Makes one call.
    pub(crate) async fn call(&self, delivery: &Leased, target: &Target) -> Attempt {
        // Judged again: the settings may have become stricter since it was entered.
        let url = match self.guard.parse(&target.url) {
            Ok(url) => url,
            Err(forbidden) => return Attempt::refused(forbidden.to_string()),
        };
        let (id, now) = (delivery.event_id.as_str(), self.clock.now().seconds());
        let body = body(delivery);
        let request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", sign::signatures(&target.secrets, id, now, &body))
            .body(body);
        match request.send().await {
            Ok(response) => self.judge(response).await,
            Err(error) => unreachable(&error),
        }
    }

    async fn judge(&self, response: Response) -> Attempt {
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, self.clock.now()));
        // Read, so that the connection can be used again; more than a little is not worth that.
        self.swallow(response).await;
        let attempt = if status.is_success() {
            Attempt::delivered(None)
        } else if status.is_redirection() {
            Attempt::refused("the endpoint redirects")
        } else if is_passing(status) {
            let outcome = Outcome::Failed { blame: true, retry_after };
            Attempt { outcome, code: None, error: Some(format!("the endpoint answered {}", status.as_u16())) }
        } else {
            Attempt::refused(format!("the endpoint answered {}", status.as_u16()))
        };
        attempt.with_code(status.as_u16())
    }

    async fn swallow(&self, mut response: Response) {
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > self.response_bytes {
                return;
            }
        }
    }
}

/// Whether the next attempt may find another answer.
fn is_passing(status: StatusCode) -> bool {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || later.contains(&status)
}

/// How long a `Retry-After` asks to wait: seconds, or a date in one of the three forms of RFC 9110; one that is over asks
/// for nothing.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.millis()).ok()?);
    Some(date.duration_since(now).unwrap_or_default())
}

/// Names a failure without the address in it.
fn unreachable(error: &reqwest::Error) -> Attempt {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if inner.is::<Forbidden>() {
            return Attempt::refused(Forbidden::Private.to_string());
        }
        cause = inner.source();
    }
    Attempt::failed(if error.is_timeout() {
        "the endpoint did not answer in time"
    } else if error.is_connect() {
        "the endpoint could not be reached"
    } else {
        "the connection to the endpoint broke"
    })
}

/// What is sent, the same in every attempt.
fn body(delivery: &Leased) -> String {
    json!({
        "type": delivery.kind,
        "timestamp": rfc3339(delivery.at),
        "data": {
            "session_name": delivery.session,
            "seq": delivery.seq,
            "event_id": delivery.event_id,
        },
    })
    .to_string()
}

fn rfc3339(at: Timestamp) -> String {
    let at: DateTime<Utc> = DateTime::from_timestamp_millis(at.millis()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        // Sunday, the 6th of November 1994, 08:49:07 GMT.
        let now = Timestamp::from_millis(784_111_747_000);
        let table = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30)),
            ("Sun Nov  6 08:49:37 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (text, seconds) in table {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }
}
