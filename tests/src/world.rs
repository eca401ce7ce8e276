//! A whole Switchboard, made of the real programs, in one of its two shapes: everything in one process on SQLite, or six
//! processes that talk gRPC over TCP on one Postgres. Tests talk to it as customers do, and cannot tell the shapes apart.

use crate::{
    balancer::Balancer,
    client::Client,
    guardian,
    patience::{eventually, try_within},
    ports, postgres,
    program::{Program, Recipe, Stopped, staleness},
    redis,
    settings::Settings,
};
use futures::future::join_all;
use std::{collections::BTreeMap, env, time::Duration};
use switchboard_domain::ServiceName;
use tempfile::TempDir;

/// Longest time until a program says that it is ready: it may be the first in a long row.
const START: Duration = Duration::from_mins(1);
/// Attempts to start on ports that nobody takes meanwhile.
const STARTS: usize = 3;

/// How a Switchboard is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// All parts in one process, kept in SQLite.
    OneProcess,
    /// Six processes over TCP gRPC, kept in Postgres.
    Mesh,
}

impl Shape {
    /// Its name in file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneProcess => "one",
            Self::Mesh => "mesh",
        }
    }
}

/// How many replicas of each part a mesh has unless a test says otherwise: every story runs with any number.
const REPLICAS: &str = "SWITCHBOARD_REPLICAS";

/// A program of a World: the part that it runs, and which of its replicas it is.
pub type Replica = (ServiceName, usize);

/// A running Switchboard. Everything that was started ends with it.
#[derive(Debug)]
pub struct World {
    /// How it is put together.
    pub shape: Shape,
    /// By the parts that they run; the one process has all of them under [`ServiceName::Gateway`].
    programs: BTreeMap<Replica, Program>,
    /// Where each program tells operators of itself.
    internal: BTreeMap<Replica, u16>,
    /// Where the parts of a mesh are called.
    grpc: BTreeMap<Replica, String>,
    /// In front of the edges: each connection goes to any of them.
    _balancer: Option<Balancer>,
    port: u16,
    _folder: TempDir,
}

impl World {
    /// Everything in one process, with the defaults.
    pub async fn one_process(name: &str) -> Self {
        Self::start(Shape::OneProcess, &Settings::new(name)).await
    }

    /// Six processes, with the defaults.
    pub async fn mesh(name: &str) -> Self {
        Self::start(Shape::Mesh, &Settings::new(name)).await
    }

    /// Starts one and waits until it is ready for customers.
    pub async fn start(shape: Shape, settings: &Settings) -> Self {
        let replicas = env::var(REPLICAS).ok().map_or(1, |text| text.parse().expect("a number of replicas"));
        Self::replicated(shape, replicas, settings).await
    }

    /// The same with so many replicas of each part of a mesh, and a balancer in front that knows nothing of sessions.
    pub async fn replicated(shape: Shape, replicas: usize, settings: &Settings) -> Self {
        let mut problem = String::new();
        for _ in 0..STARTS {
            let world = Self::prepare(shape, replicas, settings).await;
            match world.begin().await {
                Ok(()) => return world,
                // Somebody else took a port between our look and its use.
                Err(told) if told.contains("cannot be bound") || told.contains("cannot listen") => {
                    problem = told;
                }
                Err(told) => panic!("{told}"),
            }
        }
        panic!("{problem}");
    }

    async fn prepare(shape: Shape, replicas: usize, settings: &Settings) -> Self {
        let folder =
            tempfile::Builder::new().prefix("switchboard-world.").tempdir().expect("a temporary folder");
        // Worlds that tests share are never dropped.
        guardian::remove_at_end(folder.path());
        let mut environment = settings.variables();
        let mut put = |key: &str, value: String| environment.insert(crate::settings::variable(key), value);
        put("database.data_dir", folder.path().join("data").display().to_string());
        let mut grpc = BTreeMap::new();
        let parts: Vec<Replica> = match shape {
            Shape::OneProcess => vec![(ServiceName::Gateway, 0)],
            Shape::Mesh => {
                put("database.url", postgres::fresh_database().await);
                put("node.worker_threads", "1".to_owned());
                if replicas > 1 {
                    let (url, prefix) = redis::shared().await;
                    put("coord.url", url);
                    put("coord.prefix", prefix);
                }
                let each = |name| (0..replicas).map(move |number| (name, number));
                for name in ServiceName::ALL.into_iter().filter(|name| *name != ServiceName::Gateway) {
                    let addresses: Vec<String> =
                        each(name).map(|_| format!("http://127.0.0.1:{}", ports::free())).collect();
                    put(&format!("peers.{}", name.snake()), addresses.join(","));
                    grpc.extend(each(name).zip(addresses));
                }
                ServiceName::ALL.into_iter().flat_map(each).collect()
            }
        };
        let edges: Vec<u16> =
            parts.iter().filter(|(name, _)| *name == ServiceName::Gateway).map(|_| ports::free()).collect();
        let internal: BTreeMap<_, _> = parts.iter().map(|part| (*part, ports::free())).collect();
        let program = |part: &Replica| {
            let (name, number) = *part;
            let mut environment = environment.clone();
            let mut put =
                |key: &str, value: String| environment.insert(crate::settings::variable(key), value);
            put("telemetry.internal_listen", format!("127.0.0.1:{}", internal[part]));
            if let Some(address) = grpc.get(part) {
                let address = address.trim_start_matches("http://");
                put(&format!("listen.{}", name.snake()), address.to_owned());
            } else {
                put("gateway.listen", format!("127.0.0.1:{}", edges[number]));
            }
            let suffix = if number == 0 { String::new() } else { format!("-{number}") };
            let (command, label) = match shape {
                Shape::OneProcess => ("up", format!("{}-one", settings.name)),
                Shape::Mesh => (name.as_str(), format!("{}-mesh-{name}{suffix}", settings.name)),
            };
            Program::new(Recipe { label, arguments: vec![command.to_owned()], environment })
        };
        let programs = parts.iter().map(|part| (*part, program(part))).collect();
        let balancer = if edges.len() > 1 { Some(Balancer::start(edges.clone()).await) } else { None };
        let port = balancer.as_ref().map_or(edges[0], Balancer::port);
        Self { shape, programs, internal, grpc, _balancer: balancer, port, _folder: folder }
    }

    async fn begin(&self) -> Result<(), String> {
        for program in self.programs.values() {
            program.start();
        }
        let starts = join_all(self.programs.values().map(|program| program.ready(START))).await;
        starts.into_iter().collect::<Result<(), String>>()?;
        let client = self.client();
        let ready =
            try_within(START, async || client.try_get("/readyz").await.filter(|answer| answer.status == 200));
        match ready.await {
            Some(_) => Ok(()),
            None => Err(format!("the edge does not become ready:\n{}", self.last_words())),
        }
    }

    /// A browser of its own.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.port))
    }

    /// The page that a program serves to operators.
    pub async fn internal(&self, name: ServiceName, path: &str) -> crate::client::Answer {
        let port = self.internal[&(self.program_of(name), 0)];
        Client::new(&format!("http://127.0.0.1:{port}")).get(path).await
    }

    /// Where a part of a mesh is called.
    pub fn grpc(&self, name: ServiceName) -> String {
        self.grpc[&(name, 0)].clone()
    }

    /// Kills all of it at once, like a power cut.
    pub fn kill9(&self) {
        self.programs.values().for_each(Program::kill9);
    }

    /// Kills all programs that run a part.
    pub fn kill_part(&self, name: ServiceName) {
        self.of_part(name).for_each(|(_, program)| program.kill9());
    }

    /// All programs of the World.
    pub fn replicas(&self) -> Vec<Replica> {
        self.programs.keys().copied().collect()
    }

    /// One program, to be killed, frozen or asked by a test.
    pub fn program(&self, replica: Replica) -> &Program {
        &self.programs[&replica]
    }

    /// Starts the programs that run a part again, and waits until they are ready.
    pub async fn start_part(&self, name: ServiceName) {
        self.of_part(name).for_each(|(_, program)| program.start());
        for (_, program) in self.of_part(name) {
            program.ready(START).await.unwrap_or_else(|told| panic!("{told}"));
        }
    }

    /// Starts everything that does not run, at the same addresses with the same data, and waits until it is ready.
    pub async fn restart(&self) {
        for program in self.programs.values().filter(|program| program.pid().is_none()) {
            program.start();
        }
        for program in self.programs.values() {
            program.ready(START).await.unwrap_or_else(|told| panic!("{told}"));
        }
        let client = self.client();
        eventually("ready after a restart", async || {
            client.try_get("/readyz").await.filter(|answer| answer.status == 200)
        })
        .await;
    }

    /// Asks everything to stop, the edge first, and tells how it went; fails the test unless all end in order within
    /// `bound`.
    pub async fn stop(&self, bound: Duration) -> Vec<(ServiceName, Stopped)> {
        let mut stopped = Vec::new();
        // The edge drains while the parts behind it still answer.
        for name in std::iter::once(ServiceName::Gateway).chain(ServiceName::ALL) {
            for (_, program) in self.of_part(name).filter(|(_, program)| program.pid().is_some()) {
                let how = program.stop(bound).await.unwrap_or_else(|told| panic!("{told}"));
                assert_eq!(
                    how.status.code(),
                    Some(0),
                    "{name} after {:?}:\n{}",
                    how.took,
                    program.last_words()
                );
                stopped.push((name, how));
            }
        }
        stopped
    }

    /// Asks all programs at once to stop, and tells how each went; they are killed after `bound`.
    pub async fn stop_at_once(&self, bound: Duration) -> Vec<(ServiceName, Stopped)> {
        let all = self.programs.iter().map(async |((name, _), program)| {
            let how = program.stop(bound).await.unwrap_or_else(|told| panic!("{told}"));
            (*name, how)
        });
        join_all(all).await
    }

    /// What the programs that run a part have logged.
    pub fn log(&self, name: ServiceName) -> String {
        self.of_part(name).map(|(_, program)| program.log()).collect()
    }

    /// The logs of all programs.
    pub fn logs(&self) -> String {
        self.programs.values().map(Program::log).collect()
    }

    /// The ends of all logs.
    pub fn last_words(&self) -> String {
        self.programs.values().map(Program::last_words).collect()
    }

    /// Shows the ends of all logs if the test fails before this is dropped.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence(self)
    }

    fn of_part(&self, name: ServiceName) -> impl Iterator<Item = (&Replica, &Program)> {
        let name = self.program_of(name);
        self.programs.iter().filter(move |((part, _), _)| *part == name)
    }

    fn program_of(&self, name: ServiceName) -> ServiceName {
        match self.shape {
            Shape::OneProcess => ServiceName::Gateway,
            Shape::Mesh => name,
        }
    }
}

/// Shows the ends of all logs if the test fails before this is dropped.
#[derive(Debug)]
pub struct Evidence<'a>(&'a World);

impl Drop for Evidence<'_> {
    #[expect(clippy::print_stderr, reason = "a failed test tells where to look")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}{}", self.0.last_words(), staleness().unwrap_or_default());
        }
    }
}
