//! The floor: one agent's numbers.

use super::{
    FakeFloor,
    login::{Answer, note},
    refuse,
};
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1 as wire;
use tonic::{Request, Response, Status};

fn never() -> Status {
    refuse(ErrorKind::Internal, "INTERNAL", "not asked in these tests")
}

#[tonic::async_trait]
impl wire::floor_service_server::FloorService for FakeFloor {
    async fn find(&self, _: Request<wire::FindRequest>) -> Answer<wire::FindResponse> {
        Err(never())
    }

    async fn get_queue(&self, _: Request<wire::GetQueueRequest>) -> Answer<wire::GetQueueResponse> {
        Err(never())
    }

    async fn get_stats(&self, _: Request<wire::GetStatsRequest>) -> Answer<wire::GetStatsResponse> {
        Err(never())
    }

    async fn get_agent_stats(
        &self,
        request: Request<wire::GetAgentStatsRequest>,
    ) -> Answer<wire::GetAgentStatsResponse> {
        note(&self.0, "get_agent_stats", &request.into_inner().day_start_ms.to_string())?;
        Ok(Response::new(wire::GetAgentStatsResponse {
            current_sessions: 2,
            max_sessions: 5,
            processed: 7,
            mean_response_ms: Some(1500),
            mean_duration_ms: None,
        }))
    }

    async fn put_roster(&self, _: Request<wire::PutRosterRequest>) -> Answer<wire::PutRosterResponse> {
        Err(never())
    }
}
