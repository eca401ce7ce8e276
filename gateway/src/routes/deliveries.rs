//! What goes out of the house: mails and webhook calls, one by one, tried again or given up.

use super::access::{Access, Group};
use crate::{
    error::{Failures, Problem},
    extract::{Json, NamePath, Query},
    limits::Class,
    state::App,
    view::time,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_domain::Permission;
use switchboard_proto::{
    convert::WireError,
    notifier::v1::{
        Attempt, CancelRequest, Delivery, DeliveryFilter, DeliveryState, GetDeliveryRequest,
        ListDeliveriesRequest, ListReceivedRequest, Received, RedriveRequest, SendTestMailRequest,
        redrive_request::What,
    },
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Things of one page, when nobody says how many.
const LIMIT: i64 = 50;
/// Most things of one page.
const LIMIT_MAX: i64 = 200;
/// Deliveries that one call tries again, when nobody says how many.
const REDRIVE: u32 = 100;
/// Most deliveries that one call tries again.
const REDRIVE_MAX: u32 = 1000;

/// One delivery.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryView {
    id: String,
    event_id: String,
    /// Null for tests.
    session_name: Option<String>,
    seq: i64,
    kind: String,
    /// `mail_team`, `mail_customer` or `webhook:<id>`.
    channel: String,
    /// `queued`, `sending`, `done`, `dead` (given up, can be redriven) or `cancelled`.
    state: &'static str,
    /// How often it was tried.
    attempts: u32,
    /// While queued.
    next_at: Option<f64>,
    /// While sending.
    lease_until: Option<f64>,
    last_error: Option<String>,
    /// Of a mail: the same for every attempt.
    message_id: Option<String>,
    created_at: f64,
    done_at: Option<f64>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
struct AttemptView {
    /// 1 is the first. A number that is missing was cut off.
    number: u32,
    at: f64,
    /// `delivered`, `failed`, `refused` or `dropped`.
    outcome: String,
    duration_ms: i64,
    /// The mail server's reply code or the endpoint's HTTP status.
    code: Option<u32>,
    error: Option<String>,
}

/// An event that arrived from the sessions.
#[derive(Debug, Serialize, ToSchema)]
struct ReceivedView {
    event_id: String,
    session_name: String,
    seq: i64,
    kind: String,
    at: f64,
    received_at: f64,
}

/// One page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveriesReply {
    success: bool,
    data: DeliveryPage,
}

/// The inside of [`DeliveriesReply`].
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryPage {
    /// Newest first.
    items: Vec<DeliveryView>,
    has_more: bool,
    /// For the next page; null at the end.
    next_cursor: Option<String>,
}

/// One delivery with its attempts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryReply {
    success: bool,
    data: DeliveryDetail,
}

/// The inside of [`DeliveryReply`].
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryDetail {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// Oldest first.
    attempt_log: Vec<AttemptView>,
}

/// A delivery after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelReply {
    success: bool,
    data: DeliveryView,
}

/// Events that arrived.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivedReply {
    success: bool,
    data: Inbox,
}

/// The inside of [`ReceivedReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Inbox {
    /// Newest first.
    items: Vec<ReceivedView>,
    /// How many are kept.
    total: i64,
}

/// Which dead deliveries are to be tried again: the oldest of those.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Redrive {
    /// Absent: all. `mail_team`, `mail_customer` or `webhook:<id>`.
    #[serde(default)]
    channel: String,
    /// Absent: of all sessions.
    #[serde(default)]
    session_name: String,
    /// 1 to 1000; 100 when absent.
    limit: Option<u32>,
}

/// How many wait again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RedriveReply {
    success: bool,
    data: Redriven,
}

/// The inside of [`RedriveReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Redriven {
    redriven: u32,
}

/// A test is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestReply {
    success: bool,
    data: Test,
}

/// The inside of [`TestReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Test {
    /// The delivery that tells how it went.
    delivery_id: String,
}

impl TestReply {
    pub(super) fn of(delivery_id: String) -> Answer<Self> {
        Answer(Self { success: true, data: Test { delivery_id } })
    }
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let state = name(delivery.state());
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            session_name: (!delivery.session.is_empty()).then_some(delivery.session),
            seq: delivery.seq,
            kind: delivery.kind,
            channel: delivery.channel,
            state,
            attempts: delivery.attempts,
            next_at: delivery.next_at_ms.map(time),
            lease_until: delivery.lease_until_ms.map(time),
            last_error: delivery.last_error,
            message_id: delivery.message_id,
            created_at: time(delivery.created_at_ms),
            done_at: delivery.done_at_ms.map(time),
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let Attempt { number, at_ms, outcome, duration_ms, code, error } = attempt;
        Self { number, at: time(at_ms), outcome, duration_ms, code, error }
    }
}

impl From<Received> for ReceivedView {
    fn from(event: Received) -> Self {
        Self {
            event_id: event.event_id,
            session_name: event.session,
            seq: event.seq,
            kind: event.kind,
            at: time(event.at_ms),
            received_at: time(event.received_at_ms),
        }
    }
}

fn name(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Unspecified | DeliveryState::Queued => "queued",
        DeliveryState::Sending => "sending",
        DeliveryState::Done => "done",
        DeliveryState::Dead => "dead",
        DeliveryState::Cancelled => "cancelled",
    }
}

/// The state that a query names.
fn state(text: &str) -> Result<DeliveryState, Problem> {
    use DeliveryState::{Cancelled, Dead, Done, Queued, Sending};
    let found = [Queued, Sending, Done, Dead, Cancelled].into_iter().find(|state| name(*state) == text);
    found.ok_or_else(|| Problem::query("state", "must be queued, sending, done, dead or cancelled"))
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let manage = Access::Agent(Permission::DeliveriesManage);
    let reads = Group::new(app)
        .route(manage, routes!(list))
        .route(manage, routes!(received))
        .route(manage, routes!(show));
    let writes = Group::new(app)
        .route(manage, routes!(redrive))
        .route(manage, routes!(redrive_one))
        .route(manage, routes!(cancel))
        .route(manage, routes!(test_mail));
    reads.within(quick).drawing(Class::Read).merge(writes.within(quick).drawing(Class::Write)).identified()
}

/// Lists deliveries, newest first.
#[utoipa::path(
    get, path = "/deliveries", tag = "deliveries",
    params(
        ("state" = Option<String>, Query, description = "`queued`, `sending`, `done`, `dead` or `cancelled`"),
        ("channel" = Option<String>, Query, description = "`mail_team`, `mail_customer` or `webhook:<id>`"),
        ("session" = Option<String>, Query, description = "Only of this session"),
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent"),
        ("cursor" = Option<String>, Query, description = "From the page before"),
    ),
    responses((status = 200, body = DeliveriesReply), Failures)
)]
pub(crate) async fn list(State(app): State<App>, query: Query) -> Result<Answer<DeliveriesReply>, Problem> {
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT);
    let text = |name| query.text(name).unwrap_or_default().to_owned();
    let state = query.text("state").map(state).transpose()?;
    let filter =
        DeliveryFilter { state: state.map(Into::into), channel: text("channel"), session: text("session") };
    let request = ListDeliveriesRequest {
        filter: Some(filter),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        page_token: text("cursor"),
    };
    let told = app.peers.notifier().list_deliveries(request).await?.into_inner();
    let next_cursor = (!told.next_page_token.is_empty()).then_some(told.next_page_token);
    let items = told.deliveries.into_iter().map(Into::into).collect();
    let data = DeliveryPage { items, has_more: next_cursor.is_some(), next_cursor };
    Ok(Answer(DeliveriesReply { success: true, data }))
}

/// Lists the events of sessions that arrived at the notifier, newest first.
#[utoipa::path(
    get, path = "/deliveries/received", tag = "deliveries",
    params(("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent")),
    responses((status = 200, body = ReceivedReply), Failures)
)]
pub(crate) async fn received(State(app): State<App>, query: Query) -> Result<Answer<ReceivedReply>, Problem> {
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT);
    let request = ListReceivedRequest { limit: u32::try_from(limit).unwrap_or(u32::MAX) };
    let told = app.peers.notifier().list_received(request).await?.into_inner();
    let items = told.events.into_iter().map(Into::into).collect();
    Ok(Answer(ReceivedReply { success: true, data: Inbox { items, total: told.total } }))
}

/// Tells one delivery with what became of each attempt.
#[utoipa::path(
    get, path = "/deliveries/{id}", tag = "deliveries",
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 200, body = DeliveryReply), Failures)
)]
pub(crate) async fn show(
    State(app): State<App>,
    NamePath(delivery): NamePath,
) -> Result<Answer<DeliveryReply>, Problem> {
    let told = app.peers.notifier().get_delivery(GetDeliveryRequest { delivery }).await?.into_inner();
    let delivery = told.delivery.ok_or(WireError::new("delivery"))?.into();
    let attempt_log = told.attempts.into_iter().map(Into::into).collect();
    Ok(Answer(DeliveryReply { success: true, data: DeliveryDetail { delivery, attempt_log } }))
}

/// Tries dead deliveries again, the oldest first. Sending it again is safe.
#[utoipa::path(
    post, path = "/deliveries/redrive", tag = "deliveries", request_body = Redrive,
    responses((status = 200, body = RedriveReply), Failures)
)]
pub(crate) async fn redrive(
    State(app): State<App>,
    Json(body): Json<Redrive>,
) -> Result<Answer<RedriveReply>, Problem> {
    let limit = body.limit.unwrap_or(REDRIVE);
    if !(1..=REDRIVE_MAX).contains(&limit) {
        return Err(Problem::field("limit", format!("must be from 1 to {REDRIVE_MAX}")));
    }
    let filter = DeliveryFilter { state: None, channel: body.channel, session: body.session_name };
    again(&app, What::Filter(filter), limit).await
}

/// Tries one dead delivery again. Sending it again is safe.
#[utoipa::path(
    post, path = "/deliveries/{id}/redrive", tag = "deliveries",
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 200, body = RedriveReply), Failures)
)]
pub(crate) async fn redrive_one(
    State(app): State<App>,
    NamePath(delivery): NamePath,
) -> Result<Answer<RedriveReply>, Problem> {
    again(&app, What::Delivery(delivery), 0).await
}

async fn again(app: &App, what: What, limit: u32) -> Result<Answer<RedriveReply>, Problem> {
    let request = RedriveRequest { what: Some(what), limit };
    let redriven = app.peers.notifier().redrive(request).await?.into_inner().redriven;
    Ok(Answer(RedriveReply { success: true, data: Redriven { redriven } }))
}

/// Gives a delivery up. One attempt that is under way may still arrive. Sending it again is safe.
#[utoipa::path(
    post, path = "/deliveries/{id}/cancel", tag = "deliveries",
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 200, body = CancelReply), Failures)
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    NamePath(delivery): NamePath,
) -> Result<Answer<CancelReply>, Problem> {
    let told = app.peers.notifier().cancel(CancelRequest { delivery }).await?.into_inner();
    let data = told.delivery.ok_or(WireError::new("delivery"))?.into();
    Ok(Answer(CancelReply { success: true, data }))
}

/// Sends a mail to the team that says that mail works.
#[utoipa::path(
    post, path = "/deliveries/test-mail", tag = "deliveries",
    responses((status = 200, body = TestReply), Failures)
)]
pub(crate) async fn test_mail(State(app): State<App>) -> Result<Answer<TestReply>, Problem> {
    let told = app.peers.notifier().send_test_mail(SendTestMailRequest {}).await?.into_inner();
    Ok(TestReply::of(told.delivery))
}
