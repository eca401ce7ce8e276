//! What handlers read from a request, checked while it is read. Each way to be wrong has a code of its own.

use crate::{
    error::{FieldError, Problem},
    state::App,
};
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Request},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::collections::HashMap;
use switchboard_domain::{ClientMessageId, ErrorKind, SessionName, Timestamp};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let told = "the body must be application/json";
            return Err(Problem::with_status(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                told,
            ));
        }
        let read = read_body(app, request);
        let slow = Problem::with_status(
            StatusCode::REQUEST_TIMEOUT,
            "BODY_TIMEOUT",
            "the body took too long to arrive",
        );
        let bytes =
            tokio::time::timeout(app.settings.body_timeout, read).await.map_err(|_elapsed| slow)??;
        parse(&bytes, app.settings.max_json_depth).map(Self)
    }
}

/// A body that may be left out; without a `Content-Type` there is none.
impl<T: DeserializeOwned> OptionalFromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Option<Self>, Problem> {
        let is_empty = request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
        if is_empty || !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<App>>::from_request(request, app).await.map(Some)
    }
}

/// Whether a body claims to be JSON: `application/json` or `application/…+json`.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn read_body(app: &App, request: Request) -> Result<Bytes, Problem> {
    let limit = app.settings.max_body_bytes;
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let told: Option<usize> = told.and_then(|text| text.parse().ok());
    let waits = request.headers().contains_key(header::EXPECT);
    let mut body = request.into_body();
    if let Some(length) = told.filter(|length| *length > limit) {
        // A client that asks first has sent nothing yet.
        if !waits && length <= app.settings.max_discard_bytes {
            discard(&mut body, app.settings.max_discard_bytes).await;
        }
        return Err(too_large(limit).with("actual_length", length));
    }
    match Limited::new(&mut body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(&mut body, app.settings.max_discard_bytes).await;
            Err(too_large(limit))
        }
        Err(_broken) => Err(Problem::new(ErrorKind::Invalid, "BODY_INCOMPLETE", "the body broke off")),
    }
}

/// Reads on without keeping anything: closing a connection with unread bytes makes the client lose our answer.
async fn discard(body: &mut Body, most: usize) {
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = rest;
    }
}

fn too_large(limit: usize) -> Problem {
    let told = format!("a body may have at most {limit} bytes");
    Problem::new(ErrorKind::TooLarge, "BODY_TOO_LARGE", told).with("max_length", limit)
}

/// Reads JSON: first what it is, then what it means.
fn parse<T: DeserializeOwned>(bytes: &[u8], max_depth: usize) -> Result<T, Problem> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Problem::new(ErrorKind::Invalid, "INVALID_UTF8", "the body is not UTF-8"));
    };
    if depth(text) > max_depth {
        let told = format!("arrays and objects may be nested at most {max_depth} deep");
        return Err(Problem::new(ErrorKind::Invalid, "JSON_TOO_DEEP", told).with("max_depth", max_depth));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().iter().map(ToString::to_string).collect();
        wrong(path, error.inner())
    })?;
    reader.end().map_err(|error| wrong(Vec::new(), &error))?;
    Ok(value)
}

fn wrong(path: Vec<String>, error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Data => Problem::validation(vec![field_error(path, &error.to_string())]),
        Category::Syntax | Category::Eof | Category::Io => {
            let (line, column) = (error.line(), error.column());
            let told = format!("the body is no JSON, see line {line}, column {column}");
            Problem::new(ErrorKind::Invalid, "INVALID_JSON", told).with("line", line).with("column", column)
        }
    }
}

/// One wrong field, in the form that clients of the original know.
fn field_error(path: Vec<String>, told: &str) -> FieldError {
    let msg = told.split(" at line ").next().unwrap_or(told).to_owned();
    let mut loc = vec!["body".to_owned()];
    loc.extend(path.into_iter().filter(|part| part != "."));
    let name = |prefix: &str| msg.strip_prefix(prefix)?.split('`').nth(1).map(str::to_owned);
    let rule = match (name("missing field"), name("duplicate field")) {
        (Some(field), _) => {
            loc.push(field);
            "missing"
        }
        (None, Some(field)) => {
            if loc.last() != Some(&field) {
                loc.push(field);
            }
            "duplicate"
        }
        (None, None) if msg.starts_with("invalid type") => "type_error",
        (None, None) => "value_error",
    };
    FieldError { loc, msg, rule }
}

/// How deep arrays and objects are nested. Brackets in strings do not count; broken JSON gives some number.
fn depth(text: &str) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// The session that a path names.
#[derive(Debug)]
pub(crate) struct SessionPath(pub(crate) SessionName);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let told = "the session name in the path cannot be read";
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(ErrorKind::Invalid, "INVALID_SESSION_NAME", told))?;
        Ok(Self(SessionName::parse(&name)?))
    }
}

/// A name or an id that a path ends with.
#[derive(Debug)]
pub(crate) struct NamePath(pub(crate) String);

/// Longest name in a path, in characters.
const NAME_MAX: usize = 128;

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let told = "the name in the path cannot be read";
        let path = Path::<String>::from_request_parts(parts, state).await.ok();
        let name = path.map(|Path(name)| name).filter(|name| {
            !name.is_empty() && name.chars().count() <= NAME_MAX && !name.chars().any(char::is_control)
        });
        name.map(Self).ok_or_else(|| Problem::new(ErrorKind::Invalid, "INVALID_NAME", told))
    }
}

/// The `Idempotency-Key` header.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) Option<ClientMessageId>);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Self(None)) };
        // Unreadable bytes become an empty key, which the parser names.
        let text = value.to_str().unwrap_or_default();
        // The IETF draft quotes the key; many clients do not.
        let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        Ok(Self(Some(ClientMessageId::parse(text)?)))
    }
}

impl Key {
    /// The key of header and body together.
    ///
    /// # Errors
    /// 422 `IDEMPOTENCY_MISMATCH` when they contradict, 400 when the body's is none.
    pub(crate) fn with_body(self, body: Option<&str>) -> Result<Option<ClientMessageId>, Problem> {
        let Some(text) = body else { return Ok(self.0) };
        let given = ClientMessageId::parse(text)?;
        match self.0 {
            Some(header) if header != given => Err(Problem::new(
                ErrorKind::Mismatch,
                "IDEMPOTENCY_MISMATCH",
                "the Idempotency-Key header and client_message_id differ",
            )),
            Some(_) | None => Ok(Some(given)),
        }
    }
}

/// The query, by name.
#[derive(Debug)]
pub(crate) struct Query(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = axum::extract::Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        let told = "the query cannot be read";
        pairs.map(|query| Self(query.0)).map_err(|_| Problem::new(ErrorKind::Invalid, "INVALID_QUERY", told))
    }
}

impl Query {
    /// A text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether something is asked for: `true` or `1`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), Some("true" | "1"))
    }

    /// An instant: seconds since the Unix epoch.
    ///
    /// # Errors
    /// 422 that names the parameter.
    pub(crate) fn instant(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let at = text.parse::<f64>().ok().and_then(crate::view::from_seconds);
        at.map(Some).ok_or_else(|| Problem::query(name, "must be seconds since the Unix epoch"))
    }

    /// A whole number from `least` to `most`.
    ///
    /// # Errors
    /// 422 that names the parameter.
    pub(crate) fn number(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            Ok(_) => Err(Problem::query(name, format!("must be from {least} to {most}"))),
            Err(_) => Err(Problem::query(name, "must be a whole number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_are_no_depth() {
        assert_eq!(depth(r#"{"a":[1,{"b":"[[[{{{\"[["}]}"#), 3);
        assert_eq!(depth(&"[".repeat(40)), 40);
        assert_eq!(depth("]]]]"), 0);
    }

    #[test]
    fn content_types() {
        let is = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            is_json(&headers)
        };
        assert!(is("application/json") && is("Application/JSON; charset=utf-8") && is("application/ld+json"));
        assert!(!is("text/plain") && !is("text/json+json") && !is("application/jsonx"));
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn header_and_body_keys_must_agree() {
        let key = |text: &str| Key(Some(ClientMessageId::parse(text).unwrap()));
        assert_eq!(key("a").with_body(None).unwrap().unwrap().as_str(), "a");
        assert_eq!(key("a").with_body(Some("a")).unwrap().unwrap().as_str(), "a");
        assert_eq!(Key(None).with_body(Some("b")).unwrap().unwrap().as_str(), "b");
        assert_eq!(key("a").with_body(Some("b")).unwrap_err().code(), "IDEMPOTENCY_MISMATCH");
        assert_eq!(Key(None).with_body(Some("")).unwrap_err().code(), "INVALID_IDEMPOTENCY_KEY");
    }
}
