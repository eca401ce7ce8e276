//! What the rules decided, turn by turn.

use super::access::{Access, Group};
use crate::{
    error::{Failures, Problem},
    extract::Query,
    limits::Class,
    state::App,
    view::time,
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use switchboard_domain::{Permission, Timestamp};
use switchboard_proto::regulator::v1::{Decision, ListDecisionsRequest, Phase};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Decisions of one page, when nobody says how many.
const LIMIT: i64 = 50;
/// Most decisions of one page.
const LIMIT_MAX: i64 = 200;

/// One decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionView {
    id: String,
    at: f64,
    session_name: String,
    turn_id: String,
    /// `before_model` or `after_answer`.
    phase: &'static str,
    /// The version that decided: `v<ordinal>-<digest>`.
    rules_version: String,
    /// Null: no rule applied.
    rule: Option<String>,
    escalated: bool,
    answer_failed: bool,
    /// What the rule found, in order of position.
    evidence: Vec<String>,
    /// SHA-256 of everything that was looked at: the same input has the same digest.
    input_digest: String,
    /// What the shadow decided; null without one.
    shadow: Option<ShadowDecision>,
}

/// What the version beside the one in force said.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowDecision {
    rules_version: String,
    rule: Option<String>,
    escalated: bool,
    evidence: Vec<String>,
}

/// One page of decisions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionsReply {
    success: bool,
    data: DecisionPage,
}

/// The inside of [`DecisionsReply`].
#[derive(Debug, Serialize, ToSchema)]
struct DecisionPage {
    /// Newest first.
    items: Vec<DecisionView>,
    has_more: bool,
    /// For the next page; null at the end.
    next_cursor: Option<String>,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        let phase = match decision.phase() {
            Phase::Unspecified | Phase::BeforeModel => "before_model",
            Phase::AfterAnswer => "after_answer",
        };
        let some = |text: String| (!text.is_empty()).then_some(text);
        let shadow = some(decision.shadow_version).map(|rules_version| ShadowDecision {
            rules_version,
            rule: some(decision.shadow_rule),
            escalated: decision.shadow_escalated,
            evidence: decision.shadow_evidence,
        });
        Self {
            id: decision.id,
            at: time(decision.at_ms),
            session_name: decision.session,
            turn_id: decision.turn,
            phase,
            rules_version: decision.rules_version,
            rule: some(decision.rule),
            escalated: decision.escalated,
            answer_failed: decision.answer_failed,
            evidence: decision.evidence,
            input_digest: decision.input_digest,
            shadow,
        }
    }
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    Group::new(app)
        .route(Access::Agent(Permission::RulesRead), routes!(list))
        .within(app.settings.request_timeout)
        .drawing(Class::Read)
        .identified()
}

/// Lists what was decided, newest first. Decisions are kept for `regulator.record_retention`.
#[utoipa::path(
    get, path = "/rules/decisions", tag = "rules",
    params(
        ("session" = Option<String>, Query, description = "Only of this session"),
        ("escalated" = Option<bool>, Query, description = "`true`: only those that called a human"),
        ("rule" = Option<String>, Query, description = "Only by this rule"),
        ("version" = Option<String>, Query, description = "Only by this version, `v<ordinal>-<digest>`"),
        ("since" = Option<f64>, Query, description = "From this instant on, seconds since the Unix epoch"),
        ("until" = Option<f64>, Query, description = "Before this instant"),
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent"),
        ("cursor" = Option<String>, Query, description = "From the page before"),
    ),
    responses((status = 200, body = DecisionsReply), Failures)
)]
pub(crate) async fn list(State(app): State<App>, query: Query) -> Result<Answer<DecisionsReply>, Problem> {
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT);
    let text = |name| query.text(name).unwrap_or_default().to_owned();
    let instant = |name| Ok::<_, Problem>(query.instant(name)?.map(Timestamp::millis).unwrap_or_default());
    let request = ListDecisionsRequest {
        session: text("session"),
        escalated_only: query.flag("escalated"),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        page_token: text("cursor"),
        rule: text("rule"),
        rules_version: text("version"),
        since_ms: instant("since")?,
        until_ms: instant("until")?,
    };
    let told = app.peers.regulator().list_decisions(request).await?.into_inner();
    let next_cursor = (!told.next_page_token.is_empty()).then_some(told.next_page_token);
    let items = told.decisions.into_iter().map(Into::into).collect();
    let data = DecisionPage { items, has_more: next_cursor.is_some(), next_cursor };
    Ok(Answer(DecisionsReply { success: true, data }))
}
