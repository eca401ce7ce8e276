//! A session service that has nothing but a roster.

use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use switchboard_boot::system::{SystemClock, SystemRng};
use switchboard_domain::{ErrorKind, Failure, ServiceName};
use switchboard_mesh::{Guarded, ServerStack, guard, status::to_status};
use switchboard_proto::session::v1::{
    FindRequest, FindResponse, GetAgentStatsRequest, GetAgentStatsResponse, GetQueueRequest,
    GetQueueResponse, GetStatsRequest, GetStatsResponse, PutRosterRequest, PutRosterResponse, RosterLine,
    floor_service_server::{FloorService, FloorServiceServer},
};
use tokio::sync::watch;
use tonic::{Request, Response, Status, service::Routes};

/// Longest time that a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

type Lines = BTreeMap<String, RosterLine>;

/// See the module.
#[derive(Debug)]
pub(super) struct FakeFloor {
    lines: watch::Sender<Lines>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_away: bool,
    refused: usize,
    calls: usize,
    largest: usize,
}

impl Default for FakeFloor {
    fn default() -> Self {
        Self { lines: watch::Sender::new(Lines::new()), state: Mutex::default() }
    }
}

impl FakeFloor {
    pub(super) fn guarded(self: Arc<Self>) -> Guarded {
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let stack = ServerStack::new(ServiceName::Session, switchboard_proto::ACCESS, clock, rng);
        guard(stack, Routes::new(FloorServiceServer::from_arc(self)))
    }

    /// From now on every call fails, or none does.
    pub(super) fn be_away(&self, is_away: bool) {
        self.state.lock().is_away = is_away;
    }

    /// As after a restore from before everything.
    pub(super) fn forget(&self) {
        self.lines.send_modify(Lines::clear);
    }

    pub(super) fn refused(&self) -> usize {
        self.state.lock().refused
    }

    pub(super) fn calls(&self) -> usize {
        self.state.lock().calls
    }

    /// Most lines of one call.
    pub(super) fn largest(&self) -> usize {
        self.state.lock().largest
    }

    pub(super) fn line(&self, id: &str) -> Option<RosterLine> {
        self.lines.borrow().get(id).cloned()
    }

    pub(super) fn lines(&self) -> usize {
        self.lines.borrow().len()
    }

    /// Waits until the roster is as it should be.
    pub(super) async fn until(&self, condition: impl Fn(&Lines) -> bool) {
        let mut lines = self.lines.subscribe();
        let waiting = lines.wait_for(|lines| condition(lines));
        let outcome = tokio::time::timeout(PATIENCE, waiting).await.map(|waited| waited.map(drop));
        assert!(matches!(outcome, Ok(Ok(()))), "the roster stays {:?}", self.lines.borrow());
    }

    /// Waits until a line is as it should be.
    pub(super) async fn until_line(&self, id: &str, condition: impl Fn(&RosterLine) -> bool) {
        self.until(|lines| lines.get(id).is_some_and(&condition)).await;
    }
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(to_status(&Failure::new(ErrorKind::NotFound, "UNKNOWN_METHOD", "the fake has a roster only")))
}

#[tonic::async_trait]
impl FloorService for FakeFloor {
    async fn put_roster(
        &self,
        request: Request<PutRosterRequest>,
    ) -> Result<Response<PutRosterResponse>, Status> {
        let told = request.into_inner().lines;
        let mut state = self.state.lock();
        if state.is_away {
            state.refused += 1;
            return Err(to_status(&Failure::new(ErrorKind::Unavailable, "UNAVAILABLE", "away")));
        }
        state.calls += 1;
        state.largest = state.largest.max(told.len());
        drop(state);
        self.lines.send_modify(|lines| {
            for line in told {
                if lines.get(&line.id).is_none_or(|known| known.version < line.version) {
                    lines.insert(line.id.clone(), line);
                }
            }
        });
        Ok(Response::new(PutRosterResponse {}))
    }

    async fn find(&self, _: Request<FindRequest>) -> Result<Response<FindResponse>, Status> {
        not_here()
    }
    async fn get_queue(&self, _: Request<GetQueueRequest>) -> Result<Response<GetQueueResponse>, Status> {
        not_here()
    }
    async fn get_stats(&self, _: Request<GetStatsRequest>) -> Result<Response<GetStatsResponse>, Status> {
        not_here()
    }
    async fn get_agent_stats(
        &self,
        _: Request<GetAgentStatsRequest>,
    ) -> Result<Response<GetAgentStatsResponse>, Status> {
        not_here()
    }
}
