//! One database, and any number of processes of agent-auth on it.

use super::{floor::FakeFloor, place::Place};
use crate::{Config, MIGRATIONS, NAME, build, config::Settings, store::Store};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use switchboard_boot::{Deps, Lifecycle, NodeConfig, system::SystemRng};
use switchboard_db::{Db, sql};
use switchboard_domain::{Clock, ServiceName, Timestamp};
use switchboard_mesh::{CallContext, Channel, Directory, Guarded, loopback};
use switchboard_proto::agentauth::v1::{
    GetJwksRequest, GetJwksResponse, IssueVisitorTokenRequest, IssueVisitorTokenResponse,
    agent_auth_service_client::AgentAuthServiceClient,
};
use tonic::{Response, Status};

pub(crate) fn settings() -> Settings {
    let text = "
        issuer = 'switchboard'
        visitor_token_life = '7d'
        jwks_max_age = '5m'
        key_rotation = '90d'
        key_refresh = '30s'
        admin_username = 'admin'
        admin_password = ''
        access_token_life = '15m'
        event_ticket_life = '30s'
        refresh_idle = '24h'
        refresh_absolute = '7d'
        refresh_grace = '10s'
        revocation_leeway = '1m'
        password_score_min = 3
        password_blocklist = ['correct horse battery staple']
        hash_concurrency = 2
        hash_queue = 8
        hash_retry = '1s'
        throttle_account_free = 5
        throttle_address_free = 20
        throttle_delay = '1s'
        throttle_delay_max = '1m'
        throttle_memory = '1h'
        device_memory = '90d'
        totp_issuer = 'Switchboard'
        api_key_max_age = '5s'
        api_key_touch = '1m'
        cleanup_interval = '10m'
        start_attempts = 5
        start_pause = '1ms'
        [presence]
        lease = '45s'
        idle_busy_after = '5m'
        look = '5ms'
        history = '90d'
        [roster]
        batch = 100
        refresh = '5m'
        look = '20ms'
        retry_min = '1ms'
        retry_max = '5ms'
    ";
    toml::from_str(text).unwrap()
}

/// A clock that stands still until it is told how much time has passed. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(super) fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(super) fn seconds(&self) -> i64 {
        self.now().seconds()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// An account as it is stored.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Admin {
    pub(super) username_key: String,
    pub(super) password_hash: String,
    pub(super) must_change_password: i64,
}

/// See the module.
pub(super) struct World {
    pub(super) clock: TestClock,
    pub(super) floor: Arc<FakeFloor>,
    settings: Settings,
    node: Arc<NodeConfig>,
    place: Place,
}

impl World {
    pub(super) fn new() -> Self {
        Self::at(Place::sqlite(), settings())
    }

    /// One on each engine there is.
    pub(super) async fn each() -> Vec<Self> {
        Place::each().await.into_iter().map(|place| Self::at(place, settings())).collect()
    }

    /// Takes everything away.
    pub(super) async fn close(self) {
        self.place.close().await;
    }

    pub(super) fn at(place: Place, settings: Settings) -> Self {
        let clock = TestClock(Arc::new(AtomicI64::new(1_700_000_000_123)));
        let floor = Arc::default();
        Self { clock, floor, settings, node: Arc::new(place.node()), place }
    }

    /// Builds and starts one process.
    pub(super) async fn build(&self) -> Part {
        let life = Lifecycle::new();
        let mut peers = Directory::new(NAME);
        let session = loopback(NAME, self.node.mesh.call_timeout, Arc::clone(&self.floor).guarded());
        peers.add(ServiceName::Session, session).unwrap();
        let deps = Deps {
            name: NAME,
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(SystemRng),
            coord: switchboard_coord::Coord::alone(),
            peers,
            tasks: life.clone(),
            node: Arc::clone(&self.node),
        };
        let server = build(Config { agent_auth: self.settings.clone() }, deps).await.unwrap();
        for task in server.tasks {
            life.spawn_essential(task.name, task.work);
        }
        let guarded = server.mounted.unwrap().guarded;
        Part { announcements: server.announcements, guarded, node: Arc::clone(&self.node), life }
    }

    /// What a command of an operator is given.
    pub(super) fn command(&self) -> (Config, Deps) {
        let deps = Deps {
            name: NAME,
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(SystemRng),
            coord: switchboard_coord::Coord::alone(),
            peers: Directory::new(NAME),
            tasks: Lifecycle::new(),
            node: Arc::clone(&self.node),
        };
        (Config { agent_auth: self.settings.clone() }, deps)
    }

    pub(super) async fn db(&self) -> Db {
        Db::open(&self.node.database, NAME.snake()).await.unwrap()
    }

    pub(super) async fn migrate(&self) {
        self.db().await.migrate(&MIGRATIONS).await.unwrap();
    }

    pub(super) async fn store(&self) -> Store {
        Store::new(self.db().await)
    }

    pub(super) async fn admins(&self) -> Vec<Admin> {
        let all = "SELECT username_key, password_hash, must_change_password FROM agent WHERE role = 'admin'";
        self.db().await.fetch_all(sql(all)).await.unwrap()
    }

    pub(super) async fn count(&self, text: &'static str) -> i64 {
        let (count,) = self.db().await.fetch_one::<(i64,)>(sql(text)).await.unwrap();
        count
    }
}

/// One running process.
pub(super) struct Part {
    pub(super) announcements: Vec<String>,
    guarded: Guarded,
    node: Arc<NodeConfig>,
    life: Lifecycle,
}

impl Part {
    /// The way to it from the edge.
    pub(super) fn channel(&self) -> Channel {
        loopback(ServiceName::Gateway, self.node.mesh.call_timeout, self.guarded.clone())
    }

    pub(super) fn client(&self, caller: ServiceName) -> AgentAuthServiceClient<Channel> {
        AgentAuthServiceClient::new(loopback(caller, self.node.mesh.call_timeout, self.guarded.clone()))
    }

    pub(super) async fn issue(
        &self,
        request: IssueVisitorTokenRequest,
    ) -> Result<IssueVisitorTokenResponse, Status> {
        self.issue_from(ServiceName::Gateway, request).await
    }

    pub(super) async fn issue_from(
        &self,
        caller: ServiceName,
        request: IssueVisitorTokenRequest,
    ) -> Result<IssueVisitorTokenResponse, Status> {
        let mut client = self.client(caller);
        context(caller).scope(client.issue_visitor_token(request)).await.map(Response::into_inner)
    }

    pub(super) async fn jwks(&self) -> GetJwksResponse {
        let mut client = self.client(ServiceName::Gateway);
        context(ServiceName::Gateway).scope(client.get_jwks(GetJwksRequest {})).await.unwrap().into_inner()
    }

    /// Stops it in order; nothing may be left running and nothing may have failed.
    pub(super) async fn stop(self) {
        assert!(self.life.stop(Duration::from_secs(20)).await);
    }
}

fn context(caller: ServiceName) -> CallContext {
    CallContext::background(caller, &switchboard_boot::system::SystemClock, &SystemRng)
}
