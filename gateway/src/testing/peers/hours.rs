//! The working hours, one calendar that never changes.

use std::sync::Arc;
use switchboard_domain::{Clock, Language, Timestamp, hours::Hours};
use switchboard_proto::session::v1 as wire;
use tonic::{Request, Response, Status};

const OFFICE: &str = "default:\n  time_zone: Asia/Shanghai\n  week: {mon: [\"09:00-12:00\", \"13:00-18:00\"]}\n  \
                      holidays: [2026-12-25]\n";

/// Answers for the working hours.
pub(crate) struct FakeHours(pub(crate) Arc<dyn Clock>);

impl FakeHours {
    fn at(&self, queue: String) -> wire::QueueHours {
        let (hours, now) = (Hours::parse(OFFICE).unwrap(), self.0.now());
        let (calendar, shift) = (hours.default_calendar(), hours.default_calendar().shift());
        let opens = calendar.next_opening(now);
        let text = |language| opens.map(|opens| calendar.local_text(opens, language)).unwrap_or_default();
        wire::QueueHours {
            queue: if queue.is_empty() { "default".into() } else { queue },
            time_zone: calendar.time_zone().into(),
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
}

#[tonic::async_trait]
impl wire::hours_service_server::HoursService for FakeHours {
    async fn get_hours(
        &self,
        request: Request<wire::GetHoursRequest>,
    ) -> Result<Response<wire::GetHoursResponse>, Status> {
        let hours = Some(self.at(request.into_inner().queue));
        let document = OFFICE.to_owned();
        let published = Some(wire::HoursVersion { document, ..wire::HoursVersion::default() });
        Ok(Response::new(wire::GetHoursResponse { published, hours, warnings: Vec::new() }))
    }

    async fn list_hours_versions(
        &self,
        request: Request<wire::ListHoursVersionsRequest>,
    ) -> Result<Response<wire::ListHoursVersionsResponse>, Status> {
        let wire::ListHoursVersionsRequest { before, limit } = request.into_inner();
        let newest = if before == 0 { 3 } else { before - 1 };
        let version = |version| wire::HoursVersion {
            version,
            document: OFFICE.to_owned(),
            by: "agent:x".into(),
            at_ms: 1500,
        };
        let versions: Vec<_> = (1..=newest).rev().take(limit as usize).map(version).collect();
        let has_more = versions.last().is_some_and(|last| last.version > 1);
        Ok(Response::new(wire::ListHoursVersionsResponse { versions, has_more }))
    }

    async fn put_hours(
        &self,
        _: Request<wire::PutHoursRequest>,
    ) -> Result<Response<wire::PutHoursResponse>, Status> {
        Err(Status::unimplemented("not asked in these tests"))
    }

    async fn check_hours(
        &self,
        _: Request<wire::CheckHoursRequest>,
    ) -> Result<Response<wire::CheckHoursResponse>, Status> {
        Err(Status::unimplemented("not asked in these tests"))
    }
}
