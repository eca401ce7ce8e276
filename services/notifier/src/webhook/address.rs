//! Where endpoints may be: outside. A name is looked up when a call is made, so that one which pointed outside when it was
//! entered cannot point inside later.

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Longest URL, in bytes.
const URL_MAX: usize = 2000;

/// What an endpoint's address may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    /// Private addresses too.
    pub(crate) allow_private: bool,
    /// Plain http too, to a loopback address.
    pub(crate) allow_http: bool,
}

/// Why an address may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    /// It is none.
    #[error("not an absolute https address without user name and fragment")]
    Malformed,
    /// It is inside.
    #[error("the address is private, local or reserved")]
    Private,
}

impl Guard {
    /// Reads a URL; one with an address instead of a name is judged here and now.
    pub(crate) fn parse(self, text: &str) -> Result<Url, Forbidden> {
        if text.len() > URL_MAX || text.chars().any(char::is_control) {
            return Err(Forbidden::Malformed);
        }
        let url = Url::parse(text).map_err(|_| Forbidden::Malformed)?;
        let host = url.host_str().ok_or(Forbidden::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Forbidden::Malformed);
        }
        let address = literal(host);
        let local = address.map_or(is_localhost(host), |address| address.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http && local => {}
            _ => return Err(Forbidden::Malformed),
        }
        let inside = address.map_or(is_localhost(host), |address| !is_public(address));
        if inside && !self.allow_private {
            return Err(Forbidden::Private);
        }
        Ok(url)
    }

    /// Whether an address that a name stands for may be called.
    fn admits(self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One that points inside and outside is up to something.
            if found.iter().any(|address| !guard.admits(address.ip())) {
                return Err(Box::new(Forbidden::Private) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether the whole internet means the same place by it.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        // This network, private, loopback, link-local (cloud metadata lives there), multicast and what is above.
        (0 | 10 | 127 | 224.., _, _) | (169, 254, _) | (192, 168, _)
        // Private; carrier-grade NAT; benchmarks.
        | (172, 16..=31, _) | (100, 64..=127, _) | (198, 18..=19, _)
        // Protocol assignments, documentation, the old 6to4 relay.
        | (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = inner_v4(address) {
        return is_public_v4(inner);
    }
    let [a, b, ..] = address.segments();
    // Global unicast is 2000::/3; in it 2001:0::/23 (Teredo and protocols), 2001:db8::/32 and 3fff::/20 (documentation)
    // are not.
    (0x2000..=0x3fff).contains(&a)
        && !(a == 0x2001 && b < 0x0200)
        && !(a == 0x2001 && b == 0x0db8)
        && !(a == 0x3fff && b < 0x1000)
}

/// The v4 address inside of a v6 one: mapped, compatible, NAT64, 6to4.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        // Unspecified and loopback are nobody's v4 addresses.
        [0, 0, 0, 0, 0, 0 | 0xffff, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTSIDE: Guard = Guard { allow_private: false, allow_http: false };

    #[test]
    fn addresses_inside_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "017700000001",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:169.254.169.254]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[2001:db8::1]",
            "localhost",
            "LOCALHOST.",
            "api.localhost",
        ] {
            assert_eq!(OUTSIDE.parse(&format!("https://{host}/hook")), Err(Forbidden::Private), "{host}");
        }
    }

    #[test]
    fn addresses_outside_are_fine() {
        for host in [
            "example.com",
            "8.8.8.8:8443",
            "172.32.0.1",
            "100.128.0.1",
            "[2606:4700::1111]",
            "münchen.example",
        ] {
            assert!(OUTSIDE.parse(&format!("https://{host}/hook?a=b")).is_ok(), "{host}");
        }
    }

    #[test]
    fn what_is_no_https_address_is_refused() {
        let long = format!("https://example.com/{}", "x".repeat(URL_MAX));
        for bad in [
            "",
            "example.com",
            "http://example.com",
            "http://127.0.0.1",
            "ftp://example.com",
            "file:///etc/passwd",
            "https://",
            "https://user:pw@example.com",
            "https://example.com/#top",
            "https://exa mple.com",
            "https://example.com/\nX: y",
            &long,
        ] {
            assert_eq!(OUTSIDE.parse(bad), Err(Forbidden::Malformed), "{bad}");
        }
    }

    #[test]
    fn closed_networks_may_be_allowed() {
        let inside = Guard { allow_private: true, allow_http: true };
        assert!(inside.parse("https://10.0.0.1/").is_ok());
        assert!(inside.parse("http://127.0.0.1:8080/").is_ok());
        assert_eq!(inside.parse("http://10.0.0.1/"), Err(Forbidden::Malformed));
        let secure = Guard { allow_private: true, allow_http: false };
        assert_eq!(secure.parse("http://127.0.0.1:8080/"), Err(Forbidden::Malformed));
    }

    #[tokio::test]
    async fn a_name_that_points_inside_is_refused_when_it_is_looked_up() {
        let looked_up = OUTSIDE.resolve("localhost".parse().unwrap()).await;
        assert!(looked_up.err().unwrap().is::<Forbidden>());
        let inside = Guard { allow_private: true, allow_http: true };
        assert!(inside.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
