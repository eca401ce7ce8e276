//! What happens to every call on its way out.

use crate::context::{CALLER, CallContext, TIMEOUT, format_timeout};
use http::{HeaderValue, Request};
use std::{
    task::{Context, Poll},
    time::Duration,
};
use switchboard_domain::ServiceName;
use tokio::time::Instant;
use tower::Service;

/// Puts context, caller and deadline onto a call. The deadline is what is left of the request's own, at most the
/// channel's limit; it covers the way to the response head (a stream has timers of its own).
#[derive(Debug, Clone)]
pub struct Outgoing<S> {
    inner: S,
    me: HeaderValue,
    limit: Duration,
}

impl<S> Outgoing<S> {
    /// Wraps a transport.
    pub fn new(inner: S, me: ServiceName, limit: Duration) -> Self {
        Self { inner, me: HeaderValue::from_static(me.as_str()), limit }
    }
}

impl<S, B> Service<Request<B>> for Outgoing<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let context = CallContext::current();
        let headers = request.headers_mut();
        headers.insert(CALLER, self.me.clone());
        let mut budget = self.limit;
        if let Some(context) = &context {
            context.write(headers);
            if let Some(deadline) = context.deadline {
                budget = budget.min(deadline.saturating_duration_since(Instant::now()));
            }
        }
        if !headers.contains_key(TIMEOUT) {
            headers.insert(TIMEOUT, format_timeout(budget));
        }
        self.inner.call(request)
    }
}
