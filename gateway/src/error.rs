//! Failures as HTTP: the only place where a kind becomes a status code. The body is RFC 9457 `application/problem+json`.

mod contract;
#[cfg(test)]
mod tests;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};
use switchboard_domain::{ErrorKind, Failure};
use switchboard_mesh::{CallContext, status::from_status};
use utoipa::{
    ToSchema,
    openapi::{Ref, RefOr, content::ContentBuilder, response::ResponseBuilder},
};

/// What a client is told to wait when nobody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The edge cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A setting is no header value.
    #[error("{setting} cannot be sent as a header")]
    Header {
        /// The setting.
        setting: &'static str,
        /// Why.
        source: http::header::InvalidHeaderValue,
    },
}

impl GatewayError {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Listen { .. } => ErrorKind::Unavailable,
            Self::Header { .. } => ErrorKind::Invalid,
        }
    }
}

/// The code of a request whose shape is right and whose values are not, whichever part says so.
const VALIDATION_ERROR: &str = "VALIDATION_ERROR";

/// One thing that is wrong with a request's values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where: `["body", "message"]`, `["query", "limit"]`.
    pub(crate) loc: Vec<String>,
    /// What.
    pub(crate) msg: String,
    /// Stable name of the rule: `missing`, `type_error`, `value_error`.
    #[serde(rename = "type")]
    pub(crate) rule: &'static str,
}

/// A failure on its way to a client. Boxed: the good case should not have to carry its size around.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    failure: Failure,
    status: StatusCode,
    errors: Vec<FieldError>,
}

/// The code of a problem, for the log line of the request.
#[derive(Debug, Clone)]
pub(crate) struct ProblemCode(pub(crate) String);

/// The body of a problem, as the API description shows it. Facts such as `max_length` stand beside these members.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// Relative reference that names the problem.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// `CODE: text`.
    detail: String,
    /// Stable machine code.
    code: String,
    /// The request, as logs know it.
    request_id: String,
    /// What is wrong where, for `VALIDATION_ERROR`.
    errors: Option<Vec<FieldError>>,
}

/// How any operation may fail, for the API description.
pub(crate) struct Failures;

impl utoipa::IntoResponses for Failures {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let told = [
            ("400", "The request cannot be right"),
            ("401", "Nobody is identified"),
            ("403", "Somebody is identified and may not"),
            ("404", "There is no such thing"),
            ("409", "The state does not allow it now"),
            ("422", "A value is not allowed"),
            ("429", "Too many requests"),
            ("503", "A part of the service is away, try again"),
        ];
        let body = Ref::from_schema_name("ProblemBody");
        told.into_iter()
            .map(|(status, description)| {
                let content = ContentBuilder::new().schema(Some(body.clone())).build();
                let response = ResponseBuilder::new()
                    .description(description)
                    .content("application/problem+json", content)
                    .build();
                (status.to_owned(), response.into())
            })
            .collect()
    }
}

/// The HTTP status of a kind.
pub(crate) fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Problem {
    fn of(failure: Failure, status: StatusCode) -> Self {
        Self(Box::new(Inner { failure, status, errors: Vec::new() }))
    }

    /// A problem of the edge's own.
    pub(crate) fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Failure::new(kind, code, message).into()
    }

    /// A problem with a status that only HTTP knows.
    pub(crate) fn with_status(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::of(Failure::new(ErrorKind::Invalid, code, message), status)
    }

    /// A request whose shape is right and whose values are not.
    pub(crate) fn validation(errors: Vec<FieldError>) -> Self {
        let told = errors
            .first()
            .map_or_else(String::new, |error| format!("{}: {}", error.loc.join("."), error.msg));
        let mut problem = Self::with_status(StatusCode::UNPROCESSABLE_ENTITY, VALIDATION_ERROR, told);
        problem.0.errors = errors;
        problem
    }

    /// One wrong value of the query.
    pub(crate) fn query(name: &str, msg: impl Into<String>) -> Self {
        let loc = vec!["query".to_owned(), name.to_owned()];
        Self::validation(vec![FieldError { loc, msg: msg.into(), rule: "value_error" }])
    }

    /// Nobody is identified.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(ErrorKind::Unauthenticated, "TOKEN_REQUIRED", "the session's visitor token is required")
    }

    /// No person of the shop is identified.
    pub(crate) fn agent_required() -> Self {
        Self::new(ErrorKind::Unauthenticated, "AGENT_TOKEN_REQUIRED", "请先登录")
    }

    /// Somebody else is identified.
    pub(crate) fn not_your_session() -> Self {
        Self::new(ErrorKind::Forbidden, "NOT_YOUR_SESSION", "the session belongs to somebody else")
    }

    /// One wrong value of the body.
    pub(crate) fn field(name: &str, msg: impl Into<String>) -> Self {
        let loc = vec!["body".to_owned(), name.to_owned()];
        Self::validation(vec![FieldError { loc, msg: msg.into(), rule: "value_error" }])
    }

    /// A change that changes nothing.
    pub(crate) fn no_fields() -> Self {
        Self::new(ErrorKind::Invalid, "NO_FIELDS_TO_UPDATE", "至少需要提供一个要修改的字段")
    }

    /// A fact of it.
    pub(crate) fn fact(&self, name: &str) -> Option<&str> {
        self.0.failure.facts.get(name).map(AsRef::as_ref)
    }

    /// The time is up.
    pub(crate) fn timeout() -> Self {
        Self::new(
            ErrorKind::Timeout,
            "TIMEOUT",
            "it took too long; whether it happened is not known, repeat with the same key",
        )
    }

    /// An answer broke off on its way.
    pub(crate) fn broken() -> Self {
        Self::new(
            ErrorKind::Unavailable,
            "UNAVAILABLE",
            "the answer broke off on its way, repeat with the same key",
        )
    }

    /// Adds one fact.
    pub(crate) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.failure = self.0.failure.with(name, value);
        self
    }

    /// What is wrong where.
    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// Says what is wrong where.
    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// The same problem as 422: the request is right, a document in it is not.
    pub(crate) fn unprocessable(mut self) -> Self {
        self.0.status = StatusCode::UNPROCESSABLE_ENTITY;
        self
    }

    /// Says when to try again.
    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.0.failure = self.0.failure.retry_after(after);
        self
    }

    /// The kind.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.0.failure.kind
    }

    /// The machine code.
    pub(crate) fn code(&self) -> &str {
        &self.0.failure.code
    }

    /// `CODE: text`.
    pub(crate) fn detail(&self) -> String {
        self.0.failure.to_string()
    }

    fn retry_seconds(&self) -> Option<u64> {
        let after = match (self.0.failure.retry_after, self.0.failure.kind) {
            (Some(after), _) => after,
            (None, ErrorKind::RateLimited | ErrorKind::Timeout | ErrorKind::Unavailable) => RETRY_AFTER,
            (None, _) => return None,
        };
        Some(after.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1))
    }

    fn body(&self) -> Map<String, Value> {
        let code = self.code();
        let request = CallContext::current().map(|context| context.request.to_string()).unwrap_or_default();
        let mut body = Map::new();
        body.insert("type".into(), format!("/problems/{}", code.to_lowercase()).into());
        body.insert("title".into(), self.0.status.canonical_reason().unwrap_or_default().into());
        body.insert("status".into(), self.0.status.as_u16().into());
        body.insert("detail".into(), self.detail().into());
        body.insert("code".into(), code.into());
        body.insert("request_id".into(), request.into());
        if !self.0.errors.is_empty() {
            body.insert("errors".into(), serde_json::to_value(&self.0.errors).unwrap_or_default());
        }
        for (name, value) in &self.0.failure.facts {
            let value = value.parse::<i64>().map_or_else(|_| Value::from(value.as_str()), Value::from);
            body.entry(name.as_str()).or_insert(value);
        }
        body
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let status = status_of(failure.kind);
        Self::of(failure, status)
    }
}

impl From<tonic::Status> for Problem {
    fn from(status: tonic::Status) -> Self {
        let mut failure = from_status(&status);
        if failure.code == VALIDATION_ERROR {
            let fact = |name: &str| failure.facts.get(name).cloned().unwrap_or_default();
            let loc = vec!["body".to_owned(), fact("field")];
            let errors = vec![FieldError { loc, msg: fact("rule"), rule: "value_error" }];
            return Self::of(failure, StatusCode::UNPROCESSABLE_ENTITY).with_errors(errors);
        }
        let Some((status, words)) = contract::known(&failure.code) else { return failure.into() };
        words.clone_into(&mut failure.message);
        Self::of(failure, status)
    }
}

/// A peer sent what cannot be read: that is our fault, not the client's.
impl From<switchboard_proto::convert::WireError> for Problem {
    fn from(error: switchboard_proto::convert::WireError) -> Self {
        tracing::error!(%error, "a peer's answer cannot be read");
        Failure::internal().into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = (self.0.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_seconds() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(ProblemCode(self.0.failure.code.into_owned()));
        response
    }
}
