//! A notifier, built and running, between a fake session service and the edge.

use super::{fake::FakeSession, place::Place};
use crate::{Config, build, config::Settings};
use std::{sync::Arc, time::Duration};
use switchboard_boot::{
    Deps, Lifecycle, NodeConfig,
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
use tonic::{Status, service::Routes};

/// Longest time that a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn settings() -> Settings {
    toml::from_str(
        "lease_limit = 100\nlease_wait = '20s'\nlease_grace = '5s'\nretry_min = '1ms'\nretry_max = '5ms'",
    )
    .unwrap()
}

/// A running notifier.
pub(super) struct World {
    pub(super) session: Arc<FakeSession>,
    place: Arc<Place>,
    life: Lifecycle,
    guarded: Guarded,
    node: Arc<NodeConfig>,
}

impl World {
    /// Starts a notifier with an empty inbox and an outbox that holds `events`.
    pub(super) async fn start(events: &[OutboxEvent]) -> Self {
        let world = Self::at(Place::sqlite()).await;
        world.session.publish(events);
        world
    }

    /// Starts a notifier with an empty inbox at `place` and an empty outbox.
    pub(super) async fn at(place: Place) -> Self {
        Self::on(Arc::new(FakeSession::default()), Arc::new(place)).await
    }

    /// Another process with the same database and the same session service.
    pub(super) async fn second(&self) -> Self {
        Self::on(Arc::clone(&self.session), Arc::clone(&self.place)).await
    }

    async fn on(session: Arc<FakeSession>, place: Arc<Place>) -> Self {
        let node = Arc::new(place.node());
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
        Self { session, place, life, guarded: server.mounted.unwrap().guarded, node }
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

    /// Stops it in order; nothing may be left running and nothing may have failed. The last one at a place cleans up.
    pub(super) async fn stop(self) {
        assert!(self.life.stop(PATIENCE).await);
        if let Ok(place) = Arc::try_unwrap(self.place) {
            place.close().await;
        }
    }
}
