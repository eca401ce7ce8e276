//! What every request passes on its way in and every answer on its way out, in this order and no other.

use crate::{
    error::{GatewayError, Problem},
    request,
    state::App,
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::any::Any;
use switchboard_domain::Failure;
use tower::util::option_layer;
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};

/// Headers that every answer carries unless it says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct SecurityHeaders {
    fixed: Vec<(HeaderName, HeaderValue)>,
    page_policy: HeaderValue,
    docs_policy: HeaderValue,
}

/// Puts the layers around the routes. The last one added is the first one entered.
pub(crate) fn apply(app: &App, router: Router<App>) -> Router<App> {
    router
        // 6. Requests that no handler should see: too long, too many headers, TRACE.
        .layer(middleware::from_fn_with_state(app.clone(), plain))
        // 5. JSON and pages get smaller; event streams are left alone, they would be held back.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        // 4. Other origins that may call, by name.
        .layer(option_layer(cors(app)))
        // 3. A panic ends one request, as a 500.
        .layer(CatchPanicLayer::custom(panicked))
        // 2. Whatever is answered, browsers are told what they may do with it.
        .layer(middleware::from_fn_with_state(app.clone(), secure))
        // 1. Id, trace, span, measurement: around everything, so that every answer has them.
        .layer(middleware::from_fn_with_state(app.clone(), request::context))
}

fn cors(app: &App) -> Option<CorsLayer> {
    let settings = &app.settings.cors;
    if settings.origins.is_empty() {
        return None;
    }
    let origins = settings.origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok());
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("traceparent"),
            crate::workbench::COOKIES,
            request::REQUEST_ID,
        ])
        .expose_headers([
            header::RETRY_AFTER,
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            crate::routes::audit::NEXT_CURSOR,
            crate::visitor::TOKEN,
            request::REQUEST_ID,
        ])
        .max_age(settings.max_age);
    Some(layer)
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    // The hook of the process has written what and where.
    tracing::error!("a handler panicked");
    Problem::from(Failure::internal()).into_response()
}

/// Refuses what HTTP allows and we do not.
async fn plain(State(app): State<App>, request: Request, next: Next) -> Response {
    let settings = &app.settings;
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        let told = "the method is not allowed here";
        return Problem::with_status(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", told)
            .into_response();
    }
    let uri = request.uri();
    let length = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if length > settings.max_uri_bytes {
        return Problem::with_status(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", "the address is too long")
            .with("max_length", settings.max_uri_bytes)
            .into_response();
    }
    let headers = request.headers();
    if headers.len() > settings.max_headers || size(headers) > settings.max_header_bytes {
        let told = "the headers are too large";
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Problem::with_status(status, "HEADERS_TOO_LARGE", told)
            .with("max_length", settings.max_header_bytes)
            .with("max_count", settings.max_headers)
            .into_response();
    }
    next.run(request).await
}

/// Bytes of a header block as HTTP/1.1 would send it.
fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

async fn secure(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_docs = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    let ours = &app.headers;
    let headers = response.headers_mut();
    for (name, value) in &ours.fixed {
        headers.insert(name, value.clone());
    }
    let policy = if is_docs { &ours.docs_policy } else { &ours.page_policy };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    // Answers are somebody's own, unless a handler says that they may be kept.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl SecurityHeaders {
    /// Makes the headers once.
    ///
    /// # Errors
    /// [`GatewayError::Header`] when a setting is no header value.
    pub(crate) fn new(settings: &crate::config::Settings) -> Result<Self, GatewayError> {
        let text = HeaderValue::from_static;
        let mut fixed = vec![
            (header::X_CONTENT_TYPE_OPTIONS, text("nosniff")),
            (header::REFERRER_POLICY, text("no-referrer")),
            (HeaderName::from_static("cross-origin-opener-policy"), text("same-origin")),
            (HeaderName::from_static("cross-origin-resource-policy"), text("same-origin")),
            (HeaderName::from_static("permissions-policy"), text("camera=(), geolocation=(), microphone=()")),
        ];
        if settings.is_https() {
            let hsts = text("max-age=31536000; includeSubDomains");
            fixed.push((header::STRICT_TRANSPORT_SECURITY, hsts));
        }
        let frames = &settings.headers.frame_ancestors;
        if frames.is_empty() {
            fixed.push((header::X_FRAME_OPTIONS, text("DENY")));
        }
        let frames = if frames.is_empty() { "'none'".to_owned() } else { frames.join(" ") };
        let policy = |style: &str| {
            let text = format!(
                "default-src 'none'; script-src 'self'; style-src {style}; img-src 'self' data:; connect-src 'self'; \
                 frame-ancestors {frames}; base-uri 'none'; form-action 'self'; object-src 'none'"
            );
            HeaderValue::try_from(text)
                .map_err(|source| GatewayError::Header { setting: "gateway.headers.frame_ancestors", source })
        };
        // The API documentation, and nothing else, writes styles into its elements.
        Ok(Self { fixed, page_policy: policy("'self'")?, docs_policy: policy("'self' 'unsafe-inline'")? })
    }
}
