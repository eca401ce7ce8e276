//! Waiting for something to become true, never for time to pass.

use std::{fmt::Display, time::Duration};
use tokio::time::Instant;

/// How long a condition that only needs a busy machine to get round to it is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Looks again and again until `attempt` gives something; fails the test after [`PATIENCE`].
pub async fn eventually<T>(what: impl Display, attempt: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, attempt).await
}

/// Looks again and again until `attempt` gives something; fails the test after `bound`.
pub async fn within<T>(bound: Duration, what: impl Display, attempt: impl AsyncFnMut() -> Option<T>) -> T {
    match try_within(bound, attempt).await {
        Some(found) => found,
        None => panic!("not within {bound:?}: {what}"),
    }
}

/// Looks again and again until `attempt` gives something, or `bound` is over.
pub async fn try_within<T>(bound: Duration, mut attempt: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + bound;
    loop {
        if let Some(found) = attempt().await {
            return Some(found);
        }
        if Instant::now() >= until {
            return None;
        }
        tokio::time::sleep(LOOK).await;
    }
}
