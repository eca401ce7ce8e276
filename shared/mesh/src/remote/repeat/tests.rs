//! What is repeated, how often, and when no more.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use switchboard_domain::{ErrorKind, Failure};

const READ: &str = "/s/Read";
const WRITE: &str = "/s/Write";

/// No pauses at all.
#[derive(Debug)]
struct Zeros;

impl Rng for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Fails so often, then answers.
#[derive(Clone)]
struct Flaky {
    failures: u32,
    kind: ErrorKind,
    seen: Arc<AtomicU32>,
}

impl Service<Request<Body>> for Flaky {
    type Response = Response<Body>;
    type Error = Status;
    type Future = std::future::Ready<Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let status = crate::status::to_status(&Failure::new(self.kind, "AWAY", "away"));
        std::future::ready(match seen {
            seen if seen >= self.failures => Ok(Response::new(Body::empty())),
            // One as the transport tells it, the next as the peer does.
            seen if seen % 2 == 0 => Err(status),
            _ => Ok(status.into_http()),
        })
    }
}

fn rules() -> Rules {
    Rules {
        repeatable: HashSet::from([READ]),
        rng: Arc::new(Zeros),
        attempts: 3,
        pauses: (Duration::from_millis(50), Duration::from_secs(1)),
        budget: Budget::new(10, 10),
    }
}

/// How often the peer was asked, and whether it answered in the end.
async fn asked(rules: Rules, path: &'static str, failures: u32, kind: ErrorKind) -> (u32, bool) {
    let seen = Arc::new(AtomicU32::new(0));
    let flaky = Flaky { failures, kind, seen: Arc::clone(&seen) };
    let mut service = Repeat { inner: flaky, rules: Arc::new(rules) };
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let answer = service.call(request).await;
    (seen.load(Ordering::SeqCst), answer.is_ok_and(|answer| answer.headers().get("grpc-status").is_none()))
}

#[tokio::test]
async fn what_may_be_repeated_is_repeated_so_often_and_nothing_else() {
    assert_eq!(asked(rules(), READ, 2, ErrorKind::Unavailable).await, (3, true));
    assert_eq!(asked(rules(), READ, 3, ErrorKind::Unavailable).await, (3, false));
    assert_eq!(asked(rules(), WRITE, 1, ErrorKind::Unavailable).await, (1, false));
    for kind in [ErrorKind::Timeout, ErrorKind::Conflict, ErrorKind::RateLimited, ErrorKind::Internal] {
        assert_eq!(asked(rules(), READ, 1, kind).await, (1, false), "{kind:?}");
    }
}

#[tokio::test]
async fn a_budget_that_is_half_gone_repeats_nothing() {
    let rules = rules();
    for _ in 0..5 {
        rules.budget.failed();
    }
    assert_eq!(asked(rules, READ, 1, ErrorKind::Unavailable).await, (1, false));
}

#[test]
fn successes_fill_the_budget_by_a_tenth_each() {
    let budget = Budget::new(10, 10);
    assert_eq!((0..8).map(|_| budget.failed()).filter(|may| *may).count(), 4);
    for _ in 0..1000 {
        budget.succeeded();
    }
    assert!(budget.failed(), "full again, and never more than full");
    assert_eq!((0..8).map(|_| budget.failed()).filter(|may| *may).count(), 3);
}

#[tokio::test]
async fn nothing_is_repeated_after_the_deadline() {
    let context = CallContext {
        deadline: Some(Instant::now()),
        ..CallContext::background(switchboard_domain::ServiceName::Gateway, &Still, &Zeros)
    };
    let seen = context.scope(asked(rules(), READ, 1, ErrorKind::Unavailable)).await;
    assert_eq!(seen, (1, false));
}

#[derive(Debug)]
struct Still;

impl switchboard_domain::Clock for Still {
    fn now(&self) -> switchboard_domain::Timestamp {
        switchboard_domain::Timestamp::default()
    }
}
