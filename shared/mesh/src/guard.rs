//! The one server stack, the same over TCP and in one process.

use crate::{
    context::{CALLER, CallContext},
    status::{kind, to_status},
};
use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use switchboard_domain::{Access, Clock, ErrorKind, Failure, Principal, Rng, ServiceName};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tonic::{body::Body, service::Routes};
use tower::Service;
use tracing::{Instrument as _, field::Empty};

/// What the guard of one service needs to know.
#[derive(Clone)]
pub struct ServerStack {
    service: ServiceName,
    access: Arc<HashMap<&'static str, Access>>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl ServerStack {
    /// A stack for `service` with the access declarations of all protos.
    pub fn new(service: ServiceName, access: &[Access], clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        let access = access.iter().map(|access| (access.path, *access)).collect();
        Self { service, access: Arc::new(access), clock, rng }
    }

    /// Health and reflection are for everybody; every other method needs its declaration, a caller that it names and a
    /// person that it names.
    fn admit(&self, path: &str, caller: Option<ServiceName>, context: &CallContext) -> Result<(), Failure> {
        if path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.") {
            return Ok(());
        }
        let access = self
            .access
            .get(path)
            .ok_or_else(|| Failure::new(ErrorKind::NotFound, "UNKNOWN_METHOD", "there is no such method"))?;
        if !caller.is_some_and(|caller| access.callers.contains(&caller)) {
            return Err(Failure::new(
                ErrorKind::Forbidden,
                "CALLER_NOT_ALLOWED",
                "this part of the mesh may not call the method",
            ));
        }
        if !access.admits(&context.principal) {
            if context.principal == Principal::Anonymous {
                return Err(Failure::new(
                    ErrorKind::Unauthenticated,
                    "TOKEN_REQUIRED",
                    "a token is required",
                ));
            }
            let refused =
                Failure::new(ErrorKind::Forbidden, "PERMISSION_REQUIRED", "you are not permitted to do this");
            return Err(match access.permission {
                Some(permission) => refused.with("permission", permission),
                None => refused,
            });
        }
        Ok(())
    }
}

impl fmt::Debug for ServerStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStack").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Puts the guard around a service's routes.
pub fn guard(stack: ServerStack, routes: Routes) -> Guarded {
    Guarded { stack, routes: routes.prepare() }
}

/// A service behind its guard.
#[derive(Debug, Clone)]
pub struct Guarded {
    stack: ServerStack,
    routes: Routes,
}

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl Service<http::Request<Body>> for Guarded {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Answer {
        let started = Instant::now();
        let stack = &self.stack;
        // 1. Who calls, for whom, until when.
        let context = CallContext::read(request.headers(), started, &*stack.clock, &*stack.rng);
        let caller = request
            .headers()
            .get(CALLER)
            .and_then(|value| value.to_str().ok())
            .and_then(|name| name.parse().ok());
        let path = request.uri().path().to_owned();
        // 2. Deny by default, before anything is decoded.
        if let Err(refused) = stack.admit(&path, caller, &context) {
            count(stack.service, "refused", code_label(refused.kind), started);
            tracing::warn!(rpc.path = path, code = %refused.code, request_id = %context.request, "call refused");
            return Box::pin(async move { Ok(to_status(&refused).into_http()) });
        }
        let method: &'static str = stack.access.get(path.as_str()).map_or("health", |access| access.path);
        // 3. A span that continues the caller's: a spawned task would lose it, so it is made from metadata.
        let span = span(stack.service, method, &context);
        let deadline = context.deadline;
        request.extensions_mut().insert(context.clone());
        let mut routes = self.routes.clone();
        let service = stack.service;
        let work = async move { Service::<http::Request<Body>>::call(&mut routes, request).await };
        Box::pin(async move {
            // 4. Its own task: a panic stays inside, and dropping the call aborts it.
            #[expect(
                clippy::disallowed_methods,
                reason = "the one task per call; its handle aborts it on drop"
            )]
            let task = AbortOnDropHandle::new(tokio::spawn(context.scope(work).instrument(span)));
            // 5. The deadline: tonic's own timer lives in the transport and is missing inside one process.
            let joined = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, task).await,
                None => Ok(task.await),
            };
            let failure = match joined {
                Ok(Ok(Ok(response))) => {
                    count(service, method, answered(&response), started);
                    return Ok(response);
                }
                Ok(Ok(Err(never))) => match never {},
                Ok(Err(panicked)) => {
                    tracing::error!(rpc.path = method, error = %panicked, "handler panicked");
                    Failure::internal()
                }
                Err(_elapsed) => Failure::new(
                    ErrorKind::Timeout,
                    "TIMEOUT",
                    "it took too long; whether it happened is not known",
                ),
            };
            count(service, method, code_label(failure.kind), started);
            Ok(to_status(&failure).into_http())
        })
    }
}

fn span(service: ServiceName, method: &'static str, context: &CallContext) -> tracing::Span {
    let span = tracing::info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc",
        switchboard.service = service.as_str(),
        request_id = %context.request,
        trace_id = Empty,
    );
    if !span.is_disabled() {
        span.record("trace_id", context.trace.trace_id());
        context.trace.adopt(&span);
    }
    span
}

/// The code of an answer whose head is also its end; a stream that has begun counts as `Ok`.
fn answered(response: &http::Response<Body>) -> &'static str {
    let Some(code) = response.headers().get("grpc-status") else { return "ok" };
    let code = tonic::Code::from_bytes(code.as_bytes());
    if code == tonic::Code::Ok { "ok" } else { code_label(kind(code)) }
}

fn code_label(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "invalid",
        ErrorKind::Mismatch => "mismatch",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Conflict => "conflict",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Internal => "internal",
    }
}

/// Counts a call. The labels come from enums and from the protos only, so there is a bound to them.
fn count(service: ServiceName, method: &'static str, code: &'static str, started: Instant) {
    metrics::histogram!("switchboard_rpc_seconds", "service" => service.as_str(), "method" => method, "code" => code)
        .record(started.elapsed().as_secs_f64());
}
