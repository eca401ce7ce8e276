//! The shadow: a version of the rules that decides beside the one in force and changes nothing.

use super::{
    access::{Access, Group},
    decisions::DecisionView,
    rules::VersionReply,
};
use crate::{
    error::{Failures, Problem},
    extract::{Json, Query},
    limits::Class,
    state::App,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_domain::{Permission, Timestamp};
use switchboard_proto::regulator::v1::{ClearShadowRequest, SetShadowRequest, ShadowReportRequest};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Which version is to decide beside the one in force.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Shadow {
    /// Its ordinal.
    version: i64,
}

/// There is no shadow any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoShadowReply {
    success: bool,
}

/// What the shadow decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShadowReply {
    success: bool,
    /// Null: there is no shadow, and none was named.
    data: Option<ShadowView>,
}

/// The inside of [`ShadowReply`].
#[derive(Debug, Serialize, ToSchema)]
struct ShadowView {
    /// The ordinal of the version reported on.
    version: i64,
    /// Decisions that both have made.
    decisions: i64,
    /// Where only the shadow would have called a human.
    only_shadow: i64,
    /// Where only the rules in force did.
    only_published: i64,
    /// Where both did, by different rules.
    other_rule: i64,
    /// The last of those that differ, newest first; at most 50.
    differing: Vec<DecisionView>,
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let edit = Access::Agent(Permission::RulesEdit);
    let reads = Group::new(app).route(Access::Agent(Permission::RulesRead), routes!(report));
    let writes = Group::new(app).route(edit, routes!(set)).route(edit, routes!(clear));
    reads.within(quick).drawing(Class::Read).merge(writes.within(quick).drawing(Class::Write)).identified()
}

/// Tells what the shadow decided beside the rules in force, as far as decisions are still kept.
#[utoipa::path(
    get, path = "/rules/shadow", tag = "rules",
    params(
        ("version" = Option<i64>, Query, description = "Ordinal of the version to report on; the present shadow when absent"),
        ("since" = Option<f64>, Query, description = "From this instant on, seconds since the Unix epoch"),
    ),
    responses((status = 200, body = ShadowReply), Failures)
)]
pub(crate) async fn report(State(app): State<App>, query: Query) -> Result<Answer<ShadowReply>, Problem> {
    let request = ShadowReportRequest {
        ordinal: query.number("version", 1, i64::MAX)?,
        since_ms: query.instant("since")?.map(Timestamp::millis).unwrap_or_default(),
    };
    let told = app.peers.regulator().shadow_report(request).await?.into_inner();
    let data = (told.ordinal != 0).then(|| ShadowView {
        version: told.ordinal,
        decisions: told.decisions,
        only_shadow: told.only_shadow,
        only_published: told.only_published,
        other_rule: told.other_rule,
        differing: told.differing.into_iter().map(Into::into).collect(),
    });
    Ok(Answer(ShadowReply { success: true, data }))
}

/// Lets a version decide beside the one in force from here on; where both differ is recorded.
#[utoipa::path(
    put, path = "/rules/shadow", tag = "rules", request_body = Shadow,
    responses((status = 200, body = VersionReply), Failures)
)]
pub(crate) async fn set(
    State(app): State<App>,
    Json(body): Json<Shadow>,
) -> Result<Answer<VersionReply>, Problem> {
    let request = SetShadowRequest { ordinal: body.version };
    VersionReply::of(app.peers.regulator().set_shadow(request).await?.into_inner().version)
}

/// Lets no version decide beside the one in force.
#[utoipa::path(
    delete, path = "/rules/shadow", tag = "rules",
    responses((status = 200, body = NoShadowReply), Failures)
)]
pub(crate) async fn clear(State(app): State<App>) -> Result<Answer<NoShadowReply>, Problem> {
    app.peers.regulator().clear_shadow(ClearShadowRequest {}).await?;
    Ok(Answer(NoShadowReply { success: true }))
}
