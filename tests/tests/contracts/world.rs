//! One session service on a database of its own, a clock that stands still until it is moved, and lines to call it on.

use futures::future::BoxFuture;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, postgres::PgConnectOptions};
use std::{sync::Arc, time::Duration};
use switchboard_boot::{BuildError, Configured, Deps, Lifecycle, NodeConfig, Server, Sources, Tree};
use switchboard_db::Db;
use switchboard_domain::{AgentId, BuiltinRole, Clock, Failure, Principal, Rng, ServiceName, SessionName};
use switchboard_mesh::{CallContext, Channel, Directory, Mounted, loopback, status::from_status};
use switchboard_proto::session::v1::{self as wire, session_service_client::SessionServiceClient};
use switchboard_tests::{
    fakes::{CountingRng, ManualClock},
    postgres::fresh_database,
};
use tempfile::TempDir;
use tonic::{Response, Status, Streaming};

/// Where the clocks start, in milliseconds.
pub(crate) const START: i64 = 1_770_000_000_000;

/// Patient enough for a slow machine. Nothing looks into the database by itself: whoever waits must be woken.
/// Little is kept in memory, so that listeners fall behind it.
const PATIENT: [(&str, &str); 15] = [
    ("database.acquire_timeout", "60s"),
    ("database.statement_timeout", "60s"),
    ("database.lock_timeout", "60s"),
    ("database.idle_in_transaction_timeout", "60s"),
    ("database.transaction_timeout", "60s"),
    ("database.sqlite_cache_bytes", "1048576"),
    ("database.durability_check", "off"),
    ("mesh.call_timeout", "60s"),
    ("session.poll_interval", "10m"),
    ("session.subscriber_queue", "2"),
    ("session.live_tail", "4"),
    // Time leaps, and agent-auth says nothing meanwhile.
    ("session.routing.roster_stale_after", "1000days"),
    // Somebody works at any time, unless a test says otherwise.
    ("hours.shift_start", "00:00"),
    ("hours.shift_end", "24:00"),
    ("hours.weekends_disabled", "false"),
];

/// Where a test's data lives.
#[derive(Debug)]
pub(crate) enum Place {
    Folder(TempDir),
    /// The URL of an empty database.
    Database(String),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn postgres() -> Self {
        Self::Database(fresh_database().await)
    }

    async fn remove(self) {
        match self {
            Self::Folder(folder) => folder.close().unwrap(),
            Self::Database(url) => {
                let server: PgConnectOptions = url.parse().unwrap();
                let drop = format!("DROP DATABASE {} WITH (FORCE)", server.get_database().unwrap());
                let mut connection = server.database("postgres").connect().await.unwrap();
                connection.execute(AssertSqlSafe(drop)).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    fn setting(&self) -> (String, String) {
        match self {
            Self::Folder(folder) => ("database.data_dir".into(), folder.path().display().to_string()),
            Self::Database(url) => ("database.url".into(), url.clone()),
        }
    }
}

/// A session service and everything it needs.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) life: Lifecycle,
    pub(crate) place: Place,
    rng: Arc<CountingRng>,
    session: Mounted,
}

impl World {
    /// Runs a test in a fresh world; takes its data away when it succeeded.
    pub(crate) async fn run(place: Place, test: impl AsyncFnOnce(&Self)) {
        let world = Self::open(place).await;
        test(&world).await;
        assert!(world.life.stop(Duration::from_secs(30)).await, "everything ends when it is told to");
        world.place.remove().await;
    }

    async fn open(place: Place) -> Self {
        let (clock, rng, life) = (ManualClock::at(START), CountingRng::new(), Lifecycle::new());
        let seed = Seed { place: &place, clock: &clock, rng: &rng, life: &life };
        let session = seed.session(&[]).await.mounted.unwrap();
        Self { clock, life, place, rng, session }
    }

    /// Another replica of the session service on the same data, with other settings, and with its tasks at work.
    pub(crate) async fn replica(&self, settings: &[(&str, &str)]) -> Mounted {
        let server = self.seed().session(settings).await;
        for task in server.tasks {
            self.life.spawn(task.name, task.work);
        }
        server.mounted.unwrap()
    }

    /// Builds a part that may call the session service.
    pub(crate) async fn part<C, F>(&self, name: ServiceName, build: F) -> Server
    where
        C: Configured,
        F: FnOnce(C, Deps) -> BoxFuture<'static, Result<Server, BuildError>>,
    {
        let mut peers = Directory::new(name);
        if switchboard_mesh::directory::peers_of(name).contains(&ServiceName::Session) {
            peers.add(ServiceName::Session, self.channel(name, &self.session)).unwrap();
        }
        self.seed().build(name, peers, &[], build).await
    }

    fn seed(&self) -> Seed<'_> {
        Seed { place: &self.place, clock: &self.clock, rng: &self.rng, life: &self.life }
    }

    /// The database of the session service, for what no caller can bring about.
    pub(crate) async fn database(&self) -> Db {
        Db::open(&self.seed().node(&[]).database, ServiceName::Session.snake()).await.unwrap()
    }

    /// The way from one part to a service of this world.
    pub(crate) fn channel(&self, from: ServiceName, to: &Mounted) -> Channel {
        loopback(from, self.seed().node(&[]).mesh.call_timeout, to.guarded.clone())
    }

    /// Runs `work` on somebody's behalf.
    pub(crate) fn acting<W: Future>(&self, principal: Principal, work: W) -> impl Future<Output = W::Output> {
        let context = CallContext::background(ServiceName::Gateway, &*self.clock, &*self.rng);
        context.acting_as(principal).scope(work)
    }

    /// A line to the session service.
    pub(crate) fn line(&self, from: ServiceName, principal: Principal) -> Line {
        self.line_to(&self.session, from, principal)
    }

    /// A line to some replica of the session service.
    pub(crate) fn line_to(&self, to: &Mounted, from: ServiceName, principal: Principal) -> Line {
        let context = CallContext::background(from, &*self.clock, &*self.rng).acting_as(principal);
        let channel = self.channel(from, to);
        Line { client: SessionServiceClient::new(channel.clone()), channel, context }
    }

    /// A customer without a token, at the edge.
    pub(crate) fn anonymous(&self) -> Line {
        self.line(ServiceName::Gateway, Principal::Anonymous)
    }

    /// The holder of a session's visitor token, at the edge.
    pub(crate) fn visitor(&self, session: &str) -> Line {
        self.line(ServiceName::Gateway, Principal::Visitor(SessionName::parse(session).unwrap()))
    }

    /// Somebody of the shop, at the edge.
    pub(crate) fn staff(&self, role: BuiltinRole) -> Line {
        let id = AgentId::parse("agt_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap();
        self.line(ServiceName::Gateway, Principal::Agent { id, permissions: role.permissions() })
    }

    /// The conductor of turns.
    pub(crate) fn worker(&self) -> Line {
        self.line(ServiceName::ChatGateway, Principal::Service(ServiceName::ChatGateway))
    }

    /// The reader of the outbox.
    pub(crate) fn notifier(&self) -> Line {
        self.line(ServiceName::Notifier, Principal::Service(ServiceName::Notifier))
    }
}

/// What parts are built from.
struct Seed<'w> {
    place: &'w Place,
    clock: &'w Arc<ManualClock>,
    rng: &'w Arc<CountingRng>,
    life: &'w Lifecycle,
}

impl Seed<'_> {
    async fn session(&self, settings: &[(&str, &str)]) -> Server {
        let build =
            |config, deps| -> BoxFuture<'static, _> { Box::pin(switchboard_session::build(config, deps)) };
        self.build(ServiceName::Session, Directory::new(ServiceName::Session), settings, build).await
    }

    async fn build<C, F>(
        &self,
        name: ServiceName,
        peers: Directory,
        settings: &[(&str, &str)],
        build: F,
    ) -> Server
    where
        C: Configured,
        F: FnOnce(C, Deps) -> BoxFuture<'static, Result<Server, BuildError>>,
    {
        let clock = Arc::clone(self.clock) as Arc<dyn Clock>;
        let rng = Arc::clone(self.rng) as Arc<dyn Rng>;
        let node = Arc::new(self.node(settings));
        let deps = Deps {
            name,
            clock,
            rng,
            coord: switchboard_coord::Coord::alone(),
            peers,
            tasks: self.life.clone(),
            node,
        };
        build(self.extract(settings), deps).await.unwrap()
    }

    fn node(&self, settings: &[(&str, &str)]) -> NodeConfig {
        self.extract(settings)
    }

    fn extract<C: Configured>(&self, settings: &[(&str, &str)]) -> C {
        let mut flags = vec![self.place.setting()];
        flags.extend(PATIENT.iter().chain(settings).map(|(key, value)| ((*key).into(), (*value).into())));
        let mut problems = Vec::new();
        let tree = Tree::load(&Sources { flags, ..Sources::default() }, &mut problems);
        let config = tree.extract(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        config.unwrap()
    }
}

/// A way to call the session service, on somebody's behalf.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    client: SessionServiceClient<Channel>,
    channel: Channel,
    context: CallContext,
}

macro_rules! calls {
    ($($name:ident: $request:ident => $answer:ident;)+) => {
        impl Line {
            $(pub(crate) async fn $name(&self, request: wire::$request) -> Result<wire::$answer, Failure> {
                let mut client = self.client.clone();
                self.ask(async move { client.$name(request).await }).await
            })+
        }
    };
}

calls! {
    open: OpenRequest => OpenResponse;
    say: SayRequest => SayResponse;
    begin_turn: BeginTurnRequest => BeginTurnResponse;
    renew_turn: RenewTurnRequest => RenewTurnResponse;
    finish_turn: FinishTurnRequest => FinishTurnResponse;
    claim_turns: ClaimTurnsRequest => ClaimTurnsResponse;
    get_turn: GetTurnRequest => GetTurnResponse;
    escalate: EscalateRequest => CommandResponse;
    cancel_wait: CancelWaitRequest => CommandResponse;
    set_conversation: SetConversationRequest => CommandResponse;
    get: GetRequest => GetResponse;
    list_entries: ListEntriesRequest => ListEntriesResponse;
    lease_events: LeaseEventsRequest => LeaseEventsResponse;
    ack_events: AckEventsRequest => AckEventsResponse;
}

impl Line {
    /// On whose behalf it calls.
    pub(crate) fn principal(&self) -> Principal {
        self.context.principal.clone()
    }

    pub(crate) async fn subscribe(
        &self,
        request: wire::SubscribeRequest,
    ) -> Result<Streaming<wire::SubscribeResponse>, Failure> {
        let mut client = self.client.clone();
        self.ask(async move { client.subscribe(request).await }).await
    }

    /// The way to the same service for clients of its other contracts.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Makes a call on this line's behalf.
    pub(crate) async fn ask<A>(
        &self,
        call: impl Future<Output = Result<Response<A>, Status>>,
    ) -> Result<A, Failure> {
        match self.context.clone().scope(call).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(from_status(&status)),
        }
    }
}
