//! The face of every service: what it is given, what it gives back.

use crate::{Lifecycle, NodeConfig};
use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc};
use switchboard_coord::Coord;
use switchboard_db::Db;
use switchboard_domain::{Clock, Rng, ServiceName};
use switchboard_mesh::{Channel, Directory, Mounted, ServerStack, Services, mount};

/// What a part is given.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Who it is.
    pub name: ServiceName,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Hints and budgets that it shares with other replicas.
    pub coord: Coord,
    /// The peers it may call.
    pub peers: Directory,
    /// Where its tasks live.
    pub tasks: Lifecycle,
    /// What is the same for every part of this process.
    pub node: Arc<NodeConfig>,
}

impl Deps {
    /// Opens the part's own database and brings it up to date.
    ///
    /// # Errors
    /// [`BuildError`] when it cannot be opened or migrated.
    pub async fn open_db(&self, migrator: &sqlx::migrate::Migrator) -> Result<Db, BuildError> {
        let db = Db::open(&self.node.database, self.name.snake())
            .await
            .map_err(|error| BuildError::new("the database cannot be opened", error))?;
        db.migrate(migrator)
            .await
            .map_err(|error| BuildError::new("the database cannot be migrated", error))?;
        let closing = db.clone();
        self.tasks.on_stop(move || async move { closing.close().await });
        Ok(db)
    }

    /// The way to a peer.
    ///
    /// # Errors
    /// [`BuildError`] when the call graph does not know the edge.
    pub fn peer(&self, peer: ServiceName) -> Result<Channel, BuildError> {
        self.peers.channel(peer).map_err(|error| BuildError::new("a peer cannot be called", error))
    }

    /// Puts the part's gRPC services behind the guard, with health and reflection.
    ///
    /// # Errors
    /// [`BuildError`] when the descriptor set cannot be read.
    pub fn mount(&self, services: Services) -> Result<Mounted, BuildError> {
        let stack = ServerStack::new(
            self.name,
            switchboard_proto::ACCESS,
            Arc::clone(&self.clock),
            Arc::clone(&self.rng),
        );
        mount(stack, services, switchboard_proto::FILE_DESCRIPTOR_SET)
            .map_err(|error| BuildError::new("the service cannot be mounted", error))
    }
}

/// A task of a part, named, not started yet.
pub struct Task {
    /// Its name in logs.
    pub name: &'static str,
    /// What it does until the soft stop ([`Deps::tasks`] tells). Ending before is a failure of the process.
    pub work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Task {
    /// Names a task.
    pub fn new(name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { name, work: Box::pin(work) }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A part that is built and not started.
#[derive(Debug)]
pub struct Server {
    /// Its gRPC service; the edge has none.
    pub mounted: Option<Mounted>,
    /// Its database, watched by the health service.
    pub database: Option<Db>,
    /// What it does by itself.
    pub tasks: Vec<Task>,
    /// What the operator must read once, such as the first password.
    pub announcements: Vec<String>,
}

impl Server {
    /// A part that only answers.
    pub fn new(mounted: Mounted) -> Self {
        Self { mounted: Some(mounted), ..Self::without_grpc() }
    }

    /// A part that other parts do not call.
    pub fn without_grpc() -> Self {
        Self { mounted: None, database: None, tasks: Vec::new(), announcements: Vec::new() }
    }

    /// Names the part's database.
    pub fn with_database(mut self, db: Db) -> Self {
        self.database = Some(db);
        self
    }

    /// Adds a line for the operator.
    pub fn with_announcement(mut self, line: String) -> Self {
        self.announcements.push(line);
        self
    }

    /// Adds a task.
    pub fn with_task(mut self, task: Task) -> Self {
        self.tasks.push(task);
        self
    }
}

/// A part cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct BuildError {
    what: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl BuildError {
    /// Says what cannot be done, and why.
    pub fn new(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what, source: source.into() }
    }
}
