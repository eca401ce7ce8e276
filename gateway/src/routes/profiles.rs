//! What is known of a session's customer.

use crate::{
    error::{Failures, Problem},
    extract::{Json, SessionPath},
    identity::Agent,
    state::App,
    view::time,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1::{CustomerProfile, EditProfileRequest, GetProfileRequest};
use utoipa::ToSchema;

/// What an agent learned; what is absent stays, an empty value removes what is there.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct ProfileBody {
    /// The version that was read: 409 when somebody else has changed it since.
    version: i64,
    nickname: Option<String>,
    email: Option<String>,
    /// `zh` or `en`.
    language: Option<String>,
    /// Names are 1 to 40 of a-z 0-9 _, among them `phone`, `country`, `city`, `currency`, `order_id`.
    #[schema(value_type = Object)]
    attributes: HashMap<String, String>,
    /// At most 2000 characters.
    remark: Option<String>,
}

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileReply {
    success: bool,
    data: ProfileView,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProfileView {
    customer_id: String,
    session_name: String,
    nickname: Option<String>,
    email: Option<String>,
    vip: bool,
    language: String,
    country: String,
    city: String,
    currency: String,
    #[schema(value_type = Object)]
    metadata: BTreeMap<String, String>,
    remark: String,
    version: i64,
    escalations: i64,
    first_seen_at: f64,
    last_seen_at: f64,
}

impl From<CustomerProfile> for ProfileView {
    fn from(profile: CustomerProfile) -> Self {
        let known = |name: &str| profile.attributes.get(name).cloned().unwrap_or_default();
        Self {
            customer_id: profile.session.clone(),
            country: known("country"),
            city: known("city"),
            currency: known("currency"),
            session_name: profile.session,
            nickname: profile.nickname,
            email: profile.email,
            vip: profile.vip,
            language: profile.language,
            metadata: profile.attributes.into_iter().collect(),
            remark: profile.remark,
            version: profile.version,
            escalations: profile.sessions_escalated,
            first_seen_at: time(profile.first_seen_ms),
            last_seen_at: time(profile.last_seen_ms),
        }
    }
}

impl ProfileReply {
    fn of(profile: Option<CustomerProfile>) -> Answer<Self> {
        Answer(Self { success: true, data: profile.unwrap_or_default().into() })
    }
}

/// Shows a customer.
#[utoipa::path(
    get, path = "/customers/{session}/profile", tag = "desk",
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 200, body = ProfileReply), Failures)
)]
pub(crate) async fn show(
    State(app): State<App>,
    _agent: Agent,
    SessionPath(session): SessionPath,
) -> Result<Answer<ProfileReply>, Problem> {
    let request = GetProfileRequest { session: session.to_string() };
    let found = app.peers.tools().get_profile(request).await.map_err(Problem::from);
    Ok(ProfileReply::of(found.map_err(unknown)?.into_inner().profile))
}

/// Notes what an agent learned. What the shop's token says wins over it.
#[utoipa::path(
    put, path = "/customers/{session}/profile", tag = "desk", request_body = ProfileBody,
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 200, body = ProfileReply), Failures)
)]
pub(crate) async fn edit(
    State(app): State<App>,
    _agent: Agent,
    SessionPath(session): SessionPath,
    Json(body): Json<ProfileBody>,
) -> Result<Answer<ProfileReply>, Problem> {
    let request = EditProfileRequest {
        session: session.to_string(),
        expected_version: body.version,
        nickname: body.nickname,
        email: body.email,
        language: body.language,
        attributes: body.attributes,
        remark: body.remark,
    };
    let edited = app.peers.tools().edit_profile(request).await.map_err(Problem::from);
    Ok(ProfileReply::of(edited.map_err(unknown)?.into_inner().profile))
}

/// Clients of the original know a code of its own for a customer who is not there.
fn unknown(problem: Problem) -> Problem {
    if problem.code() == "SESSION_NOT_FOUND" {
        return Problem::new(ErrorKind::NotFound, "CUSTOMER_NOT_FOUND", "会话不存在");
    }
    problem
}
