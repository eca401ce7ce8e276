//! Who waits, in the order in which they will be served.

use super::{Customer, SummaryView, beginning};
use crate::{
    error::{Failures, Problem},
    extract::Query,
    identity::Agent,
    state::App,
    view::{AgentView, span},
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use switchboard_domain::{Entry, Timestamp};
use switchboard_proto::{
    convert::WireError,
    session::v1::{GetQueueRequest, get_queue_response::Place},
};
use utoipa::ToSchema;

/// Waiting sessions that one answer shows.
const PLACES_MAX: u32 = 100;

/// Who waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueReply {
    success: bool,
    data: Waiters,
}

#[derive(Debug, Serialize, ToSchema)]
struct Waiters {
    queue: Vec<PlaceView>,
    total_count: i64,
    vip_count: i64,
    avg_wait_time: f64,
    max_wait_time: f64,
}

#[derive(Debug, Serialize, ToSchema)]
struct PlaceView {
    session_name: String,
    status: &'static str,
    position: u32,
    priority_level: String,
    is_vip: bool,
    wait_time_seconds: f64,
    is_timeout: bool,
    urgent_keywords: Vec<String>,
    user_profile: Customer,
    /// Its first 50 characters.
    last_message: String,
    /// Seconds; null when nothing is known.
    estimated_wait_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offered_to: Option<AgentView>,
}

impl PlaceView {
    fn read(place: Place, now: Timestamp) -> Result<Self, Problem> {
        let mut summary = place.summary.ok_or(WireError::new("place.summary"))?;
        let last = summary.last_message.take().map(Entry::try_from).transpose()?;
        let summary = SummaryView::read(summary, now)?;
        let priority = summary.priority;
        let offered = place.offered_to.map(|agent| AgentView::named(agent.id, agent.name));
        Ok(Self {
            session_name: summary.session_name,
            status: summary.status,
            position: place.position,
            priority_level: priority.as_ref().map(|one| one.level.clone()).unwrap_or_default(),
            is_vip: summary.user_profile.vip,
            wait_time_seconds: priority.as_ref().map(|one| one.wait_time_seconds).unwrap_or_default(),
            is_timeout: priority.as_ref().is_some_and(|one| one.is_timeout),
            urgent_keywords: priority.map(|one| one.urgent_keywords).unwrap_or_default(),
            user_profile: summary.user_profile,
            last_message: last
                .as_ref()
                .and_then(Entry::message)
                .map(|message| beginning(&message.text))
                .unwrap_or_default(),
            estimated_wait_seconds: place.estimated_wait_ms.map(span),
            offered_to: offered,
        })
    }
}

/// Shows who waits, in the order in which they will be served.
#[utoipa::path(
    get, path = "/sessions/queue", tag = "desk",
    params(("queue" = Option<String>, Query, description = "One queue; all when absent")),
    responses((status = 200, body = QueueReply), Failures)
)]
pub(crate) async fn queue(
    State(app): State<App>,
    _agent: Agent,
    query: Query,
) -> Result<Answer<QueueReply>, Problem> {
    let request =
        GetQueueRequest { queue: query.text("queue").unwrap_or_default().to_owned(), limit: PLACES_MAX };
    let now = app.clock.now();
    let found = app.peers.floor().get_queue(request).await?.into_inner();
    let places: Result<Vec<_>, _> =
        found.places.into_iter().map(|place| PlaceView::read(place, now)).collect();
    let data = Waiters {
        queue: places?,
        total_count: found.total,
        vip_count: found.vips,
        avg_wait_time: span(found.mean_wait_ms),
        max_wait_time: span(found.max_wait_ms),
    };
    Ok(Answer(QueueReply { success: true, data }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START_MS, log};
    use switchboard_proto::session::v1::Summary;

    #[test]
    fn of_the_last_message_the_first_characters_are_shown_and_no_dots() {
        for (said, shown) in [("你".repeat(51), "你".repeat(50)), ("你好".into(), "你好".into())] {
            let summary = Summary {
                session: Some((&log::session("alice", 1)).into()),
                last_message: Some((&log::customer(1, &said)).into()),
                ..Summary::default()
            };
            let place = Place { summary: Some(summary), ..Place::default() };
            let view = PlaceView::read(place, Timestamp::from_millis(START_MS)).unwrap();
            assert_eq!(view.last_message, shown);
        }
    }
}
