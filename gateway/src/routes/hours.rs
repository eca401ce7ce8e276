//! Working hours, for people of the shop: reading, checking and publishing the document. Who may is decided by the
//! session service.

use super::shift::find;
use crate::{
    error::{Failures, FieldError, Problem, ProblemBody},
    extract::{Json, Query},
    state::App,
    view::time,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_domain::Failure;
use switchboard_mesh::status::from_status;
use switchboard_proto::{
    convert::WireError,
    session::v1::{CheckHoursRequest, HoursVersion, ListHoursVersionsRequest, PutHoursRequest, QueueHours},
};
use utoipa::ToSchema;

/// Most versions of one page.
const VERSIONS_MAX: i64 = 20;

/// The published hours.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HoursReply {
    success: bool,
    data: HoursView,
}

/// The inside of [`HoursReply`].
#[derive(Debug, Serialize, ToSchema)]
struct HoursView {
    #[serde(flatten)]
    published: VersionView,
    /// What was wrong with the hours of the configuration, while they are what counts.
    warnings: Vec<String>,
    /// What they mean for the queue asked for.
    now: MomentView,
}

/// The published version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedReply {
    success: bool,
    data: VersionView,
}

/// One version.
#[derive(Debug, Serialize, ToSchema)]
struct VersionView {
    /// 0: from the configuration, nothing was published yet.
    version: i64,
    /// YAML.
    document: String,
    /// Who published it; empty for version 0.
    published_by: String,
    /// Seconds since the Unix epoch; null for version 0.
    published_at: Option<f64>,
}

/// What was published before.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionsReply {
    success: bool,
    data: VersionsView,
}

/// The inside of [`VersionsReply`].
#[derive(Debug, Serialize, ToSchema)]
struct VersionsView {
    /// Newest first.
    items: Vec<VersionView>,
    has_more: bool,
    /// `before` of the next page; null: there is none.
    next_before: Option<i64>,
}

/// What a document means for one queue at one moment.
#[derive(Debug, Serialize, ToSchema)]
struct MomentView {
    queue: String,
    timezone: String,
    open: bool,
    /// Seconds since the Unix epoch: the moment itself when open; null: not within 400 days.
    next_opening: Option<f64>,
    /// Seconds since the Unix epoch; null: shut, or open without end.
    closes_at: Option<f64>,
    next_opening_text: String,
    next_opening_text_en: String,
}

/// A new document.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Publish {
    /// YAML or JSON.
    document: String,
    /// The version that it follows: the one that was read before.
    expected_version: i64,
}

/// A document to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Check {
    /// YAML or JSON.
    document: String,
    /// `default` when absent.
    #[serde(default)]
    queue: String,
    /// Seconds since the Unix epoch; now when absent.
    at: Option<f64>,
}

/// What publishing would say.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckReply {
    success: bool,
    data: CheckView,
}

/// The inside of [`CheckReply`].
#[derive(Debug, Serialize, ToSchema)]
struct CheckView {
    valid: bool,
    problems: Vec<DocumentProblem>,
    /// What it means at that moment; null when it is not valid.
    now: Option<MomentView>,
}

/// What is wrong with a document, and where.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct DocumentProblem {
    /// From 1; 0: the document as a whole.
    line: u32,
    column: u32,
    reason: String,
}

/// Shows the published hours.
#[utoipa::path(
    get, path = "/hours", tag = "hours",
    params(("queue" = Option<String>, Query, description = "`default` when absent")),
    responses((status = 200, body = HoursReply), Failures)
)]
pub(crate) async fn show(State(app): State<App>, query: Query) -> Result<Answer<HoursReply>, Problem> {
    let (found, now) = find(&app, query.text("queue")).await?;
    let published = found.published.ok_or(WireError::new("get_hours.published"))?;
    Ok(Answer(HoursReply {
        success: true,
        data: HoursView { published: published.into(), warnings: found.warnings, now: now.into() },
    }))
}

/// Pages through what was published, newest first.
#[utoipa::path(
    get, path = "/hours/versions", tag = "hours",
    params(
        ("before" = Option<i64>, Query, description = "Versions before this one; from the newest when absent"),
        ("limit" = Option<i64>, Query, description = "1 to 20; 20 when absent"),
    ),
    responses(
        (status = 200, body = VersionsReply),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn versions(State(app): State<App>, query: Query) -> Result<Answer<VersionsReply>, Problem> {
    let before = query.number("before", 1, i64::MAX)?.unwrap_or_default();
    let limit = query.number("limit", 1, VERSIONS_MAX)?.unwrap_or(VERSIONS_MAX);
    let request = ListHoursVersionsRequest { before, limit: u32::try_from(limit).unwrap_or_default() };
    let found = app.peers.hours().list_hours_versions(request).await?.into_inner();
    let next_before = found.versions.last().filter(|_| found.has_more).map(|last| last.version);
    let items = found.versions.into_iter().map(Into::into).collect();
    Ok(Answer(VersionsReply {
        success: true,
        data: VersionsView { items, has_more: found.has_more, next_before },
    }))
}

/// Publishes a document. Sending it again is safe.
#[utoipa::path(
    put, path = "/hours", tag = "hours", request_body = Publish,
    responses(
        (status = 200, body = PublishedReply),
        Failures,
        (status = 400, description = "`INVALID_HOURS`: names line and reason; nothing changes", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`VERSION_CONFLICT`: another version was published meanwhile", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn publish(
    State(app): State<App>,
    Json(body): Json<Publish>,
) -> Result<Answer<PublishedReply>, Problem> {
    let request = PutHoursRequest { document: body.document, expected_version: body.expected_version };
    let outcome =
        app.peers.hours().put_hours(request).await.map_err(|status| refused(from_status(&status)))?;
    let published = outcome.into_inner().published.ok_or(WireError::new("put_hours.published"))?;
    Ok(Answer(PublishedReply { success: true, data: published.into() }))
}

/// Says what publishing a document would say, and what it would mean.
#[utoipa::path(
    post, path = "/hours/check", tag = "hours", request_body = Check,
    responses((status = 200, body = CheckReply), Failures)
)]
pub(crate) async fn check(
    State(app): State<App>,
    Json(body): Json<Check>,
) -> Result<Answer<CheckReply>, Problem> {
    let at_ms = body.at.map(milliseconds);
    let request = CheckHoursRequest { document: body.document, queue: body.queue, at_ms };
    let found = app.peers.hours().check_hours(request).await?.into_inner();
    let problems: Vec<DocumentProblem> = found
        .problems
        .into_iter()
        .map(|problem| DocumentProblem { line: problem.line, column: problem.column, reason: problem.reason })
        .collect();
    let data = CheckView { valid: problems.is_empty(), problems, now: found.hours.map(Into::into) };
    Ok(Answer(CheckReply { success: true, data }))
}

/// Every problem of the document becomes one of `errors`.
fn refused(mut failure: Failure) -> Problem {
    let told = failure.facts.remove("problems").unwrap_or_default();
    let problems: Vec<DocumentProblem> = serde_json::from_str(&told).unwrap_or_default();
    let errors = problems.into_iter().map(|problem| FieldError {
        loc: vec!["body".into(), "document".into(), problem.line.to_string(), problem.column.to_string()],
        msg: problem.reason,
        rule: "document_error",
    });
    Problem::from(failure).with_errors(errors.collect())
}

#[expect(clippy::cast_possible_truncation, reason = "saturates: a moment beyond all calendars is never open")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

impl From<HoursVersion> for VersionView {
    fn from(version: HoursVersion) -> Self {
        Self {
            version: version.version,
            document: version.document,
            published_by: version.by,
            published_at: (version.version > 0).then(|| time(version.at_ms)),
        }
    }
}

impl From<QueueHours> for MomentView {
    fn from(hours: QueueHours) -> Self {
        Self {
            queue: hours.queue,
            timezone: hours.time_zone,
            open: hours.open,
            next_opening: hours.next_opening_ms.map(time),
            closes_at: hours.closes_at_ms.map(time),
            next_opening_text: hours.next_opening_zh,
            next_opening_text_en: hours.next_opening_en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_domain::ErrorKind;

    #[test]
    fn each_problem_of_a_document_is_told() {
        let failure =
            Failure::new(ErrorKind::Invalid, "INVALID_HOURS", "line 4, column 7: no").with("line", 4).with(
                "problems",
                r#"[{"line":4,"column":7,"reason":"no"},{"line":5,"column":1,"reason":"nor this"}]"#,
            );
        let problem = refused(failure);
        assert_eq!((problem.kind(), problem.code()), (ErrorKind::Invalid, "INVALID_HOURS"));
        assert_eq!(problem.detail(), "INVALID_HOURS: line 4, column 7: no");
        let errors = problem.errors();
        assert_eq!(errors.len(), 2);
        assert_eq!(errors[1].loc, ["body", "document", "5", "1"]);
        assert_eq!(errors[1].msg, "nor this");
    }
}
