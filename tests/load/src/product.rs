//! Switchboard as it is shipped: its own binary, in one process or in six.

use crate::{
    bench::Bench,
    children::Running,
    client::{Connection, Request, excerpt},
    error::Error,
    proc::Group,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::{net::SocketAddr, path::Path};

/// Sessions that are made at once.
const OPENING: usize = 4;
/// Budgets that would refuse a bench; 0 is no limit.
const BUDGETS: [&str; 4] =
    ["chat_per_minute", "write_per_minute", "read_per_minute", "new_sessions_per_minute"];
/// The services of the mesh, by their command and their key in the configuration.
const SERVICES: [(&str, &str); 5] = [
    ("session", "session"),
    ("regulator", "regulator"),
    ("agent-auth", "agent_auth"),
    ("notifier", "notifier"),
    ("chat-gateway", "chat_gateway"),
];

/// How Switchboard runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Everything in one process, on SQLite.
    Single,
    /// Six processes over TCP; on Postgres if there is one, else on SQLite files.
    Mesh,
}

impl Shape {
    /// The lane's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Mesh => "mesh",
        }
    }
}

/// A visitor's session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) name: String,
    bearer: String,
    /// The last number of its log that is known.
    pub(crate) head: u64,
}

impl Session {
    /// Reads the session itself.
    pub(crate) fn show(&self) -> Request {
        self.request(&format!("GET /api/v1/sessions/{}", self.name), "")
    }

    /// Asks something new each time, and waits for the answer.
    pub(crate) fn chat(&self) -> Request {
        self.request("POST /api/v1/chat", QUESTION)
    }

    /// Asks something new each time, and reads the answer as it is written.
    pub(crate) fn stream(&self) -> Request {
        self.request("POST /api/v1/chat/stream", QUESTION)
    }

    /// Listens, from `after` on.
    pub(crate) fn events(&self, after: Option<&str>) -> Request {
        let path = format!("GET /api/v1/sessions/{}/events", self.name);
        let mut headers = vec![("authorization", self.bearer.as_str())];
        headers.extend(after.map(|id| ("last-event-id", id)));
        Request::new(&path, &headers, "")
    }

    fn request(&self, method_and_path: &str, body: &str) -> Request {
        Request::new(method_and_path, &[("authorization", &self.bearer)], body)
    }
}

/// Nobody has the same question twice: repeated questions call a human.
const QUESTION: &str = "{\"message\":\"Where is my order 2026-########?\"}";

/// A running Switchboard.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) shape: Shape,
    pub(crate) address: SocketAddr,
    processes: Group,
    _children: Vec<Running>,
    /// Outlives the children that write into it.
    _data: tempfile::TempDir,
}

impl Product {
    /// Starts it and waits until it is ready; `None` when there is no binary.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) async fn start(bench: &Bench, shape: Shape, upstream: &str) -> Result<Option<Self>, Error> {
        let Some(binary) = &bench.options.switchboard else { return Ok(None) };
        let data = bench.data()?;
        let address = bench.ports.free()?;
        let mut settings = settings(bench, upstream, data.path());
        let mut children = match shape {
            Shape::Single => Vec::new(),
            Shape::Mesh => services(bench, binary, &mut settings).await?,
        };
        let mut edge = match shape {
            Shape::Single => command(bench, binary, "up", address, settings)?,
            Shape::Mesh => command(bench, binary, "gateway", address, settings)?,
        };
        edge.serves(address, "/readyz").await?;
        children.push(edge);
        let postmaster = bench.postmaster.filter(|_| shape == Shape::Mesh);
        let processes = Group::of(children.iter().map(Running::pid).collect()).with_family(postmaster);
        Ok(Some(Self { shape, address, processes, _children: children, _data: data }))
    }

    /// All processes that work for it, the database's included.
    pub(crate) fn processes(&self) -> Group {
        self.processes.clone()
    }

    /// Makes sessions, each by its first turn.
    ///
    /// # Errors
    /// When one is refused.
    pub(crate) async fn sessions(&self, count: usize) -> Result<Vec<Session>, Error> {
        stream::iter(0..count).map(|place| self.session(place)).buffered(OPENING).try_collect().await
    }

    async fn session(&self, place: usize) -> Result<Session, Error> {
        // The process and the moment make the name new, also in a database that is there for longer.
        let name = format!("bench-{}-{}-{place}", std::process::id(), crate::clock::now_ns());
        let body = format!("{{\"message\":\"Hello, this is visitor {place}.\",\"user_id\":\"{name}\"}}");
        let mut request = Request::new("POST /api/v1/chat", &[], &body);
        let asked = async {
            let mut connection = Connection::open(self.address).await?;
            connection.ask(&mut request).await?;
            Ok(connection)
        };
        let mut connection = asked.await.map_err(|error| Error::io("a session cannot be made", error))?;
        let reader = connection.reader();
        let seq = seq_of(reader.body());
        match (reader.status(), reader.header("x-visitor-token"), seq) {
            (200, Some(token), Some(head)) => Ok(Session { name, bearer: format!("Bearer {token}"), head }),
            (status, ..) => {
                Err(Error::Answer { what: "a new session", status, body: excerpt(reader.body()) })
            }
        }
    }
}

/// The number in the log of the answer to a chat.
pub(crate) fn seq_of(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(body).ok()?.get("seq")?.as_u64()
}

/// Starts Switchboard in one process on an existing folder, for measuring the start itself.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn start_single(
    bench: &Bench,
    binary: &Path,
    address: SocketAddr,
    data: &Path,
) -> Result<Running, Error> {
    // As it comes: with the built-in knowledge and without a provider.
    let settings = vec!["log.filter=warn".to_owned(), data_dir(data)];
    command(bench, binary, "up", address, settings)
}

/// Starts all services of the mesh and waits for them: the edge is ready without them. Adds to the settings where they are.
async fn services(bench: &Bench, binary: &Path, settings: &mut Vec<String>) -> Result<Vec<Running>, Error> {
    settings.push("node.worker_threads=1".to_owned());
    if let Some(url) = &bench.options.postgres {
        settings.push(format!("database.url={url}"));
    }
    let mut places = Vec::with_capacity(SERVICES.len());
    for (name, key) in SERVICES {
        let address = bench.ports.free()?;
        settings.push(format!("peers.{key}=http://{address}"));
        places.push((name, address));
    }
    let mut children = Vec::with_capacity(places.len() + 1);
    for (name, address) in &places {
        children.push(command(bench, binary, name, *address, settings.clone())?);
    }
    for (child, (_, address)) in children.iter_mut().zip(places) {
        child.accepts(address).await?;
    }
    Ok(children)
}

fn command(
    bench: &Bench,
    binary: &Path,
    name: &str,
    address: SocketAddr,
    settings: Vec<String>,
) -> Result<Running, Error> {
    let mut arguments = vec![name.to_owned(), "--listen".to_owned(), address.to_string()];
    for setting in settings.into_iter().chain(bench.options.set.iter().cloned()) {
        arguments.extend(["--set".to_owned(), setting]);
    }
    Running::start(&format!("switchboard-{name}"), binary, &arguments, &bench.logs())
}

fn settings(bench: &Bench, upstream: &str, data: &Path) -> Vec<String> {
    let budgets = BUDGETS.iter().map(|budget| format!("gateway.rate.{budget}=0"));
    let streams = bench.options.streams.max(bench.options.listeners) + 1000;
    let mut settings: Vec<String> = budgets.collect();
    settings.extend([
        "log.filter=warn".to_owned(),
        data_dir(data),
        "model.providers=openai".to_owned(),
        format!("model.openai.base_url={upstream}"),
        "model.openai.model=fake".to_owned(),
        format!("gateway.sse.max_total={streams}"),
    ]);
    settings
}

fn data_dir(folder: &Path) -> String {
    format!("database.data_dir={}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_the_log_is_read_from_an_answer() {
        assert_eq!(seq_of(br#"{"success":true,"seq":7}"#), Some(7));
        assert_eq!(seq_of(br#"{"success":true,"seq":null}"#), None);
        assert_eq!(seq_of(b"<html>"), None);
    }

    #[test]
    fn requests_of_a_session_carry_its_token() {
        let session = Session { name: "s".into(), bearer: "Bearer t".into(), head: 1 };
        let expected = Request::new(
            "GET /api/v1/sessions/s/events",
            &[("authorization", "Bearer t"), ("last-event-id", "1.7")],
            "",
        );
        assert_eq!(format!("{:?}", session.events(Some("1.7"))), format!("{expected:?}"));
    }
}
