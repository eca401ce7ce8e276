//! When humans answer, for everybody: one queue's hours as one shift.

use crate::{
    error::{Failures, Problem},
    extract::Query,
    state::App,
    view::time,
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use switchboard_proto::{
    convert::WireError,
    session::v1::{GetHoursRequest, GetHoursResponse, QueueHours},
};
use utoipa::ToSchema;

/// The shift as it is configured.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShiftConfigReply {
    success: bool,
    data: ShiftConfig,
}

/// The inside of [`ShiftConfigReply`]. Hours that are more than one shift are shown as their first working day.
#[derive(Debug, Serialize, ToSchema)]
struct ShiftConfig {
    /// `HH:MM`; empty: nobody ever works.
    shift_start: String,
    shift_end: String,
    /// IANA name.
    timezone: String,
    weekends_disabled: bool,
    /// `YYYY-MM-DD`.
    holidays: Vec<String>,
    is_in_shift: bool,
    queue: String,
}

/// Whether humans answer now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShiftStatusReply {
    success: bool,
    data: ShiftStatus,
}

/// The inside of [`ShiftStatusReply`].
#[derive(Debug, Serialize, ToSchema)]
struct ShiftStatus {
    is_in_shift: bool,
    /// In Chinese, as existing clients know it.
    message: &'static str,
    message_en: &'static str,
    /// `09:00 - 18:00`
    shift_hours: String,
    /// Seconds since the Unix epoch: now, when humans answer now; null when nothing is known within 400 days.
    next_opening: Option<f64>,
    /// The same on the clock of the shop; empty when nothing is known.
    next_opening_text: String,
    next_opening_text_en: String,
    /// Seconds since the Unix epoch; null while nobody answers.
    closes_at: Option<f64>,
}

/// Shows the shift.
#[utoipa::path(
    get, path = "/shift/config", tag = "info",
    params(("queue" = Option<String>, Query, description = "`default` when absent")),
    responses((status = 200, body = ShiftConfigReply), Failures)
)]
pub(crate) async fn config(
    State(app): State<App>,
    query: Query,
) -> Result<Answer<ShiftConfigReply>, Problem> {
    let (_, hours) = find(&app, query.text("queue")).await?;
    let shift = hours.shift.unwrap_or_default();
    Ok(Answer(ShiftConfigReply {
        success: true,
        data: ShiftConfig {
            shift_start: shift.start,
            shift_end: shift.end,
            timezone: hours.time_zone,
            weekends_disabled: shift.weekends_disabled,
            holidays: shift.holidays,
            is_in_shift: hours.open,
            queue: hours.queue,
        },
    }))
}

/// Tells whether humans answer now.
#[utoipa::path(
    get, path = "/shift/status", tag = "info",
    params(("queue" = Option<String>, Query, description = "`default` when absent")),
    responses((status = 200, body = ShiftStatusReply), Failures)
)]
pub(crate) async fn status(
    State(app): State<App>,
    query: Query,
) -> Result<Answer<ShiftStatusReply>, Problem> {
    let (_, hours) = find(&app, query.text("queue")).await?;
    let shift = hours.shift.unwrap_or_default();
    let (message, message_en) = if hours.open {
        ("人工客服在线", "Our team is here")
    } else {
        ("当前为非工作时间", "We are closed right now")
    };
    Ok(Answer(ShiftStatusReply {
        success: true,
        data: ShiftStatus {
            is_in_shift: hours.open,
            message,
            message_en,
            shift_hours: format!("{} - {}", shift.start, shift.end),
            next_opening: hours.next_opening_ms.map(time),
            next_opening_text: hours.next_opening_zh,
            next_opening_text_en: hours.next_opening_en,
            closes_at: hours.closes_at_ms.map(time),
        },
    }))
}

/// The published version and what it means now for a queue.
///
/// # Errors
/// What the session service says.
pub(super) async fn find(app: &App, queue: Option<&str>) -> Result<(GetHoursResponse, QueueHours), Problem> {
    let request = GetHoursRequest { queue: queue.unwrap_or_default().to_owned() };
    let mut found = app.peers.hours().get_hours(request).await?.into_inner();
    let hours = found.hours.take().ok_or(WireError::new("get_hours.hours"))?;
    Ok((found, hours))
}
