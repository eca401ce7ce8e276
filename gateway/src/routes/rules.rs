//! The rules that say when a human is needed: what is in force, their versions, drafts, publishing.

use super::access::{Access, Group};
use crate::{
    error::{Failures, FieldError, Problem},
    extract::{Json, NamePath, Query},
    limits::Class,
    state::App,
    view::time,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_domain::{ErrorKind, Permission};
use switchboard_mesh::status::from_status;
use switchboard_proto::{
    convert::WireError,
    regulator::v1::{
        CheckDraftRequest, GetRuleVersionRequest, GetRulesRequest, ListRuleVersionsRequest, PublishRequest,
        PutDraftRequest, RuleVersion, VersionState,
    },
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Versions of one page, when nobody says how many.
const LIMIT: i64 = 50;
/// Most versions of one page.
const LIMIT_MAX: i64 = 200;
/// Longest note, in characters.
const NOTE_MAX: usize = 500;

/// The rules in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesReply {
    success: bool,
    data: RulesView,
}

/// The inside of [`RulesReply`].
#[derive(Debug, Serialize, ToSchema)]
struct RulesView {
    /// 1, 2, 3 …
    ordinal: i64,
    /// What decisions name it by.
    version: String,
    /// The document with everything filled in.
    #[schema(value_type = Object)]
    rules: serde_json::Value,
    /// The version that decides beside it; null: none.
    shadow: Option<i64>,
}

/// A version without its document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionView {
    /// 1, 2, 3 …
    ordinal: i64,
    /// What decisions name it by: `v<ordinal>-<digest>`.
    version: String,
    /// `draft` (never was in force), `published` (in force) or `retired`.
    state: &'static str,
    /// Whether it decides beside the one in force.
    shadow: bool,
    note: String,
    /// `agent:<id>`, or `configuration` for the first one.
    created_by: String,
    created_at: f64,
    /// The last time that it was put into force.
    published_by: Option<String>,
    published_at: Option<f64>,
    /// SHA-256 of the document with everything filled in.
    digest: String,
}

/// One page of versions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionsReply {
    success: bool,
    data: VersionPage,
}

/// The inside of [`VersionsReply`].
#[derive(Debug, Serialize, ToSchema)]
struct VersionPage {
    /// Newest first.
    items: Vec<VersionView>,
    has_more: bool,
    /// For the next page; null at the end.
    next_cursor: Option<String>,
}

/// A version with its document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentReply {
    success: bool,
    data: DocumentView,
}

/// The inside of [`DocumentReply`].
#[derive(Debug, Serialize, ToSchema)]
struct DocumentView {
    #[serde(flatten)]
    version: VersionView,
    /// As it was written: YAML or JSON.
    document: String,
    /// The same with everything filled in.
    #[schema(value_type = Object)]
    rules: serde_json::Value,
}

/// A version after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionReply {
    success: bool,
    data: VersionView,
}

/// A draft that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DraftReply {
    success: bool,
    data: DraftView,
}

/// The inside of [`DraftReply`].
#[derive(Debug, Serialize, ToSchema)]
struct DraftView {
    #[serde(flatten)]
    version: VersionView,
    /// False: a version that was there already says the same.
    created: bool,
}

/// A document to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CheckRules {
    /// YAML or JSON.
    document: String,
}

/// A document to be kept.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Draft {
    /// YAML or JSON. What it leaves out is as in the built-in rules.
    document: String,
    /// At most 500 characters.
    #[serde(default)]
    note: String,
}

/// Which version is believed to be in force.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PublishRules {
    /// Its ordinal: the one that was read before.
    expected_version: i64,
}

/// What keeping a document would say.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckRulesReply {
    success: bool,
    data: CheckedRules,
}

/// The inside of [`CheckRulesReply`].
#[derive(Debug, Serialize, ToSchema)]
struct CheckedRules {
    valid: bool,
    problems: Vec<RulesProblem>,
    /// What it means, with everything filled in; null when it is not valid.
    #[schema(value_type = Option<Object>)]
    rules: Option<serde_json::Value>,
    digest: Option<String>,
}

/// What is wrong with a document, and where.
#[derive(Debug, Serialize, ToSchema)]
struct RulesProblem {
    /// From 1; 0: the document as a whole.
    line: u32,
    column: u32,
    reason: String,
}

impl From<RuleVersion> for VersionView {
    fn from(version: RuleVersion) -> Self {
        let state = match version.state() {
            VersionState::Unspecified | VersionState::Draft => "draft",
            VersionState::Published => "published",
            VersionState::Retired => "retired",
        };
        Self {
            ordinal: version.ordinal,
            version: version.version,
            state,
            shadow: version.shadow,
            note: version.note,
            created_by: version.created_by,
            created_at: time(version.created_at_ms),
            published_by: version.published_at_ms.map(|_| version.published_by),
            published_at: version.published_at_ms.map(time),
            digest: version.digest,
        }
    }
}

impl VersionReply {
    /// What a command answers with.
    ///
    /// # Errors
    /// 500 when the peer left it out.
    pub(super) fn of(version: Option<RuleVersion>) -> Result<Answer<Self>, Problem> {
        let data = version.ok_or(WireError::new("rule_version"))?.into();
        Ok(Answer(Self { success: true, data }))
    }
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let (read, edit) = (Access::Agent(Permission::RulesRead), Access::Agent(Permission::RulesEdit));
    let reads = Group::new(app)
        .route(read, routes!(show))
        .route(read, routes!(list))
        .route(read, routes!(version))
        .route(edit, routes!(check));
    let writes = Group::new(app)
        .route(edit, routes!(put))
        .route(Access::Agent(Permission::RulesPublish), routes!(publish));
    reads.within(quick).drawing(Class::Read).merge(writes.within(quick).drawing(Class::Write)).identified()
}

/// Tells the rules in force.
#[utoipa::path(
    get, path = "/rules", tag = "rules",
    responses((status = 200, body = RulesReply), Failures)
)]
pub(crate) async fn show(State(app): State<App>) -> Result<Answer<RulesReply>, Problem> {
    let told = app.peers.regulator().get_rules(GetRulesRequest {}).await?.into_inner();
    let rules = filled_in(&told.document_json)?;
    let data = RulesView { ordinal: told.ordinal, version: told.version, rules, shadow: told.shadow };
    Ok(Answer(RulesReply { success: true, data }))
}

/// Lists all versions, newest first, without their documents. Versions are kept for good.
#[utoipa::path(
    get, path = "/rules/versions", tag = "rules",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent"),
        ("cursor" = Option<i64>, Query, description = "From the page before"),
    ),
    responses((status = 200, body = VersionsReply), Failures)
)]
pub(crate) async fn list(State(app): State<App>, query: Query) -> Result<Answer<VersionsReply>, Problem> {
    let limit = query.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT);
    let before = query.number("cursor", 1, i64::MAX)?.unwrap_or_default();
    let request = ListRuleVersionsRequest { before, limit: u32::try_from(limit).unwrap_or(u32::MAX) };
    let told = app.peers.regulator().list_rule_versions(request).await?.into_inner();
    let last = told.versions.last().map(|version| version.ordinal.to_string());
    let data = VersionPage {
        items: told.versions.into_iter().map(Into::into).collect(),
        has_more: told.has_more,
        next_cursor: last.filter(|_| told.has_more),
    };
    Ok(Answer(VersionsReply { success: true, data }))
}

/// Tells one version with its document.
#[utoipa::path(
    get, path = "/rules/versions/{ordinal}", tag = "rules",
    params(("ordinal" = i64, Path, description = "1, 2, 3 …")),
    responses((status = 200, body = DocumentReply), Failures)
)]
pub(crate) async fn version(
    State(app): State<App>,
    NamePath(name): NamePath,
) -> Result<Answer<DocumentReply>, Problem> {
    let request = GetRuleVersionRequest { ordinal: ordinal(&name)? };
    let told = app.peers.regulator().get_rule_version(request).await?.into_inner();
    let data = DocumentView {
        version: told.version.ok_or(WireError::new("rule_version"))?.into(),
        rules: filled_in(&told.document_json)?,
        document: told.document,
    };
    Ok(Answer(DocumentReply { success: true, data }))
}

/// Says what keeping a document would say, and what it would mean. Keeps nothing.
#[utoipa::path(
    post, path = "/rules/check", tag = "rules", request_body = CheckRules,
    responses((status = 200, body = CheckRulesReply), Failures)
)]
pub(crate) async fn check(
    State(app): State<App>,
    Json(body): Json<CheckRules>,
) -> Result<Answer<CheckRulesReply>, Problem> {
    let request = CheckDraftRequest { document: body.document };
    let told = app.peers.regulator().check_draft(request).await?.into_inner();
    let data = if told.reason.is_empty() {
        let rules = Some(filled_in(&told.document_json)?);
        CheckedRules { valid: true, problems: Vec::new(), rules, digest: Some(told.digest) }
    } else {
        let problem = RulesProblem { line: told.line, column: told.column, reason: told.reason };
        CheckedRules { valid: false, problems: vec![problem], rules: None, digest: None }
    };
    Ok(Answer(CheckRulesReply { success: true, data }))
}

/// Keeps a document as a new draft. A kept document never changes: an edited draft is the next version, and what says the
/// same as a kept one is that one, so that sending it again is safe. A document that cannot be used is 422 `INVALID_RULES`
/// and names line and reason.
#[utoipa::path(
    post, path = "/rules/versions", tag = "rules", request_body = Draft,
    responses((status = 200, body = DraftReply), Failures)
)]
pub(crate) async fn put(
    State(app): State<App>,
    Json(body): Json<Draft>,
) -> Result<Answer<DraftReply>, Problem> {
    if body.note.chars().count() > NOTE_MAX {
        return Err(Problem::field("note", format!("may have at most {NOTE_MAX} characters")));
    }
    let request = PutDraftRequest { document: body.document, note: body.note };
    let told = app.peers.regulator().put_draft(request).await.map_err(refused)?.into_inner();
    let version = told.version.ok_or(WireError::new("rule_version"))?.into();
    Ok(Answer(DraftReply { success: true, data: DraftView { version, created: told.created } }))
}

/// Puts a version into force; an old one may come back. Sending it again is safe.
#[utoipa::path(
    post, path = "/rules/versions/{ordinal}/publish", tag = "rules", request_body = PublishRules,
    params(("ordinal" = i64, Path, description = "1, 2, 3 …")),
    responses((status = 200, body = VersionReply), Failures)
)]
pub(crate) async fn publish(
    State(app): State<App>,
    NamePath(name): NamePath,
    Json(body): Json<PublishRules>,
) -> Result<Answer<VersionReply>, Problem> {
    let request = PublishRequest { ordinal: ordinal(&name)?, expected: body.expected_version };
    VersionReply::of(app.peers.regulator().publish(request).await?.into_inner().version)
}

/// The version that a path names; what is no number is the number of nothing.
pub(super) fn ordinal(text: &str) -> Result<i64, Problem> {
    let told = "there is no version of this number";
    text.parse()
        .ok()
        .filter(|ordinal: &i64| *ordinal > 0)
        .ok_or_else(|| Problem::new(ErrorKind::NotFound, "RULES_NOT_FOUND", told))
}

/// A refusal of the regulator's. A document that cannot be used is 422 and says where.
pub(super) fn refused(status: tonic::Status) -> Problem {
    let failure = from_status(&status);
    if failure.code != "INVALID_RULES" {
        return status.into();
    }
    let fact = |name| failure.facts.get(name).cloned().unwrap_or_default();
    let loc = vec!["body".to_owned(), "document".to_owned(), fact("line"), fact("column")];
    let error = FieldError { loc, msg: fact("reason"), rule: "document_error" };
    Problem::from(failure).unprocessable().with_errors(vec![error])
}

fn filled_in(json: &str) -> Result<serde_json::Value, WireError> {
    serde_json::from_str(json).map_err(|_| WireError::new("document_json"))
}
