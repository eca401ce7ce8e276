//! From parts to a running process. A peer that is in this process is called directly, any other over TCP; a part is
//! served over TCP where an address is configured for it. That is all the difference between one process and twenty.

use crate::{
    BuildError, ConfigProblem, Configured, Deps, Lifecycle, NodeConfig, Server, Sources, Tree,
    internal::{self, Internal},
    system::{SystemClock, SystemRng},
    telemetry,
};
use std::{
    collections::BTreeMap, fmt, future::Future, io::Write as _, pin::Pin, process::ExitCode, sync::Arc,
    time::Duration,
};
use switchboard_coord::Coord;
use switchboard_domain::ServiceName;
use switchboard_mesh::{CallerSide, Directory, Mounted, directory::peers_of, loopback, remote, serve};
use tokio::signal::unix::{SignalKind, signal};

/// `EX_USAGE` of sysexits: the configuration cannot be used.
pub const EXIT_USAGE: u8 = 64;
/// How often each part's database is asked whether it is there.
const DATABASE_PROBE: Duration = Duration::from_secs(2);
/// The name under which the health service tells of the database.
pub const DATABASE_HEALTH: &str = "database";

type Building = Pin<Box<dyn Future<Output = Result<Server, BuildError>> + Send>>;
type Builder = Box<dyn FnOnce(Deps) -> Building + Send>;
type Configure = Box<dyn FnOnce(&Tree, &mut Vec<ConfigProblem>) -> Option<Builder>>;

/// A part of the mesh that can be built from configuration.
pub struct Part {
    name: ServiceName,
    configure: Configure,
}

impl Part {
    /// Names a part and says how it is built.
    pub fn new<C, F, Fut>(name: ServiceName, build: F) -> Self
    where
        C: Configured + Send + 'static,
        F: FnOnce(C, Deps) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Server, BuildError>> + Send + 'static,
    {
        let configure: Configure = Box::new(move |tree, problems| {
            let config = tree.extract::<C>(problems)?;
            Some(Box::new(move |deps| Box::pin(build(config, deps)) as Building) as Builder)
        });
        Self { name, configure }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Runs `parts` in this process, in the order given (those that are called before those that call), until it is told to
/// stop. `title` is the first line that the operator reads.
pub fn assemble(title: &str, process: &'static str, parts: Vec<Part>, sources: &Sources) -> ExitCode {
    let mut problems = Vec::new();
    let tree = Tree::load(sources, &mut problems);
    let node = tree.extract::<NodeConfig>(&mut problems);
    let builders: Vec<(ServiceName, Option<Builder>)> =
        parts.into_iter().map(|part| (part.name, (part.configure)(&tree, &mut problems))).collect();
    let Some(node) = node.filter(|_| problems.is_empty()) else {
        return refuse(&problems);
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if node.node.worker_threads > 0 {
        runtime.worker_threads(node.node.worker_threads);
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return die(&format!("the runtime cannot be started: {error}")),
    };
    let builders = builders.into_iter().filter_map(|(name, builder)| Some((name, builder?))).collect();
    runtime.block_on(run(title, process, builders, Arc::new(node)))
}

async fn run(
    title: &str,
    process: &'static str,
    builders: Vec<(ServiceName, Builder)>,
    node: Arc<NodeConfig>,
) -> ExitCode {
    // Exactly one TLS provider is compiled in; an error means that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let telemetry = match telemetry::init(process, &node.log, &node.telemetry) {
        Ok(telemetry) => telemetry,
        Err(error) => return die(&switchboard_mesh::reply::chain(&error)),
    };
    let life = Lifecycle::new();
    let (mut stops, mut interrupts) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    {
        (Ok(stops), Ok(interrupts)) => (stops, interrupts),
        (Err(error), _) | (_, Err(error)) => return die(&format!("signals cannot be received: {error}")),
    };
    let internal = Internal::new(telemetry.metrics.clone());
    let started = start(title, builders, &node, &life, &internal).await;
    let outcome = match started {
        Ok(()) => tokio::select! {
            _ = stops.recv() => Ok(()),
            _ = interrupts.recv() => Ok(()),
            () = life.failed() => Err("a task that must not end has ended".to_owned()),
        },
        Err(error) => Err(switchboard_mesh::reply::chain(&error)),
    };
    internal.draining();
    let stopped = tokio::select! {
        stopped = life.stop(node.node.drain_timeout) => stopped,
        _ = stops.recv() => false,
        _ = interrupts.recv() => false,
    };
    telemetry.close().await;
    match outcome {
        Err(problem) => die(&problem),
        Ok(()) if stopped => ExitCode::SUCCESS,
        Ok(()) => die("stopped before everything had finished"),
    }
}

async fn start(
    title: &str,
    builders: Vec<(ServiceName, Builder)>,
    node: &Arc<NodeConfig>,
    life: &Lifecycle,
    internal: &Internal,
) -> Result<(), BuildError> {
    let mut here: BTreeMap<ServiceName, Mounted> = BTreeMap::new();
    let mut announcements = Vec::new();
    let mut tasks = Vec::new();
    let parts: Vec<ServiceName> = builders.iter().map(|(name, _)| *name).collect();
    let (coord, upkeep) = Coord::open(&node.coord, &parts, &SystemRng)
        .map_err(|error| BuildError::new("other replicas cannot be reached", error))?;
    if let Some(upkeep) = upkeep {
        life.spawn_support(upkeep);
    }
    for (name, build) in builders {
        let deps = Deps {
            name,
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            coord: coord.clone(),
            peers: directory(name, &here, node, life)?,
            tasks: life.clone(),
            node: Arc::clone(node),
        };
        let server = build(deps).await?;
        announcements.extend(server.announcements);
        tasks.extend(server.tasks);
        if let Some(mounted) = server.mounted {
            if let Some(db) = server.database {
                let probing = probe_database(mounted.clone(), db, life.clone());
                tasks.push(crate::Task::new("database.probe", probing));
            }
            if let Some(address) = node.listen.of(name) {
                announcements.push(listen(name, address, mounted.clone(), node, life).await?);
            }
            here.insert(name, mounted);
        }
    }
    if let Some(address) = &node.telemetry.internal_listen {
        let (bound, serving) = internal::serve(address, internal.clone(), life.clone())
            .await
            .map_err(|error| BuildError::new("telemetry.internal_listen cannot be bound", error))?;
        announcements.push(format!("metrics and probes on http://{bound}"));
        tasks.push(crate::Task::new("internal.serve", serving));
    }
    for task in tasks {
        life.spawn_essential(task.name, task.work);
    }
    internal.ready();
    let mut out = std::io::stdout().lock();
    let lines = std::iter::once(title.to_owned()).chain(announcements).collect::<Vec<_>>().join("\n  ");
    // A closed standard output is no reason not to serve.
    let _ = writeln!(out, "{lines}").and_then(|()| out.flush());
    Ok(())
}

/// Peers in this process are called directly, the others at their address.
fn directory(
    me: ServiceName,
    here: &BTreeMap<ServiceName, Mounted>,
    node: &NodeConfig,
    life: &Lifecycle,
) -> Result<Directory, BuildError> {
    let mut directory = Directory::new(me);
    let side = CallerSide { me, access: switchboard_proto::ACCESS, rng: Arc::new(SystemRng) };
    for peer in peers_of(me) {
        let channel = match (here.get(peer), node.peers.of(*peer)) {
            (Some(mounted), _) => loopback(me, node.mesh.call_timeout, mounted.guarded.clone()),
            (None, Some(addresses)) => {
                let (channel, upkeep) = remote(&side, *peer, addresses, &node.mesh)
                    .map_err(|error| BuildError::new("a peer's address cannot be used", error))?;
                life.spawn_support(upkeep);
                channel
            }
            (None, None) => switchboard_mesh::channel::nowhere(*peer),
        };
        directory
            .add(*peer, channel)
            .map_err(|error| BuildError::new("the call graph has no such edge", error))?;
    }
    Ok(directory)
}

async fn listen(
    name: ServiceName,
    address: &str,
    mounted: Mounted,
    node: &Arc<NodeConfig>,
    life: &Lifecycle,
) -> Result<String, BuildError> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| BuildError::new("the gRPC address cannot be bound", error))?;
    let bound =
        listener.local_addr().map_err(|error| BuildError::new("the gRPC address cannot be read", error))?;
    let (stop, settings) = (life.stopping(), node.serve.clone());
    let health = mounted.health.clone();
    life.spawn_essential("grpc.serve", async move {
        let stop = async move {
            stop.await;
            health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        };
        if let Err(error) = serve(mounted, listener, &settings, stop).await {
            tracing::error!(error = switchboard_mesh::reply::chain(&error), "gRPC server failed");
        }
    });
    Ok(format!("{name} listening on {bound}"))
}

async fn probe_database(mounted: Mounted, db: switchboard_db::Db, life: Lifecycle) {
    let stopping = life.stopping();
    tokio::pin!(stopping);
    loop {
        let status = match db.ping().await {
            Ok(()) => tonic_health::ServingStatus::Serving,
            Err(_away) => tonic_health::ServingStatus::NotServing,
        };
        mounted.health.set_service_status(DATABASE_HEALTH, status).await;
        tokio::select! {
            () = tokio::time::sleep(DATABASE_PROBE) => {}
            () = &mut stopping => return,
        }
    }
}

/// Tells every problem at once.
pub(crate) fn refuse(problems: &[ConfigProblem]) -> ExitCode {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "the configuration cannot be used:");
    for problem in problems {
        let _ = writeln!(err, "  {problem}");
    }
    ExitCode::from(EXIT_USAGE)
}

pub(crate) fn die(problem: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "switchboard: {problem}");
    ExitCode::FAILURE
}
