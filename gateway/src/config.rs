//! What an operator can set at the edge. The defaults stand, with the same comments, in the default configuration file.

mod agents;

pub use agents::Agents;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::{net::SocketAddr, time::Duration};
use switchboard_boot::Configured;

use crate::request::Network;

/// The configuration of the edge.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[gateway]`.
    pub gateway: Settings,
}

/// Table `[gateway]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where browsers and API clients connect.
    pub listen: SocketAddr,
    /// The address under which customers reach this server, `https://chat.example.com`. With https, cookies are Secure
    /// and HSTS is sent. Empty: unknown.
    pub public_url: String,
    /// Networks (`10.0.0.0/8`, `::1`) whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Longest time for a request up to its answer, or up to the head of a stream.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// Longest time that a client waits for the end of a turn.
    #[serde(with = "humantime_serde")]
    pub turn_timeout: Duration,
    /// Longest time that a client waits for a what-if report. A little more than `regulator.what_if.timeout`.
    #[serde(with = "humantime_serde")]
    pub what_if_timeout: Duration,
    /// Longest time for the body of a request to arrive.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Largest JSON body, in bytes.
    pub max_body_bytes: usize,
    /// Bytes of a body that is too large which are read and thrown away, so that the client gets to read the refusal.
    pub max_discard_bytes: usize,
    /// Deepest nesting of arrays and objects in a body.
    pub max_json_depth: usize,
    /// Longest message, in Unicode characters.
    pub max_message_chars: usize,
    /// Longest path with query, in bytes.
    pub max_uri_bytes: usize,
    /// Largest header block, in bytes.
    pub max_header_bytes: usize,
    /// Most header lines.
    pub max_headers: usize,
    /// Table `[gateway.server]`.
    pub server: Connections,
    /// Table `[gateway.drain]`.
    pub drain: Drain,
    /// Table `[gateway.admission]`.
    pub admission: Admission,
    /// Table `[gateway.rate]`.
    pub rate: Rate,
    /// Table `[gateway.cors]`.
    pub cors: Cors,
    /// Table `[gateway.headers]`.
    pub headers: Headers,
    /// Table `[gateway.sse]`.
    pub sse: Sse,
    /// Table `[gateway.visitor]`.
    pub visitor: Visitor,
    /// Table `[gateway.agent]`.
    pub agent: Agents,
    /// Table `[gateway.health]`.
    pub health: Health,
}

/// Table `[gateway.server]`: connections.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// Longest wait for the rest of a head that has begun, and for the first byte of a new connection.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// How long an HTTP/1.1 connection may be idle between two requests. Longer than the proxy in front keeps it, or the
    /// proxy meets a closed one now and then.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How often an idle HTTP/2 connection is probed.
    #[serde(with = "humantime_serde")]
    pub keep_alive_interval: Duration,
    /// How long a probe may stay unanswered.
    #[serde(with = "humantime_serde")]
    pub keep_alive_timeout: Duration,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// Open connections; further ones wait. 0: no limit.
    pub max_connections: usize,
    /// Requests that one HTTP/2 connection may have open.
    pub max_streams_per_connection: u32,
}

/// Table `[gateway.drain]`: stopping. The sum has to fit into `node.drain_timeout`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// How long requests are still accepted after readiness has become false.
    #[serde(with = "humantime_serde")]
    pub announce: Duration,
    /// Event streams end within this time, each at a random moment, so that clients do not all come back at once.
    #[serde(with = "humantime_serde")]
    pub bye_spread: Duration,
    /// How long open requests may take to finish.
    #[serde(with = "humantime_serde")]
    pub finish: Duration,
}

/// Table `[gateway.admission]`: how much is worked on at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// Requests in work; streams count up to their head. 0: no limit.
    pub max_concurrent: usize,
    /// Requests that may wait for a place.
    pub max_waiting: usize,
    /// Longest wait for a place.
    #[serde(with = "humantime_serde")]
    pub max_wait: Duration,
    /// What a refused client is told to wait, at least; up to twice as long.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
}

/// Table `[gateway.rate]`: requests per minute and client (visitor, agent, or address; IPv6 by /64), and how many of them may
/// come at once. 0 per minute: no limit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Messages to the bot.
    pub chat_per_minute: u32,
    /// Messages at once.
    pub chat_burst: u32,
    /// Other writes.
    pub write_per_minute: u32,
    /// Other writes at once.
    pub write_burst: u32,
    /// Reads.
    pub read_per_minute: u32,
    /// Reads at once.
    pub read_burst: u32,
    /// Sessions that one address may begin.
    pub new_sessions_per_minute: u32,
    /// Sessions that one address may begin at once.
    pub new_sessions_burst: u32,
    /// Attempts to log in and other uses of a password, for one address (or account, once it is known).
    pub auth_per_minute: u32,
    /// Such attempts at once.
    pub auth_burst: u32,
    /// API keys of one address that are looked up.
    pub api_keys_per_minute: u32,
    /// API keys of one address that are looked up at once.
    pub api_keys_burst: u32,
    /// How often forgotten clients are cleared away.
    #[serde(with = "humantime_serde")]
    pub cleanup_interval: Duration,
}

/// Table `[gateway.cors]`: other origins that may call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Exact origins, `https://shop.example.com`. Empty: none.
    pub origins: Vec<String>,
    /// How long a browser may keep the answer to a preflight.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
}

/// Table `[gateway.headers]`: security headers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Origins that may show the customer page in a frame. Empty: none.
    pub frame_ancestors: Vec<String>,
}

/// Table `[gateway.sse]`: event streams.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sse {
    /// How often an idle stream carries a comment.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// Shortest wait before a client comes back.
    #[serde(with = "humantime_serde")]
    pub retry_min: Duration,
    /// Longest wait before a client comes back.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
    /// Events that a slow client may be behind; then its stream is closed.
    pub buffer_events: usize,
    /// Bytes that a slow client may be behind; then its stream is closed.
    pub buffer_bytes: usize,
    /// How long a client may block the replay of what it missed.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Event streams of one customer.
    pub max_per_principal: usize,
    /// Event streams of one agent: his own and those of his sessions, in all of his tabs.
    pub max_per_agent: usize,
    /// Event streams in all. 0: no limit.
    pub max_total: usize,
    /// What a client over a limit is told to wait.
    #[serde(with = "humantime_serde")]
    pub refuse_retry: Duration,
    /// How long the end of an answer is waited for after the log has shown it.
    #[serde(with = "humantime_serde")]
    pub end_grace: Duration,
    /// First wait before an answer is joined again.
    #[serde(with = "humantime_serde")]
    pub follow_retry_min: Duration,
    /// Longest wait before an answer is joined again.
    #[serde(with = "humantime_serde")]
    pub follow_retry_max: Duration,
}

/// Table `[gateway.visitor]`: who customers are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// `iss` of the tokens that agent-auth signs.
    pub issuer: String,
    /// Name of the cookie.
    pub cookie: String,
    /// A token older than this is renewed when it is used.
    #[serde(with = "humantime_serde")]
    pub renew_after: Duration,
    /// Longest life of a token.
    #[serde(with = "humantime_serde")]
    pub max_lifetime: Duration,
    /// How far clocks may differ.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// Verified tokens that are remembered.
    pub cache_entries: u64,
    /// Shortest time between two fetches of the keys.
    #[serde(with = "humantime_serde")]
    pub jwks_refetch: Duration,
    /// Longest time for a fetch of the keys.
    #[serde(with = "humantime_serde")]
    pub jwks_timeout: Duration,
    /// `iss` of tokens that the shop signs.
    pub shop_issuer: String,
    /// HS256 secret of the shop, at least 32 bytes. Empty: shop tokens are refused.
    pub shop_secret: SecretString,
    /// Longest life of a token that the shop signs.
    #[serde(with = "humantime_serde")]
    pub shop_max_lifetime: Duration,
}

/// Table `[gateway.health]`: looking after the peers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Longest time for one check.
    #[serde(with = "humantime_serde")]
    pub check_timeout: Duration,
    /// How long a finding is told again without a new look.
    #[serde(with = "humantime_serde")]
    pub cache: Duration,
}

/// Shortest secret that resists guessing (RFC 7518 §3.2).
const SECRET_MIN_BYTES: usize = 32;

impl Settings {
    /// Whether customers come over https.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["gateway"];

    fn check(&self) -> Vec<(&'static str, String)> {
        let settings = &self.gateway;
        let mut problems = Vec::new();
        let mut require = |holds: bool, key: &'static str, problem: String| {
            if !holds {
                problems.push((key, problem));
            }
        };
        if !settings.public_url.is_empty() {
            let told = "must be an origin like https://chat.example.com".to_owned();
            require(is_origin(&settings.public_url), "gateway.public_url", told);
        }
        for network in &settings.trusted_proxies {
            let told = format!("`{network}` is no address or network like 10.0.0.0/8");
            require(Network::parse(network).is_some(), "gateway.trusted_proxies", told);
        }
        for origin in &settings.cors.origins {
            let told = format!("`{origin}` is no exact origin like https://shop.example.com");
            require(is_origin(origin), "gateway.cors.origins", told);
        }
        for origin in &settings.headers.frame_ancestors {
            let told = format!("`{origin}` is no exact origin like https://shop.example.com");
            require(is_origin(origin), "gateway.headers.frame_ancestors", told);
        }
        let secret = settings.visitor.shop_secret.expose_secret();
        if !secret.is_empty() {
            let told = format!("must have at least {SECRET_MIN_BYTES} bytes");
            require(secret.len() >= SECRET_MIN_BYTES, "gateway.visitor.shop_secret", told);
            let issuer = &settings.visitor.shop_issuer;
            let told = "is needed with a secret, and must differ from gateway.visitor.issuer".to_owned();
            require(
                !issuer.is_empty() && *issuer != settings.visitor.issuer,
                "gateway.visitor.shop_issuer",
                told,
            );
        }
        let cookie = &settings.visitor.cookie;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let told = "must be letters, digits, - and _".to_owned();
        require(!cookie.is_empty() && cookie.bytes().all(is_name), "gateway.visitor.cookie", told);
        let sse = &settings.sse;
        require(sse.retry_min <= sse.retry_max, "gateway.sse.retry_max", "is below retry_min".into());
        require(!sse.heartbeat.is_zero(), "gateway.sse.heartbeat", "must be above zero".into());
        for (key, value) in [
            ("gateway.sse.buffer_events", sse.buffer_events),
            ("gateway.sse.buffer_bytes", sse.buffer_bytes),
            ("gateway.sse.max_per_principal", sse.max_per_principal),
            ("gateway.sse.max_per_agent", sse.max_per_agent),
            ("gateway.max_body_bytes", settings.max_body_bytes),
            ("gateway.max_message_chars", settings.max_message_chars),
        ] {
            require(value > 0, key, "at least 1".into());
        }
        let told = "at least 1s".to_owned();
        require(settings.rate.cleanup_interval.as_secs() > 0, "gateway.rate.cleanup_interval", told);
        problems.extend(settings.agent.problems());
        problems
    }
}

/// Whether a text is an origin: scheme and host, no path.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    matches!(scheme, "http" | "https")
        && !host.is_empty()
        && !host.contains(['/', '*', '?', '#', ' ', ',', ';', '\'', '"'])
        && text.parse::<http::Uri>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        for good in ["https://shop.example.com", "http://127.0.0.1:8000", "https://[::1]:8443"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in
            ["null", "*", "https://", "https://*.example.com", "https://a/b", "ftp://a", "shop.example.com"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn the_defaults_have_no_problem_and_bad_values_are_named() {
        let mut config = Config { gateway: crate::testing::settings() };
        assert_eq!(config.check(), []);
        config.gateway.cors.origins = vec!["null".into()];
        config.gateway.visitor.shop_secret = "short".to_owned().into();
        config.gateway.trusted_proxies = vec!["10.0.0.0/33".into()];
        config.gateway.sse.buffer_events = 0;
        let keys: Vec<_> = config.check().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            [
                "gateway.trusted_proxies",
                "gateway.cors.origins",
                "gateway.visitor.shop_secret",
                "gateway.visitor.shop_issuer",
                "gateway.sse.buffer_events"
            ]
        );
    }
}
