//! Processes that the bench starts, and ends when it ends.

use crate::{
    client::{Connection, Request},
    error::Error,
};
use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// Longest wait until a child serves.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How often a child is asked whether it serves.
const START_POLL: Duration = Duration::from_millis(1);
/// Ports that are handed out: below those that the system gives to clients, so that no client takes one first.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Free ports on the loopback address.
#[derive(Debug)]
pub(crate) struct Ports(AtomicU16);

impl Ports {
    /// Begins somewhere, so that two benches at once seldom meet.
    pub(crate) fn new() -> Self {
        let span = u32::from(PORTS.end - PORTS.start);
        let offset = u16::try_from(std::process::id().wrapping_mul(97) % span).unwrap_or(0);
        Self((PORTS.start + offset).into())
    }

    /// An address that nobody listens on.
    ///
    /// # Errors
    /// When all ports are taken.
    pub(crate) fn free(&self) -> Result<SocketAddr, Error> {
        for _ in PORTS {
            let next = |port| Some(if port + 1 < PORTS.end { port + 1 } else { PORTS.start });
            let port = self.0.fetch_update(Relaxed, Relaxed, next).unwrap_or(PORTS.start);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
        Err(Error::Usage("no port is free".to_owned()))
    }
}

/// A running child; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; what it says is added to `NAME.log` in `logs`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        arguments: &[String],
        logs: &Path,
    ) -> Result<Self, Error> {
        let log = logs.join(format!("{name}.log"));
        let file = fs::File::options().create(true).append(true).open(&log);
        let file = file.map_err(|error| Error::io("a log file cannot be made", error))?;
        let also = file.try_clone().map_err(|error| Error::io("a log file cannot be shared", error))?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(also)
            .spawn()
            .map_err(|error| Error::Child {
                name: name.to_owned(),
                problem: format!("cannot be started: {error}"),
            })?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `GET path` is answered with 200.
    ///
    /// # Errors
    /// When the child ends or takes too long.
    pub(crate) async fn serves(&mut self, address: SocketAddr, path: &str) -> Result<(), Error> {
        let mut request = Request::new(&format!("GET {path}"), &[], "");
        self.until(async || {
            let Ok(mut connection) = Connection::open(address).await else { return false };
            connection.ask(&mut request).await.is_ok() && connection.reader().status() == 200
        })
        .await
    }

    /// Waits until it accepts connections.
    ///
    /// # Errors
    /// When the child ends or takes too long.
    pub(crate) async fn accepts(&mut self, address: SocketAddr) -> Result<(), Error> {
        self.until(async || Connection::open(address).await.is_ok()).await
    }

    async fn until(&mut self, mut is_there: impl AsyncFnMut() -> bool) -> Result<(), Error> {
        let late = Instant::now() + START_PATIENCE;
        while !is_there().await {
            let problem = match self.child.try_wait() {
                Ok(Some(status)) => format!("ended with {status}"),
                Ok(None) if Instant::now() < late => {
                    tokio::time::sleep(START_POLL).await;
                    continue;
                }
                Ok(None) => "does not serve".to_owned(),
                Err(error) => format!("is lost: {error}"),
            };
            return Err(Error::Child {
                name: self.name.clone(),
                problem: format!("{problem}: {}", self.last_words()),
            });
        }
        Ok(())
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = fs::File::open(&self.log) {
            // A log that is shorter is read from its beginning.
            let _ = file.seek(SeekFrom::End(-2000)).or_else(|_shorter| file.rewind().map(|()| 0));
            let _ = file.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_below_those_of_clients() {
        let ports = Ports::new();
        let (one, other) = (ports.free().unwrap(), ports.free().unwrap());
        assert_ne!(one, other);
        assert!(PORTS.contains(&one.port()) && PORTS.contains(&other.port()));
    }

    #[tokio::test]
    async fn a_child_that_ends_early_is_told_with_its_last_words() {
        let logs = tempfile::tempdir().unwrap();
        let arguments = ["-c", "echo out of luck; exit 3"].map(str::to_owned);
        let mut child = Running::start("sh", Path::new("/bin/sh"), &arguments, logs.path()).unwrap();
        let error = child.accepts(Ports::new().free().unwrap()).await.unwrap_err().to_string();
        assert!(error.contains("sh ended with") && error.contains("out of luck"), "{error}");
    }
}
