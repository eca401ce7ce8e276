//! A notifier, built and running, between a fake session service and the edge.

use super::fake::FakeSession;
use crate::{Config, build, config::Settings};
use std::{sync::Arc, time::Duration};
use switchboard_boot::{
    Configured as _, Deps, Lifecycle, NodeConfig,
    system::{SystemClock, SystemRng},
};
use switchboard_domain::{Principal, ServiceName};
use switchboard_mesh::{CallContext, Directory, Guarded, ServerStack, guard, loopback};
use switchboard_proto::{
    notifier::v1::{
        ListReceivedRequest, ListReceivedResponse, notifier_service_client::NotifierServiceClient,
    },
    session::v1::{OutboxEvent, session_service_server::SessionServiceServer},
};
use tempfile::TempDir;
use tonic::{Status, service::Routes};

/// Longest time that a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

const DATABASE: &str = "
    max_connections = 4
    acquire_timeout = '5s'
    statement_timeout = '5s'
    lock_timeout = '5s'
    idle_in_transaction_timeout = '10s'
    transaction_timeout = '5s'
    migration_timeout = '30s'
    write_queue = 64
    group_commit_max = 16
    sqlite_cache_bytes = 1000000
    sqlite_checkpoint_every = 100
    durability_check = 'warn'
";

pub(super) fn settings() -> Settings {
    toml::from_str(
        "lease_limit = 100\nlease_wait = '20s'\nlease_grace = '5s'\nretry_min = '1ms'\nretry_max = '5ms'",
    )
    .unwrap()
}

fn node(folder: &std::path::Path) -> NodeConfig {
    let mut tree: toml::Table = switchboard_boot::config::DEFAULTS.parse().unwrap();
    tree.retain(|section, _| NodeConfig::SECTIONS.contains(&section));
    let mut database: toml::Table = DATABASE.parse().unwrap();
    database.insert("data_dir".into(), folder.to_str().unwrap().into());
    tree.insert("database".into(), database.into());
    tree.try_into().unwrap()
}

/// A running notifier.
pub(super) struct World {
    pub(super) session: Arc<FakeSession>,
    folder: Arc<TempDir>,
    life: Lifecycle,
    guarded: Guarded,
    node: Arc<NodeConfig>,
}

impl World {
    /// Starts a notifier with an empty inbox and an outbox that holds `events`.
    pub(super) async fn start(events: &[OutboxEvent]) -> Self {
        let session = Arc::new(FakeSession::default());
        session.publish(events);
        Self::on(session, Arc::new(TempDir::new().unwrap())).await
    }

    /// Another process with the same database and the same session service.
    pub(super) async fn second(&self) -> Self {
        Self::on(Arc::clone(&self.session), Arc::clone(&self.folder)).await
    }

    async fn on(session: Arc<FakeSession>, folder: Arc<TempDir>) -> Self {
        let node = Arc::new(node(folder.path()));
        let stack = ServerStack::new(
            ServiceName::Session,
            switchboard_proto::ACCESS,
            Arc::new(SystemClock),
            Arc::new(SystemRng),
        );
        let fake = guard(stack, Routes::new(SessionServiceServer::from_arc(Arc::clone(&session))));
        let mut peers = Directory::new(ServiceName::Notifier);
        peers.add(ServiceName::Session, loopback(ServiceName::Notifier, &node.mesh, fake)).unwrap();
        let life = Lifecycle::new();
        let deps = Deps {
            name: crate::NAME,
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            peers,
            tasks: life.clone(),
            node: Arc::clone(&node),
        };
        let server = build(Config { notifier: settings() }, deps).await.unwrap();
        for task in server.tasks {
            life.spawn_essential(task.name, task.work);
        }
        Self { session, folder, life, guarded: server.mounted.unwrap().guarded, node }
    }

    /// Waits until so many events were acknowledged.
    pub(super) async fn acknowledged(&mut self, count: usize) {
        let mut acknowledged = self.session.acknowledged();
        let waiting = acknowledged.wait_for(|ids| ids.len() >= count);
        let ids = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
        assert_eq!(ids.len(), count);
    }

    /// What the edge gets for the notifier itself.
    pub(super) async fn list(&self, limit: u32) -> Result<ListReceivedResponse, Status> {
        self.list_as(Principal::Service(ServiceName::Gateway), ListReceivedRequest { limit }).await
    }

    /// What the edge gets for `principal`.
    pub(super) async fn list_as(
        &self,
        principal: Principal,
        request: ListReceivedRequest,
    ) -> Result<ListReceivedResponse, Status> {
        let channel = loopback(ServiceName::Gateway, &self.node.mesh, self.guarded.clone());
        let mut client = NotifierServiceClient::new(channel);
        let context =
            CallContext::background(ServiceName::Gateway, &SystemClock, &SystemRng).acting_as(principal);
        context.scope(client.list_received(request)).await.map(tonic::Response::into_inner)
    }

    /// Stops it in order; nothing may be left running and nothing may have failed.
    pub(super) async fn stop(self) {
        assert!(self.life.stop(PATIENCE).await);
    }
}
