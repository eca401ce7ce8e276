//! Redis servers of the tests' own: one that all Worlds share, and private ones that a test may kill, freeze and flush.

use crate::{guardian, patience::eventually, ports};
use parking_lot::Mutex;
use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

const HINT: &str = "several replicas need Redis: run tests/setup.sh";

/// A Redis server. Killed when dropped.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    extra: Vec<String>,
    child: Mutex<Option<Child>>,
    folder: TempDir,
}

/// The URL of a server that outlives the test, and a prefix that nobody else has.
pub async fn shared() -> (String, String) {
    static SERVER: OnceCell<Redis> = OnceCell::const_new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(Redis::start).await;
    (server.url(), format!("world-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

impl Redis {
    /// A single node that keeps nothing on disk.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A node with further options, as on the command line.
    pub async fn with(extra: &[&str]) -> Self {
        let folder =
            tempfile::Builder::new().prefix("switchboard-redis.").tempdir().expect("a temporary folder");
        guardian::remove_at_end(folder.path());
        let extra = extra.iter().map(|option| (*option).to_owned()).collect();
        let server = Self { port: ports::free(), extra, child: Mutex::new(None), folder };
        server.restart().await;
        server
    }

    /// A sentinel that watches a master under the name `main`.
    pub async fn sentinel(master: &Self) -> Self {
        let folder =
            tempfile::Builder::new().prefix("switchboard-redis.").tempdir().expect("a temporary folder");
        guardian::remove_at_end(folder.path());
        let configuration = folder.path().join("sentinel.conf");
        fs::write(&configuration, format!("sentinel monitor main 127.0.0.1 {} 1\n", master.port))
            .expect("a configuration");
        let extra = vec![configuration.display().to_string(), "--sentinel".to_owned()];
        let server = Self { port: ports::free(), extra, child: Mutex::new(None), folder };
        server.restart().await;
        server
    }

    /// A cluster of three nodes without replicas; `redis-cli` makes it.
    pub async fn cluster() -> [Self; 3] {
        let mode = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"];
        let nodes = [Self::with(&mode).await, Self::with(&mode).await, Self::with(&mode).await];
        let addresses = nodes.each_ref().map(Self::address);
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&addresses)
            .arg("--cluster-yes")
            .stdout(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "a cluster of {addresses:?}");
        eventually("the cluster agrees", async || {
            nodes.iter().all(|node| node.ask(&["cluster", "info"]).contains("cluster_state:ok")).then_some(())
        })
        .await;
        nodes
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// As the product's `coord.url`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Forgets everything.
    pub fn flush(&self) {
        self.ask(&["flushall"]);
    }

    /// Sends a command by `redis-cli` and gives what it prints.
    pub fn ask(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let told = Command::new("redis-cli").args(["-p", &port]).args(command).output().expect(HINT);
        String::from_utf8_lossy(&told.stdout).into_owned()
    }

    /// Ends it like a power cut.
    pub fn kill9(&self) {
        let Some(mut child) = self.child.lock().take() else { return };
        let _ = child.kill();
        guardian::forget(child.id());
        let _ = child.wait();
    }

    /// Freezes it: it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.lock().as_ref().map(Child::id).expect("it runs").to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().is_ok_and(|status| status.success()));
    }

    /// Starts it again at the same address, empty, and waits until it answers.
    pub async fn restart(&self) {
        assert!(self.child.lock().is_none(), "it runs already");
        let log: PathBuf = self.folder.path().join("log");
        let mut command = Command::new("redis-server");
        // A sentinel's configuration file comes first.
        let port = self.port.to_string();
        command.args(&self.extra).args(["--port", &port, "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(self.folder.path()).arg("--logfile").arg(&log);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect(HINT);
        guardian::watch(child.id());
        *self.child.lock() = Some(child);
        eventually(format_args!("redis answers, see {}", log.display()), async || {
            TcpStream::connect(("127.0.0.1", self.port)).ok().map(drop)
        })
        .await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill9();
    }
}
