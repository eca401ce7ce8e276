//! What all scenarios share: options, places, and the limit programs.

use crate::{
    children::{Ports, Running},
    client::{Connection, Load, Request, Until},
    error::Error,
    proc::{self, Group},
};
use sqlx::{Connection as _, PgConnection};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Tokens of one answer of the model.
pub(crate) const TOKENS: u32 = 20;

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Rounds that count; one more warms up.
    pub(crate) rounds: usize,
    /// How long each lane runs in a round.
    pub(crate) time: Duration,
    /// Callers at once; none: what each scenario is meant for.
    pub(crate) callers: Vec<usize>,
    /// Fewer loads beside fewer rounds.
    pub(crate) short: bool,
    /// Paced streams at once.
    pub(crate) streams: usize,
    /// Listeners that come back.
    pub(crate) listeners: usize,
    /// Further settings of Switchboard, `key=value`.
    pub(crate) set: Vec<String>,
    /// Postgres for the mesh and for the store's limit.
    pub(crate) postgres: Option<String>,
    /// Switchboard; `None`: only the limits run.
    pub(crate) switchboard: Option<PathBuf>,
}

/// What all scenarios share.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) options: Options,
    /// This program, which is also every limit program.
    pub(crate) me: PathBuf,
    /// Where results, logs and databases go.
    pub(crate) folder: PathBuf,
    pub(crate) ports: Ports,
    pub(crate) cores: usize,
    /// The process of which all of Postgres are children, if it runs here.
    pub(crate) postmaster: Option<u32>,
}

impl Bench {
    /// Finds its places: `load` in the build's target folder.
    ///
    /// # Errors
    /// When they cannot be made.
    pub(crate) async fn new(options: Options) -> Result<Self, Error> {
        let me = std::env::current_exe().map_err(|error| Error::io("this program cannot be found", error))?;
        let target = me.ancestors().nth(2).map_or_else(|| PathBuf::from("target"), Path::to_path_buf);
        let folder = target.join("load");
        let logs = folder.join("logs");
        // Those of the last run; there may be none.
        let _ = fs::remove_dir_all(&logs);
        fs::create_dir_all(&logs).map_err(|error| Error::io("no folder for results", error))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let postmaster = match &options.postgres {
            Some(url) => postmaster(url).await?,
            None => None,
        };
        Ok(Self { options, me, folder, ports: Ports::new(), cores, postmaster })
    }

    /// Where children log.
    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// A folder for databases, on the disk of the build and not in memory; gone when dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn data(&self) -> Result<tempfile::TempDir, Error> {
        tempfile::tempdir_in(&self.folder).map_err(|error| Error::io("no folder for databases", error))
    }

    /// Callers that go on for the time of a lane.
    pub(crate) fn load(&self, address: SocketAddr, requests: Vec<Request>, tokens: Option<u64>) -> Load {
        Load { address, requests, tokens, until: Until::Time(self.options.time) }
    }

    fn limit(&self, name: &str, arguments: &[&str]) -> Result<Running, Error> {
        let arguments: Vec<String> =
            ["limit"].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        Running::start(&format!("limit-{name}"), &self.me, &arguments, &self.logs())
    }
}

/// The limit programs that serve.
#[derive(Debug)]
pub(crate) struct Limits {
    fake: Running,
    edge: Running,
    lean_edge: Running,
    service: Running,
    /// The model.
    pub(crate) fake_address: SocketAddr,
    /// The edge with as many threads as there are cores: all in one process.
    pub(crate) edge_address: SocketAddr,
    /// The edge with one thread, as each process of a mesh has.
    pub(crate) lean_address: SocketAddr,
}

impl Limits {
    /// Starts them all.
    ///
    /// # Errors
    /// When one of them does not serve.
    pub(crate) async fn start(bench: &Bench) -> Result<Self, Error> {
        let [fake_address, edge_address, lean_address, service_address] =
            [bench.ports.free()?, bench.ports.free()?, bench.ports.free()?, bench.ports.free()?];
        let (fake_at, service_at) = (fake_address.to_string(), service_address.to_string());
        let upstream = base_url(fake_address);
        let mut fake =
            bench.limit("fake-openai", &["fake-openai", &fake_at, "--tokens", &TOKENS.to_string()])?;
        let mut service = bench.limit("service", &["service", &service_at, "--upstream", &upstream])?;
        let edge = |name, address: SocketAddr, threads: usize| {
            let (at, threads) = (address.to_string(), threads.to_string());
            let arguments =
                ["edge", &at, "--service", &service_at, "--upstream", &upstream, "--threads", &threads];
            bench.limit(name, &arguments)
        };
        let mut wide_edge = edge("edge", edge_address, bench.cores)?;
        let mut lean_edge = edge("lean-edge", lean_address, 1)?;
        fake.serves(fake_address, "/ready").await?;
        service.accepts(service_address).await?;
        wide_edge.serves(edge_address, "/ready").await?;
        lean_edge.serves(lean_address, "/ready").await?;
        Ok(Self { fake, edge: wide_edge, lean_edge, service, fake_address, edge_address, lean_address })
    }

    /// Base URL of the model.
    pub(crate) fn upstream(&self) -> String {
        base_url(self.fake_address)
    }

    /// Changes how the model answers from now on.
    ///
    /// # Errors
    /// When the model does not take it.
    pub(crate) async fn pace(&self, tokens: u32, gap: Duration) -> Result<(), Error> {
        let mut request = Request::new(&format!("POST /pace/{tokens}/{}", gap.as_micros()), &[], "");
        let told = async {
            let mut connection = Connection::open(self.fake_address).await?;
            connection.ask(&mut request).await?;
            Ok(connection.reader().status())
        };
        match told.await {
            Ok(200) => Ok(()),
            Ok(status) => Err(Error::Answer { what: "the pace", status, body: String::new() }),
            Err(error) => Err(Error::io("the pace cannot be told", error)),
        }
    }

    /// The process of the edge with all in it.
    pub(crate) fn inside(&self) -> Group {
        Group::of(vec![self.edge.pid()])
    }

    /// The processes of a path over TCP.
    pub(crate) fn remote(&self) -> Group {
        Group::of(vec![self.lean_edge.pid(), self.service.pid()])
    }

    /// All processes: what they use is ours, not the neighbours'.
    pub(crate) fn all(&self) -> Group {
        Group::of([&self.fake, &self.edge, &self.lean_edge, &self.service].map(Running::pid).to_vec())
    }
}

/// The parent of the process that serves us, if it runs on this machine.
async fn postmaster(url: &str) -> Result<Option<u32>, Error> {
    let asking = async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query_scalar::<_, i32>("select pg_backend_pid()").fetch_one(&mut connection).await
    };
    let backend = asking.await.map_err(|error| Error::other("Postgres cannot be asked", error))?;
    Ok(u32::try_from(backend).ok().and_then(proc::parent))
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}/v1")
}
