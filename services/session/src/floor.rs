//! The floor: who waits, who works, and the numbers. Every call is one read of the store, and a part of an answer.

mod places;
mod settings;
mod wire;

pub(crate) use places::tell;
pub use settings::{FindSettings, Phrases, QueueSettings, RoutingSettings};
pub(crate) use wire::priority;

use crate::{
    caller::principal,
    error::SessionError,
    store::{Store, summaries::Listed},
};
use std::collections::HashMap;
use switchboard_domain::{AgentId, ErrorKind, Failure, Permission, Timestamp, limits::PAGE_MAX};
use switchboard_mesh::reply;
use switchboard_proto::{
    convert::WireError,
    session::v1::{
        FindRequest, FindResponse, GetAgentStatsRequest, GetAgentStatsResponse, GetQueueRequest,
        GetQueueResponse, GetStatsRequest, GetStatsResponse, PutRosterRequest, PutRosterResponse,
        floor_service_server::FloorService, get_queue_response::Place,
    },
};
use tonic::{Request, Response, Status};

/// Answers [`FloorService`].
#[derive(Debug)]
pub(crate) struct Floor {
    store: Store,
}

impl Floor {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    async fn find(&self, request: FindRequest) -> Result<FindResponse, SessionError> {
        let owner = match &request.agent {
            Some(named) => Some(self.store.agent_named(named).await?),
            None => None,
        };
        let query = wire::query(request, owner)?;
        let found = self.store.find(&query).await?;
        let now = self.store.clock.now();
        let summaries = found.sessions.iter().map(|listed| wire::summary(&self.store, listed, now)).collect();
        Ok(FindResponse {
            sessions: summaries,
            has_more: found.next.is_some(),
            next_page_token: found.next.map(|place| place.token(query.order)).unwrap_or_default(),
            total: found.total,
            total_exact: found.total_exact,
            partial: found.partial,
        })
    }

    async fn queue(&self, request: GetQueueRequest) -> Result<GetQueueResponse, SessionError> {
        let limit = if request.limit == 0 { PAGE_MAX } else { (request.limit as usize).min(PAGE_MAX) };
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let sums = self.store.queue_sums(&request.queue).await?;
        let waiters = self.store.waiters(&request.queue, limit).await?;
        let names: Vec<String> = waiters.iter().map(|waiter| waiter.waiting.name.to_string()).collect();
        let offered = self.store.offered_to(&names).await?;
        let pace = self.store.pace().await?;
        let waits: HashMap<&str, Option<i64>> = (1_u32..)
            .zip(&waiters)
            .map(|(position, waiter)| (waiter.waiting.name.as_str(), pace.wait_ms(waiter, position)))
            .collect();
        let now = self.store.clock.now();
        let listed = self.store.listed(&names).await?;
        let place = |(position, listed): (u32, Listed)| {
            let wait = waits.get(listed.session.name.as_str()).copied().flatten();
            wire::place(&self.store, position, &listed, &offered, wait, now)
        };
        let places: Vec<Place> = (1_u32..).zip(listed).map(place).collect();
        Ok(GetQueueResponse {
            places,
            total: sums.total,
            vips: sums.vips,
            mean_wait_ms: sums.mean_wait_ms,
            max_wait_ms: sums.max_wait_ms,
        })
    }

    async fn stats(&self, request: GetStatsRequest) -> Result<GetStatsResponse, SessionError> {
        let day_start = self.day_start(request.day_start_ms).await?;
        Ok(wire::stats(self.store.numbers(day_start).await?))
    }

    async fn agent_stats(
        &self,
        request: GetAgentStatsRequest,
    ) -> Result<GetAgentStatsResponse, SessionError> {
        let agent = Self::agent(&request.agent)?;
        let day_start = self.day_start(request.day_start_ms).await?;
        let numbers = self.store.agent_numbers(agent, day_start).await?;
        Ok(GetAgentStatsResponse {
            current_sessions: numbers.current,
            max_sessions: numbers.max_sessions,
            processed: numbers.processed,
            mean_response_ms: numbers.mean_response_ms,
            mean_duration_ms: numbers.mean_duration_ms,
        })
    }

    /// Whose numbers: the caller's, or with the permission another's.
    fn agent(asked: &str) -> Result<AgentId, SessionError> {
        let principal = principal();
        if asked.is_empty() {
            return principal.agent().ok_or_else(|| WireError::new("agent").into());
        }
        let agent = AgentId::parse(asked).map_err(|_| WireError::new("agent"))?;
        if principal.agent() == Some(agent) || principal.may(Permission::StatsRead) {
            return Ok(agent);
        }
        let told = "another agent's numbers need the permission stats.read";
        Err(Failure::new(ErrorKind::Forbidden, "FORBIDDEN", told).into())
    }

    /// The start of the day: what the caller says, or the present day's by the clock of the shop's hours.
    async fn day_start(&self, asked: i64) -> Result<Timestamp, SessionError> {
        if asked > 0 {
            return Ok(Timestamp::from_millis(asked));
        }
        let hours = self.store.hours.current().await?;
        Ok(hours.hours.default_calendar().day_start(self.store.clock.now()))
    }
}

#[tonic::async_trait]
impl FloorService for Floor {
    async fn find(&self, request: Request<FindRequest>) -> Result<Response<FindResponse>, Status> {
        reply(self.find(request.into_inner())).await
    }

    async fn get_queue(
        &self,
        request: Request<GetQueueRequest>,
    ) -> Result<Response<GetQueueResponse>, Status> {
        reply(self.queue(request.into_inner())).await
    }

    async fn get_stats(
        &self,
        request: Request<GetStatsRequest>,
    ) -> Result<Response<GetStatsResponse>, Status> {
        reply(self.stats(request.into_inner())).await
    }

    async fn get_agent_stats(
        &self,
        request: Request<GetAgentStatsRequest>,
    ) -> Result<Response<GetAgentStatsResponse>, Status> {
        reply(self.agent_stats(request.into_inner())).await
    }

    async fn put_roster(
        &self,
        request: Request<PutRosterRequest>,
    ) -> Result<Response<PutRosterResponse>, Status> {
        reply(async {
            let lines: Result<Vec<_>, SessionError> =
                request.into_inner().lines.into_iter().map(wire::roster_line).collect();
            self.store.put_roster(lines?).await?;
            Ok::<_, SessionError>(PutRosterResponse {})
        })
        .await
    }
}
