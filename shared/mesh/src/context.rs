//! What travels with every call: request id, trace, on whose behalf, from which part, until when. As metadata between
//! parts (the same in one process and over TCP), as a task-local inside a part, so that a handler's own calls carry it
//! without being told.

use crate::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{future::Future, net::IpAddr, time::Duration};
use switchboard_domain::{Clock, Principal, RequestId, Rng, ServiceName};
use tokio::time::Instant;

/// The request's id, from the edge to the last log line.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// On whose behalf.
pub const PRINCIPAL: HeaderName = HeaderName::from_static("x-switchboard-principal");
/// The calling part.
pub const CALLER: HeaderName = HeaderName::from_static("x-switchboard-caller");
/// The client's address.
pub const CLIENT: HeaderName = HeaderName::from_static("x-switchboard-client");
/// gRPC's own deadline header.
pub const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

tokio::task_local! {
    static CURRENT: CallContext;
}

/// What travels with a call.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The request, as it entered at the edge.
    pub request: RequestId,
    /// The trace it belongs to.
    pub trace: TraceContext,
    /// On whose behalf.
    pub principal: Principal,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// The address that the request came from, as the edge judged it. For the audit log only.
    pub client: Option<IpAddr>,
}

impl CallContext {
    /// A context for work that nobody asked for: sweepers, relays.
    pub fn background(service: ServiceName, clock: &dyn Clock, rng: &dyn Rng) -> Self {
        Self {
            request: RequestId::mint(clock, rng),
            trace: TraceContext::mint(rng),
            principal: Principal::Service(service),
            deadline: None,
            client: None,
        }
    }

    /// The same request, carried on by a part of the mesh for itself and without the caller's deadline.
    pub fn detached(&self, service: ServiceName) -> Self {
        Self { principal: Principal::Service(service), deadline: None, ..self.clone() }
    }

    /// The same request on another's behalf.
    pub fn acting_as(&self, principal: Principal) -> Self {
        Self { principal, ..self.clone() }
    }

    /// The context of the running task.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` in this context.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Reads the context of an arriving call. What is missing is made here; a malformed principal is nobody.
    pub fn read(headers: &HeaderMap, now: Instant, clock: &dyn Clock, rng: &dyn Rng) -> Self {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let principal = text(&PRINCIPAL).and_then(Principal::parse).unwrap_or(Principal::Anonymous);
        Self {
            request: text(&REQUEST_ID)
                .and_then(|id| RequestId::parse(id).ok())
                .unwrap_or_else(|| RequestId::mint(clock, rng)),
            trace: text(&TRACEPARENT)
                .and_then(TraceContext::parse)
                .unwrap_or_else(|| TraceContext::mint(rng)),
            principal,
            deadline: text(&TIMEOUT).and_then(parse_timeout).and_then(|budget| now.checked_add(budget)),
            client: text(&CLIENT).and_then(|address| address.parse().ok()),
        }
    }

    /// Writes the context onto a call that is about to be made.
    pub fn write(&self, headers: &mut HeaderMap) {
        let trace = TraceContext::current_or(Some(self.trace)).unwrap_or(self.trace);
        for (name, text) in [
            (REQUEST_ID, self.request.to_string()),
            (TRACEPARENT, trace.to_string()),
            (PRINCIPAL, self.principal.to_string()),
        ] {
            // All three are printable ASCII by construction.
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
        if let Some(value) = self.client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
            headers.insert(CLIENT, value);
        }
    }
}

/// Reads a `grpc-timeout`: up to eight digits and a unit.
pub fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Writes a `grpc-timeout`, in milliseconds, at most eight digits.
pub fn format_timeout(budget: Duration) -> HeaderValue {
    let ms = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX).min(99_999_999);
    // Digits and a letter are always a valid header value.
    HeaderValue::try_from(format!("{ms}m")).unwrap_or_else(|_| HeaderValue::from_static("0m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        assert_eq!(parse_timeout("150m"), Some(Duration::from_millis(150)));
        assert_eq!(parse_timeout("2S"), Some(Duration::from_secs(2)));
        assert_eq!(format_timeout(Duration::from_millis(150)), "150m");
        for bad in ["", "m", "5", "-1S", "+1S", "123456789m", "1x", "1秒"] {
            assert_eq!(parse_timeout(bad), None, "{bad}");
        }
    }
}
