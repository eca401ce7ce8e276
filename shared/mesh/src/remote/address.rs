//! Where the replicas of a peer are: names and addresses, and what they resolve to.

use std::{collections::BTreeSet, net::SocketAddr};
use switchboard_domain::ServiceName;

/// The address of a peer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is no address of {peer} like http://host:port")]
pub struct AddressError {
    peer: ServiceName,
    address: String,
}

/// A host that stands for one replica or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Place {
    /// Reads `http://host:port`, several separated by commas.
    pub(super) fn parse_list(peer: ServiceName, text: &str) -> Result<Vec<Self>, AddressError> {
        text.split(',')
            .map(|address| {
                let wrong = || AddressError { peer, address: address.trim().to_owned() };
                let uri: http::Uri = address.trim().parse().map_err(|_no_uri| wrong())?;
                let (scheme, host, port) = (uri.scheme_str(), uri.host(), uri.port_u16());
                match (scheme, host, port, uri.path()) {
                    (Some("http"), Some(host), Some(port), "/") if !host.is_empty() => {
                        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                        Ok(Self { host, port })
                    }
                    _ => Err(wrong()),
                }
            })
            .collect()
    }
}

/// All addresses of all places. `None` when a name could not be looked up: what was known stays.
pub(super) async fn resolve(places: &[Place]) -> Option<BTreeSet<SocketAddr>> {
    let mut found = BTreeSet::new();
    for place in places {
        match tokio::net::lookup_host((place.host.as_str(), place.port)).await {
            Ok(addresses) => found.extend(addresses),
            Err(error) => {
                tracing::debug!(%place, error = %error, "the name of a peer cannot be looked up");
                return None;
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses() {
        let places = Place::parse_list(ServiceName::Session, "http://a:1, http://[::1]:2,http://127.0.0.1:3");
        let shown: Vec<_> = places.unwrap().iter().map(|place| (place.host.clone(), place.port)).collect();
        assert_eq!(shown, [("a".to_owned(), 1), ("::1".to_owned(), 2), ("127.0.0.1".to_owned(), 3)]);
        for bad in ["", "a:1", "http://a", "ftp://a:1", "http://a:1/path", "http://a:1,", "http://a:99999"] {
            assert!(Place::parse_list(ServiceName::Session, bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_unknown_changes_nothing() {
        let place = |host: &str| Place { host: host.to_owned(), port: 7 };
        assert_eq!(resolve(&[place("127.0.0.1"), place("no-such-name.invalid")]).await, None);
        assert_eq!(resolve(&[place("127.0.0.1")]).await.map(|found| found.len()), Some(1));
    }
}
