//! What happens to every request first and last: an id, a trace, a span, who knocks, and one measurement at the end.

use crate::{error::ProblemCode, state::App};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use switchboard_domain::{Principal, RequestId};
use switchboard_mesh::{CallContext, TraceContext, context::TRACEPARENT};
use tokio::time::Instant;
use tracing::{Instrument as _, field::Empty};

/// The request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The client's address, as far as it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientIp(pub(crate) IpAddr);

/// Gives the request its context, runs it, and tells once how it ended.
pub(crate) async fn context(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let headers = request.headers();
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let id = text(&REQUEST_ID)
        .and_then(|id| RequestId::parse(id).ok())
        .unwrap_or_else(|| RequestId::mint(&*app.clock, &*app.rng));
    let trace =
        text(&TRACEPARENT).and_then(TraceContext::parse).unwrap_or_else(|| TraceContext::mint(&*app.rng));
    let ip = client_ip(request.extensions().get::<Peer>().copied(), headers, &app.trusted);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("other", MatchedPath::as_str).to_owned();
    let method = method_name(request.method());
    let span = tracing::info_span!(
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        method,
        route,
        status = Empty,
        duration_ms = Empty,
        request_id = %id,
        trace_id = Empty,
    );
    if !span.is_disabled() {
        span.record("trace_id", trace.trace_id());
        trace.adopt(&span);
    }
    let deadline = started.checked_add(app.settings.request_timeout);
    let call =
        CallContext { request: id, trace, principal: Principal::Anonymous, deadline, client: Some(ip) };
    request.extensions_mut().insert(ClientIp(ip));
    let open = InFlight::begin();
    let mut response = call.scope(next.run(request)).instrument(span.clone()).await;
    drop(open);
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    tell(&span, method, route, &response, started);
    response
}

fn tell(span: &tracing::Span, method: &'static str, route: String, response: &Response, started: Instant) {
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    span.record("status", status);
    span.record("duration_ms", (elapsed.as_secs_f64() * 1_000_000.0).round() / 1000.0);
    let code = response.extensions().get::<ProblemCode>().map_or("", |code| code.0.as_str());
    span.in_scope(|| match status {
        500.. => tracing::warn!(code, "request failed"),
        400..500 => tracing::info!(code, "request refused"),
        _ if method == "POST" => tracing::info!("request served"),
        _ => tracing::debug!("request served"),
    });
    metrics::histogram!("switchboard_http_seconds", "route" => route, "method" => method, "code" => status.to_string())
        .record(elapsed.as_secs_f64());
}

/// The names of the methods that exist; a client cannot invent a metric label.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Counts open requests, also those that a client gives up.
struct InFlight;

impl InFlight {
    fn begin() -> Self {
        metrics::gauge!("switchboard_http_in_flight").increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("switchboard_http_in_flight").decrement(1.0);
    }
}

/// The address that counts for limits. What a proxy adds to `X-Forwarded-For` is believed from right to left, as long as
/// those who say it are trusted.
fn client_ip(peer: Option<Peer>, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip()).to_canonical();
    if trusted.is_empty() {
        return peer;
    }
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    if !is_trusted(peer) {
        return peer;
    }
    let told = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = told.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Ok(ip) = hop.parse::<IpAddr>() else { break };
        client = ip.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// A network: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8` or a single address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.trim().parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).ok().filter(|bits| *bits <= most)?;
        Some(Self { address, bits })
    }

    fn contains(self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => {
                let differ = mine.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(mine), IpAddr::V6(other)) => {
                let differ = mine.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl ClientIp {
    /// The address as a key of limits: one customer has a whole IPv6 /64.
    pub(crate) fn key(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| Network::parse(text).unwrap()).collect();
        client_ip(Some(Peer(peer.parse().unwrap())), &headers, &trusted).to_string()
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_peers() {
        assert_eq!(ip("9.9.9.9:1", &["1.1.1.1"], &[]), "9.9.9.9");
        assert_eq!(ip("9.9.9.9:1", &["1.1.1.1"], &["10.0.0.0/8"]), "9.9.9.9");
        assert_eq!(ip("10.1.2.3:1", &["1.1.1.1"], &["10.0.0.0/8"]), "1.1.1.1");
        // The left end is what the client claims.
        assert_eq!(ip("10.1.2.3:1", &["6.6.6.6, 1.1.1.1, 10.9.9.9"], &["10.0.0.0/8"]), "1.1.1.1");
        assert_eq!(ip("10.1.2.3:1", &["6.6.6.6", "1.1.1.1"], &["10.0.0.0/8"]), "1.1.1.1");
        assert_eq!(ip("10.1.2.3:1", &["nonsense"], &["10.0.0.0/8"]), "10.1.2.3");
        assert_eq!(ip("[::ffff:10.1.2.3]:1", &["1.1.1.1"], &["10.0.0.0/8"]), "1.1.1.1");
    }

    #[test]
    fn one_v6_customer_is_one_key() {
        let key = |text: &str| ClientIp(text.parse().unwrap()).key();
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2::9"));
        assert_ne!(key("2001:db8:1:2::9"), key("2001:db8:1:3::9"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    }

    #[test]
    fn networks() {
        for bad in ["", "10.0.0.0/33", "::1/129", "10.0.0/8", "10.0.0.0/x", "/8"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    }
}
