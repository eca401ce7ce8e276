//! The RPCs of the working hours.

use super::{
    Published, WorkingHours,
    store::{self, Publication},
};
use crate::{caller::principal, error::SessionError};
use serde_json::json;
use std::sync::Arc;
use switchboard_domain::{
    Clock, Language, Principal, Timestamp, document::DocumentError, hours::Hours, session::DEFAULT_QUEUE,
};
use switchboard_mesh::reply;
use switchboard_proto::session::v1::{self as wire, hours_service_server::HoursService};
use tonic::{Request, Response, Status};

/// Most versions of one page: each has a document of up to 64 KiB.
const VERSIONS_MAX: u32 = 20;

/// Answers for the working hours.
#[derive(Debug)]
pub(crate) struct HoursDesk {
    hours: WorkingHours,
    clock: Arc<dyn Clock>,
}

impl HoursDesk {
    pub(crate) fn new(hours: WorkingHours, clock: Arc<dyn Clock>) -> Self {
        Self { hours, clock }
    }

    async fn get(&self, request: wire::GetHoursRequest) -> Result<wire::GetHoursResponse, SessionError> {
        let published = self.hours.current().await?;
        let is_inside = match principal() {
            Principal::Agent { .. } | Principal::Service(_) => true,
            Principal::Anonymous | Principal::Visitor(_) => false,
        };
        let version = version(&published);
        Ok(wire::GetHoursResponse {
            hours: Some(queue_hours(&published.hours, &request.queue, self.clock.now())),
            warnings: if is_inside { published.warnings.clone() } else { Vec::new() },
            published: Some(if is_inside {
                version
            } else {
                wire::HoursVersion { document: String::new(), by: String::new(), ..version }
            }),
        })
    }

    async fn put(&self, request: wire::PutHoursRequest) -> Result<wire::PutHoursResponse, SessionError> {
        let hours = Hours::parse(&request.document).map_err(SessionError::InvalidHours)?;
        let (known, by) = (self.hours.reload().await?, actor());
        if known.version == request.expected_version + 1
            && known.document == request.document
            && known.by == by
        {
            // The first answer was lost.
            return Ok(wire::PutHoursResponse { published: Some(version(&known)) });
        }
        if known.version != request.expected_version {
            return Err(SessionError::HoursMoved(known.version));
        }
        let number = known.version + 1;
        let record = switchboard_boot::audit::record(
            &*self.clock,
            "hours.publish",
            "hours",
            Some(&json!({ "version": known.version, "document": known.document })),
            Some(&json!({ "version": number, "document": request.document })),
            &json!({ "version": number, "queues": hours.queues().collect::<Vec<_>>() }),
        );
        let (document, after, at) = (request.document, request.expected_version, self.clock.now());
        let published = self.hours.publish(Publication { document, hours, after, by, at, record }).await?;
        Ok(wire::PutHoursResponse { published: Some(version(&published)) })
    }

    async fn list(
        &self,
        request: wire::ListHoursVersionsRequest,
    ) -> Result<wire::ListHoursVersionsResponse, SessionError> {
        let before = if request.before == 0 { i64::MAX } else { request.before };
        let limit = if request.limit == 0 { VERSIONS_MAX } else { request.limit.min(VERSIONS_MAX) };
        // One more than asked for tells whether there is more.
        let mut rows = store::versions(self.hours.db(), before, i64::from(limit) + 1).await?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(wire::ListHoursVersionsResponse {
            versions: rows.into_iter().map(store::DocumentRow::told).collect(),
            has_more,
        })
    }

    fn check(&self, request: &wire::CheckHoursRequest) -> wire::CheckHoursResponse {
        let at = request.at_ms.map_or_else(|| self.clock.now(), Timestamp::from_millis);
        match Hours::parse(&request.document) {
            Ok(hours) => wire::CheckHoursResponse {
                problems: Vec::new(),
                hours: Some(queue_hours(&hours, &request.queue, at)),
            },
            Err(problems) => wire::CheckHoursResponse {
                problems: problems.into_iter().map(problem).collect(),
                hours: None,
            },
        }
    }
}

/// Who publishes: the account, whatever he may do.
fn actor() -> String {
    let principal = principal();
    principal.agent().map_or_else(|| principal.to_string(), |id| format!("agent:{id}"))
}

fn version(published: &Published) -> wire::HoursVersion {
    wire::HoursVersion {
        version: published.version,
        document: published.document.clone(),
        by: published.by.clone(),
        at_ms: published.at.millis(),
    }
}

fn problem(error: DocumentError) -> wire::HoursProblem {
    wire::HoursProblem { line: error.line, column: error.column, reason: error.reason }
}

fn queue_hours(hours: &Hours, queue: &str, now: Timestamp) -> wire::QueueHours {
    let queue = if queue.is_empty() { DEFAULT_QUEUE } else { queue };
    let calendar = hours.calendar(queue);
    let opens = calendar.next_opening(now);
    let text = |language| opens.map(|opens| calendar.local_text(opens, language)).unwrap_or_default();
    let shift = calendar.shift();
    wire::QueueHours {
        queue: queue.to_owned(),
        time_zone: calendar.time_zone().to_owned(),
        open: calendar.is_open(now),
        next_opening_ms: opens.map(Timestamp::millis),
        closes_at_ms: calendar.closes_at(now).map(Timestamp::millis),
        next_opening_zh: text(Language::Zh),
        next_opening_en: text(Language::En),
        shift: Some(wire::Shift {
            start: shift.start,
            end: shift.end,
            weekends_disabled: shift.weekends_disabled,
            holidays: shift.holidays,
        }),
    }
}

#[tonic::async_trait]
impl HoursService for HoursDesk {
    async fn get_hours(
        &self,
        request: Request<wire::GetHoursRequest>,
    ) -> Result<Response<wire::GetHoursResponse>, Status> {
        reply(self.get(request.into_inner())).await
    }

    async fn list_hours_versions(
        &self,
        request: Request<wire::ListHoursVersionsRequest>,
    ) -> Result<Response<wire::ListHoursVersionsResponse>, Status> {
        reply(self.list(request.into_inner())).await
    }

    async fn put_hours(
        &self,
        request: Request<wire::PutHoursRequest>,
    ) -> Result<Response<wire::PutHoursResponse>, Status> {
        reply(self.put(request.into_inner())).await
    }

    async fn check_hours(
        &self,
        request: Request<wire::CheckHoursRequest>,
    ) -> Result<Response<wire::CheckHoursResponse>, Status> {
        reply(async { Ok::<_, SessionError>(self.check(&request.into_inner())) }).await
    }
}
