//! Where Redis is: what `coord.url` says.

use crate::Error;
use ::redis::{
    Client, ConnectionInfo, IntoConnectionInfo as _, TlsMode,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use secrecy::{ExposeSecret as _, SecretString};

/// Where Redis is.
#[derive(Clone)]
pub(crate) struct Place {
    kind: Kind,
    /// `redis` or `rediss`.
    scheme: &'static str,
    /// `user:password@`, as given.
    login: String,
    /// `host:port` each.
    hosts: Vec<String>,
    /// The database's number, or the master's name.
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Sentinel,
    Cluster,
}

impl Place {
    /// Reads the URL; `None` when it is empty.
    pub(crate) fn parse(url: &SecretString) -> Result<Option<Self>, Error> {
        let url = url.expose_secret().trim();
        if url.is_empty() {
            return Ok(None);
        }
        let (scheme, rest) = url.split_once("://").ok_or(Error::Url("it has no scheme"))?;
        let (scheme, kind) = match scheme {
            "redis" => ("redis", Kind::Single),
            "rediss" => ("rediss", Kind::Single),
            "redis+sentinel" => ("redis", Kind::Sentinel),
            "rediss+sentinel" => ("rediss", Kind::Sentinel),
            "redis+cluster" => ("redis", Kind::Cluster),
            "rediss+cluster" => ("rediss", Kind::Cluster),
            _ => {
                return Err(Error::Url("its scheme is none of redis, rediss, redis+sentinel, redis+cluster"));
            }
        };
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (format!("{login}@"), rest),
            None => (String::new(), rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts: Vec<String> = hosts.split(',').map(|host| host.trim().to_owned()).collect();
        if hosts.iter().any(String::is_empty) {
            return Err(Error::Url("it names no host"));
        }
        if kind == Kind::Single && hosts.len() > 1 {
            return Err(Error::Url("a single Redis has one host; see redis+sentinel and redis+cluster"));
        }
        if kind == Kind::Sentinel && path.is_empty() {
            return Err(Error::Url("it does not name the master: redis+sentinel://host:port/master"));
        }
        let place = Self { kind, scheme, login, hosts, path: path.to_owned() };
        // What redis-rs cannot read is told at the start.
        place.nodes(None)?;
        Ok(Some(place))
    }

    /// Clients for nodes that take commands, best first. Sentinels are asked who the master is.
    pub(super) async fn clients(&self, password: Option<&str>) -> Result<Vec<Client>, Error> {
        let nodes = self.nodes(password)?;
        match self.kind {
            Kind::Single | Kind::Cluster => nodes.into_iter().map(|node| Ok(Client::open(node)?)).collect(),
            Kind::Sentinel => {
                // The login is for the master; sentinels are asked without one.
                let master = nodes.first().map(|node| node.redis_settings().clone());
                let master = master.map(|info| {
                    let master = SentinelNodeConnectionInfo::default().set_redis_connection_info(info);
                    if self.scheme == "rediss" { master.set_tls_mode(TlsMode::Secure) } else { master }
                });
                let scheme = self.scheme;
                let hosts: Vec<String> = self.hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
                let name = self.path.clone();
                let mut sentinel = SentinelClient::build(hosts, name, master, SentinelServerType::Master)?;
                Ok(vec![sentinel.async_get_client().await?])
            }
        }
    }

    /// The nodes of a cluster; `None` when it is none.
    pub(super) fn cluster(&self, password: Option<&str>) -> Result<Option<Vec<ConnectionInfo>>, Error> {
        if self.kind == Kind::Cluster { self.nodes(password).map(Some) } else { Ok(None) }
    }

    fn nodes(&self, password: Option<&str>) -> Result<Vec<ConnectionInfo>, Error> {
        let database = if self.kind == Kind::Single { self.path.as_str() } else { "" };
        let read = |host: &String| {
            let url = format!("{}://{}{host}/{database}", self.scheme, self.login);
            // The library's own error repeats the URL, password included.
            let info = url
                .into_connection_info()
                .map_err(|_secret| Error::Url("host, port or database is wrong"))?;
            let Some(password) = password else { return Ok(info) };
            let settings = info.redis_settings().clone().set_password(password);
            Ok(info.set_redis_settings(settings))
        };
        self.hosts.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Option<Place>, Error> {
        Place::parse(&SecretString::from(url))
    }

    #[test]
    fn what_urls_say() {
        assert!(parse("").unwrap().is_none());
        let single = parse("rediss://ann:pa%40ss@r:6380/2").unwrap().unwrap();
        assert_eq!((single.kind, single.scheme, single.path.as_str()), (Kind::Single, "rediss", "2"));
        let nodes = single.nodes(Some("new")).unwrap();
        assert_eq!(nodes[0].redis_settings().password(), Some("new"));
        assert_eq!(nodes[0].redis_settings().username(), Some("ann"));
        let sentinel = parse("redis+sentinel://s1:1,s2:2/mymaster").unwrap().unwrap();
        assert_eq!((sentinel.kind, sentinel.hosts.len()), (Kind::Sentinel, 2));
        assert_eq!(parse("redis+cluster://a:1,b:2,c:3").unwrap().unwrap().hosts.len(), 3);
    }

    #[test]
    fn wrong_urls_are_told_without_their_password() {
        for url in [
            "localhost:6379",
            "http://r:1",
            "redis://secret@a:1,b:2",
            "redis+sentinel://:secret@s1:1",
            "redis://:secret@r:notaport",
            "redis://:secret@,",
        ] {
            let error = parse(url).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with("coord.url") && !error.contains("secret"), "{url}: {error}");
        }
    }
}
