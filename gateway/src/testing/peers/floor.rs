//! The floor: one waiting customer, and numbers.

use super::{
    FakeFloor, log,
    login::{Answer, note},
    refuse,
};
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1 as wire;
use tonic::{Request, Response, Status};

fn never() -> Status {
    refuse(ErrorKind::Internal, "INTERNAL", "not asked in these tests")
}

/// What a list is asked for, without what is not said.
fn told(request: &wire::FindRequest) -> String {
    let wire::FindRequest { created_since_ms, created_until_ms, vip, .. } = request;
    let text =
        |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("{name}={text} ") };
    [
        text(
            "status",
            &request.status.map(|_| request.status().as_str_name().to_owned()).unwrap_or_default(),
        ),
        text("agent", request.agent.as_deref().unwrap_or_default()),
        text("unassigned", if request.unassigned { "yes" } else { "" }),
        text("keyword", &request.keyword),
        text("tag", request.tag.as_deref().unwrap_or_default()),
        text("page", &request.page_token),
        format!("{} {}+{} ", request.order().as_str_name(), request.offset, request.limit),
        format!("{created_since_ms:?} {created_until_ms:?} {vip:?}"),
    ]
    .concat()
}

/// A customer who waits for a human.
fn waiting() -> wire::Summary {
    let mut session = log::session("alice", 2);
    session.status = switchboard_domain::Status::PendingManual;
    session.profile.vip = true;
    session.profile.nickname = Some("爱丽丝".into());
    wire::Summary {
        session: Some((&session).into()),
        last_message: Some((&log::customer(1, "我要退款，快点！")).into()),
        priority: Some(wire::Priority {
            level: "urgent".into(),
            vip: true,
            wait_ms: 301_260,
            timeout: true,
            repeat: false,
            urgent_words: vec!["快点".into()],
        }),
    }
}

#[tonic::async_trait]
impl wire::floor_service_server::FloorService for FakeFloor {
    async fn find(&self, request: Request<wire::FindRequest>) -> Answer<wire::FindResponse> {
        note(&self.0, "find", &told(&request.into_inner()))?;
        Ok(Response::new(wire::FindResponse {
            sessions: vec![waiting()],
            next_page_token: "next".into(),
            has_more: true,
            total: 41,
            total_exact: true,
            partial: false,
        }))
    }

    async fn get_queue(&self, request: Request<wire::GetQueueRequest>) -> Answer<wire::GetQueueResponse> {
        let wire::GetQueueRequest { queue, limit } = request.into_inner();
        note(&self.0, "get_queue", &format!("{queue}/{limit}"))?;
        let place = wire::get_queue_response::Place {
            position: 1,
            summary: Some(waiting()),
            estimated_wait_ms: Some(90_000),
            offered_to: None,
        };
        Ok(Response::new(wire::GetQueueResponse {
            places: vec![place],
            total: 1,
            vips: 1,
            mean_wait_ms: 301_260,
            max_wait_ms: 301_260,
        }))
    }

    async fn get_stats(&self, request: Request<wire::GetStatsRequest>) -> Answer<wire::GetStatsResponse> {
        note(&self.0, "get_stats", &request.into_inner().day_start_ms.to_string())?;
        let statuses = ["bot_active", "pending_manual", "manual_live", "after_hours_email", "closed"];
        Ok(Response::new(wire::GetStatsResponse {
            total_sessions: 10,
            by_status: (0..).zip(statuses).map(|(count, status)| (status.to_owned(), count)).collect(),
            active_sessions: 6,
            mean_wait_ms: 1_234,
            max_wait_ms: 5_678,
            mean_service_ms: 9_000,
            active_agents: 2,
            by_reason: [("keyword".to_owned(), 3)].into(),
            today: Some(wire::get_stats_response::Today {
                escalations: 5,
                waiting: 1,
                serving: 2,
                served: 3,
                after_hours: 4,
            }),
            ai: Some(wire::get_stats_response::AiQuality {
                mean_answer_ms: Some(850),
                success_ppm: Some(987_654),
                escalation_ppm: None,
                mean_messages_before_escalation_milli: Some(2_500),
            }),
            agents: Some(wire::get_stats_response::AgentEfficiency {
                mean_takeover_ms: Some(4_200),
                mean_service_ms: None,
                resolution_ppm: Some(1_000_000),
                sessions_per_agent_milli: Some(1_500),
            }),
        }))
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
