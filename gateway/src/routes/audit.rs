//! What people did: the chains of all parts, merged by time, and whether they are unbroken.

mod csv;
mod merge;

use super::access::{Access, Group};
use crate::{
    error::{Failures, Problem},
    extract::Query,
    limits::Class,
    state::App,
    view::time,
};
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures::future::try_join_all;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use merge::{Cursor, Filter, Page};
use serde::Serialize;
use std::time::Duration;
use switchboard_domain::{Permission, ServiceName, Timestamp};
use switchboard_proto::audit::v1::{Record, VerifyRequest, VerifyResponse};
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Where the next page of CSV begins.
pub(crate) const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");
/// Records of one page, when nobody says how many.
const LIMIT: i64 = 50;
/// Most records of one page.
const LIMIT_MAX: i64 = 200;
/// Records of one CSV file, when nobody says how many.
const CSV_LIMIT: i64 = 1000;
/// Most records of one CSV file.
const CSV_LIMIT_MAX: i64 = 10_000;

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    /// The part whose chain it is in.
    source: &'static str,
    /// 1, 2, 3 … in that chain.
    seq: i64,
    at: f64,
    /// `agent:<id>`, `visitor:<session>`, `service:<name>` or `anonymous`.
    actor: String,
    on_behalf_of: Option<String>,
    /// `noun.verb`
    action: String,
    object: String,
    /// SHA-256 of the object before and after.
    before_digest: Option<String>,
    after_digest: Option<String>,
    /// Further facts.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    ip: Option<String>,
    request_id: String,
    /// Over the record before and this one.
    hash: String,
}

impl AuditView {
    fn of(source: ServiceName, record: Record) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            source: source.as_str(),
            seq: record.seq,
            at: time(record.at_ms),
            actor: record.actor,
            on_behalf_of: some(record.on_behalf_of),
            action: record.action,
            object: record.object,
            before_digest: some(record.before_digest),
            after_digest: some(record.after_digest),
            detail: serde_json::from_str(&record.detail_json).unwrap_or_default(),
            ip: some(record.ip),
            request_id: record.request_id,
            hash: record.hash,
        }
    }
}

/// One page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditReply {
    success: bool,
    data: AuditPage,
}

/// The inside of [`AuditReply`].
#[derive(Debug, Serialize, ToSchema)]
struct AuditPage {
    /// Newest first.
    items: Vec<AuditView>,
    has_more: bool,
    /// For the next page; null at the end.
    next_cursor: Option<String>,
    /// The parts that have a log.
    sources: Vec<&'static str>,
}

/// Whether the chains are unbroken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerifyReply {
    success: bool,
    data: Verification,
}

/// The inside of [`VerifyReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Verification {
    /// No chain is broken as far as was looked.
    ok: bool,
    /// All chains were looked at up to their ends.
    complete: bool,
    chains: Vec<ChainView>,
    /// The parts that have a log.
    sources: Vec<&'static str>,
}

/// One part's chain.
#[derive(Debug, Serialize, ToSchema)]
struct ChainView {
    source: &'static str,
    /// The first record that does not fit.
    broken_seq: Option<i64>,
    /// Where to go on (`?source=…&from=…`); null: the end was reached.
    next_seq: Option<i64>,
    head_seq: i64,
    head_hash: String,
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let read = Access::Agent(Permission::AuditRead);
    Group::new(app)
        .route(read, routes!(list))
        .route(read, routes!(verify))
        .within(app.settings.request_timeout)
        .drawing(Class::Read)
        .identified()
}

/// Lists what people did, newest first; as CSV with `Accept: text/csv` or `format=csv`.
#[utoipa::path(
    get, path = "/audit", tag = "audit",
    params(
        ("actor" = Option<String>, Query, description = "Exactly this actor"),
        ("action" = Option<String>, Query, description = "Exactly this action, or `noun.` for all of a noun"),
        ("object" = Option<String>, Query, description = "Exactly this object"),
        ("since" = Option<f64>, Query, description = "From this instant on, seconds since the Unix epoch"),
        ("until" = Option<f64>, Query, description = "Before this instant"),
        ("limit" = Option<i64>, Query, description = "1 to 200 (50); for CSV 1 to 10000 (1000)"),
        ("cursor" = Option<String>, Query, description = "From the page before"),
        ("format" = Option<String>, Query, description = "`csv` or `json`"),
    ),
    responses((status = 200, content((AuditReply = "application/json"), (String = "text/csv"))), Failures)
)]
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let as_csv = wants_csv(&headers, &query)?;
    let (least, most) = if as_csv { (CSV_LIMIT, CSV_LIMIT_MAX) } else { (LIMIT, LIMIT_MAX) };
    let limit = query.number("limit", 1, most)?.unwrap_or(least);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let text = |name| query.text(name).unwrap_or_default().to_owned();
    let filter = Filter {
        actor: text("actor"),
        action: text("action"),
        object: text("object"),
        since_ms: query.instant("since")?.map(Timestamp::millis),
        until_ms: query.instant("until")?.map(Timestamp::millis),
    };
    let cursor = query.text("cursor").filter(|text| !text.is_empty());
    let cursor = cursor.map_or(Ok(Cursor::default()), Cursor::parse)?;
    let page = merge::gather(&app, &filter, cursor, limit).await?;
    if as_csv { Ok(file(page)) } else { Ok(Answer(AuditReply::of(page)).into_response()) }
}

impl AuditReply {
    fn of(page: Page) -> Self {
        let items = page.records.into_iter().map(|(source, record)| AuditView::of(source, record));
        let data = AuditPage {
            items: items.collect(),
            has_more: page.next.is_some(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
            sources: page.sources.into_iter().map(ServiceName::as_str).collect(),
        };
        Self { success: true, data }
    }
}

fn wants_csv(headers: &HeaderMap, query: &Query) -> Result<bool, Problem> {
    match query.text("format") {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(Problem::query("format", "must be csv or json")),
        None => {
            let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
            Ok(accept.is_some_and(|accept| accept.split([',', ';']).any(|kind| kind.trim() == "text/csv")))
        }
    }
}

fn file(page: Page) -> Response {
    let next = page.next.map(|cursor| cursor.to_string());
    let mut response = csv::write(page.records).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let attached = HeaderValue::from_static("attachment; filename=\"audit.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, attached);
    if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
        headers.insert(NEXT_CURSOR, next);
    }
    response
}

/// Recomputes the chains and says where they break. Goes on with `source` and `from` where the time was not enough.
#[utoipa::path(
    get, path = "/audit/verify", tag = "audit",
    params(
        ("source" = Option<String>, Query, description = "Only this part's chain"),
        ("from" = Option<i64>, Query, description = "From this record on"),
    ),
    responses((status = 200, body = VerifyReply), Failures)
)]
pub(crate) async fn verify(State(app): State<App>, query: Query) -> Result<Answer<VerifyReply>, Problem> {
    let from = query.number("from", 0, i64::MAX)?.unwrap_or(0);
    let parts = match query.text("source") {
        None => merge::parts(&app),
        Some(name) => {
            let part = merge::parts(&app).into_iter().find(|part| part.as_str() == name);
            vec![part.ok_or_else(|| Problem::query("source", "names no part"))?]
        }
    };
    // Leaves the other half for the last call.
    let budget = app.settings.request_timeout / 2;
    let chains = try_join_all(parts.into_iter().map(|part| chain(&app, part, from, budget))).await?;
    let chains: Vec<ChainView> = chains.into_iter().flatten().collect();
    let data = Verification {
        ok: chains.iter().all(|chain| chain.broken_seq.is_none()),
        complete: chains.iter().all(|chain| chain.next_seq.is_none()),
        sources: chains.iter().map(|chain| chain.source).collect(),
        chains,
    };
    Ok(Answer(VerifyReply { success: true, data }))
}

/// One part's chain, as far as the time allows; `None` when it keeps none.
async fn chain(
    app: &App,
    part: ServiceName,
    from: i64,
    budget: Duration,
) -> Result<Option<ChainView>, Problem> {
    let Some(mut audit) = app.peers.audit(part) else { return Ok(None) };
    let begun = Instant::now();
    let mut from_seq = from;
    loop {
        let told = match audit.verify(VerifyRequest { from_seq, limit: 0 }).await {
            Ok(told) => told.into_inner(),
            Err(status) if merge::is_missing(&status) => return Ok(None),
            Err(status) => return Err(status.into()),
        };
        let VerifyResponse { broken_seq, next_seq, head_seq, head_hash } = told;
        match next_seq {
            Some(next) if broken_seq.is_none() && next > from_seq && begun.elapsed() < budget => {
                from_seq = next;
            }
            Some(_) | None => {
                let source = part.as_str();
                return Ok(Some(ChainView { source, broken_seq, next_seq, head_seq, head_hash }));
            }
        }
    }
}
