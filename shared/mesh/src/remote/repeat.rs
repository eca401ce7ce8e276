//! Repeats at the edge what may be repeated: calls that failed as unavailable, of methods that their proto declares
//! repeatable, inside the request's own deadline, and within a budget that a dying peer soon uses up
//! (gRPC proposal A6: ten tokens, a failure costs one, a success gives back a tenth, half of them must be there).

use super::{CallerSide, RemoteSettings};
use crate::CallContext;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use std::{
    collections::HashSet,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use switchboard_domain::Rng;
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};
use tower::Service;

/// In thousandths of a token.
const TOKEN: u32 = 1000;

/// Repeats calls on its inner service.
#[derive(Clone)]
pub(super) struct Repeat<S> {
    inner: S,
    rules: Arc<Rules>,
}

struct Rules {
    repeatable: HashSet<&'static str>,
    rng: Arc<dyn Rng>,
    attempts: u32,
    pauses: (Duration, Duration),
    budget: Budget,
}

/// Bounds repetitions by the share of calls that fail.
#[derive(Debug)]
struct Budget {
    left: Mutex<u32>,
    full: u32,
    refill: u32,
}

impl Budget {
    fn new(tokens: u32, refill_percent: u32) -> Self {
        let full = tokens.saturating_mul(TOKEN);
        Self { left: Mutex::new(full), full, refill: refill_percent.saturating_mul(TOKEN / 100) }
    }

    fn succeeded(&self) {
        let mut left = self.left.lock();
        *left = left.saturating_add(self.refill).min(self.full);
    }

    /// Counts a failure and tells whether there is enough left to repeat it.
    fn failed(&self) -> bool {
        let mut left = self.left.lock();
        *left = left.saturating_sub(TOKEN);
        *left > self.full / 2
    }
}

impl<S> Repeat<S> {
    pub(super) fn new(inner: S, side: &CallerSide, settings: &RemoteSettings) -> Self {
        let rules = Rules {
            repeatable: side
                .access
                .iter()
                .filter(|access| access.repeatable)
                .map(|access| access.path)
                .collect(),
            rng: Arc::clone(&side.rng),
            attempts: settings.attempts,
            pauses: (settings.repeat_min, settings.repeat_max),
            budget: Budget::new(settings.repeat_budget, settings.repeat_refill_percent),
        };
        Self { inner, rules: Arc::new(rules) }
    }
}

impl<S> fmt::Debug for Repeat<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeat").field("budget", &self.rules.budget).finish_non_exhaustive()
    }
}

impl<S> Service<Request<Body>> for Repeat<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Status> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone that was made ready is the one to call.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        Box::pin(repeat(ready, Arc::clone(&self.rules), request))
    }
}

async fn repeat<S>(mut inner: S, rules: Arc<Rules>, request: Request<Body>) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Status>,
{
    if !rules.repeatable.contains(request.uri().path()) {
        return inner.call(request).await;
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let deadline = CallContext::current().and_then(|context| context.deadline);
    let mut attempt = 1;
    loop {
        let request = Request::from_parts(head.clone(), Body::new(Full::new(body.clone())));
        let answer = inner.call(request).await;
        if !unavailable(&answer) {
            rules.budget.succeeded();
            return answer;
        }
        let pause = rules.pause(attempt);
        let in_time = deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
        if !rules.budget.failed() || attempt >= rules.attempts || !in_time {
            return answer;
        }
        metrics::counter!("switchboard_mesh_repeats").increment(1);
        tokio::time::sleep(pause).await;
        poll_fn(|context| inner.poll_ready(context)).await?;
        attempt += 1;
    }
}

/// Whether nobody was there to do it. An answer without a body tells in its head.
fn unavailable(answer: &Result<Response<Body>, Status>) -> bool {
    match answer {
        Err(status) => status.code() == Code::Unavailable,
        Ok(response) => response
            .headers()
            .get("grpc-status")
            .is_some_and(|code| Code::from_bytes(code.as_bytes()) == Code::Unavailable),
    }
}

impl Rules {
    /// Any part of a pause that doubles each time (full jitter).
    fn pause(&self, attempt: u32) -> Duration {
        let (min, max) = self.pauses;
        let whole = min.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(max);
        let mut bytes = [0; 4];
        self.rng.fill(&mut bytes);
        whole.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests;
