//! How much is worked on at once. What does not fit waits a moment; what still does not fit is told to come again, while
//! there is time to tell it.

use crate::{config, error::Problem, sse::jitter, state::App};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use switchboard_domain::ErrorKind;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The places.
#[derive(Debug)]
pub(crate) struct Admissions {
    /// `None`: no limit.
    places: Option<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    max_wait: Duration,
}

impl Admissions {
    /// Takes the number of places from the settings.
    pub(crate) fn new(settings: &config::Admission) -> Self {
        let limited = settings.max_concurrent > 0;
        Self {
            places: limited.then(|| Semaphore::new(settings.max_concurrent.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            max_waiting: settings.max_waiting,
            max_wait: settings.max_wait,
        }
    }

    /// A place, or `None` when there is no limit.
    ///
    /// # Errors
    /// [`Full`] when no place becomes free in time, or too many wait already.
    async fn enter(&self) -> Result<Option<SemaphorePermit<'_>>, Full> {
        let Some(places) = &self.places else { return Ok(None) };
        if let Ok(place) = places.try_acquire() {
            return Ok(Some(place));
        }
        let waiting = Waiting::begin(&self.waiting);
        if waiting.before >= self.max_waiting {
            return Err(Full);
        }
        match tokio::time::timeout(self.max_wait, places.acquire()).await {
            Ok(Ok(place)) => Ok(Some(place)),
            Ok(Err(_)) | Err(_) => Err(Full),
        }
    }
}

#[derive(Debug)]
struct Full;

struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        Self { count, before: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a request in when there is a place. Never in front of probes: a busy server is a healthy one.
pub(crate) async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Ok(_place) = app.admissions.enter().await else {
        metrics::counter!("switchboard_http_shed").increment(1);
        let least = app.settings.admission.retry_after;
        return Problem::new(ErrorKind::Unavailable, "OVERLOADED", "too much to do at once, try again")
            .retry_after(jitter(&*app.rng, least, least * 2))
            .into_response();
    };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(max_concurrent: usize, max_waiting: usize) -> config::Admission {
        config::Admission { max_concurrent, max_waiting, ..crate::testing::settings().admission }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_ones_are_told_to_come_again() {
        let admissions = Admissions::new(&settings(1, 1));
        let place = admissions.enter().await.unwrap();
        // One waits until its time is up, one more is refused at once.
        let (waited, refused) = tokio::join!(admissions.enter(), admissions.enter());
        assert!(waited.is_err() && refused.is_err());
        drop(place);
        assert!(admissions.enter().await.is_ok());
        assert_eq!(admissions.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_becomes_free_goes_to_who_waits() {
        let admissions = Admissions::new(&settings(1, 1));
        let place = admissions.enter().await.unwrap();
        let free = async { drop(place) };
        let (waited, ()) = tokio::join!(admissions.enter(), free);
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn zero_means_no_limit() {
        let admissions = Admissions::new(&settings(0, 0));
        let one = admissions.enter().await.unwrap();
        assert!(one.is_none() && admissions.enter().await.is_ok());
    }
}
